"""The process that handlers with `executor: process` are forked from: one thread, with their modules imported.

A node has threads, so it must not be forked itself; and a fresh interpreter for each attempt would import everything
anew. `forker_process.py` is what runs there. What it forks leads a session of its own and is told apart by its sockets.
"""

import array
import json
import logging
import os
import signal
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from io import FileIO
from pathlib import Path

from jobsched.errors import HandlerProcessError

log = logging.getLogger("jobsched")

#: Its pipes and sockets, in the order in which they are sent: stdin, stdout, stderr, the channel, how it ended.
PASSED = 5
#: What the last of them carries: first the number of the process (negative: errno, why there is none), then its exit code.
NUMBER = struct.Struct("i")
#: Where the forking process finds its requests.
REQUESTS = 3
_START_SECONDS = 60.0
_POSSIBLE = hasattr(os, "fork") and hasattr(os, "posix_spawn") and hasattr(socket, "recv_fds")
_CODE = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); import jobsched.handlers.forker_process as it; it.main()"
)


class Forked:
    """A process that was forked for one handler; a `Started` with a `channel` beside its pipes."""

    def __init__(self, pid: int, pipes: list[FileIO], channel: socket.socket, end: socket.socket) -> None:
        self.pid, self.channel, self._end = pid, channel, end
        self.stdin, self.stdout, self.stderr = pipes
        self._exit_code: int | None = None

    def ask_to_stop(self) -> None:
        """Not by a signal, which would end it before its `finally` blocks: who follows it says so on the channel."""

    def await_exit(self) -> None:
        self._exit_code = _number(self._end)

    def reap(self) -> int:
        if self._exit_code is None:
            self._exit_code = _number(self._end)
        # It is let go of by the forking process when this end closes.
        self._end.close()
        # The forking process is gone, and nobody knows; what is left of its children has been killed.
        return -signal.SIGKILL if self._exit_code is None else self._exit_code

    def kill(self) -> None:
        """At once, unwatched as it is, and close all."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        for each in (self.stdin, self.stdout, self.stderr, self.channel, self._end):
            each.close()


class Forker:
    """Thread-safe; its process starts with the first request, and again should somebody have killed it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: socket.socket | None = None
        self._pid = 0
        # A fork of the node must not keep the process alive when the node has died.
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forked)

    def fork(self, modules: Callable[[], Iterable[str]]) -> Forked:
        """A new process, which reads on stdin what to do. `modules` are imported in the forking process when it starts.

        Raises HandlerProcessError.
        """
        if not _POSSIBLE:
            raise HandlerProcessError(
                "`executor: process` needs a system with fork; run its job with `executor: thread`"
            )
        with ExitStack() as undo:
            with ExitStack() as theirs:
                try:
                    pipes = [_pipe(undo, theirs, writes=writes) for writes in (True, False, False)]
                    channel, end = _pair(undo, theirs), _pair(undo, theirs)
                except OSError as error:
                    raise HandlerProcessError(f"no file descriptors for its process: {error.strerror}") from error
                self._send([*(far.fileno() for _, far in pipes), channel[1].fileno(), end[1].fileno()], modules)
            end[0].settimeout(_START_SECONDS)
            pid = _number(end[0])
            end[0].settimeout(None)
            if pid is None or pid <= 0:
                raise HandlerProcessError(f"its process could not start: {_why(pid)}")
            undo.pop_all()
        return Forked(pid, [near for near, _ in pipes], channel[0], end[0])

    def _send(self, descriptors: list[int], modules: Callable[[], Iterable[str]]) -> None:
        passed = array.array("i", descriptors)
        message = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, passed)]
        with self._lock:
            if self._requests is not None:
                try:
                    self._requests.sendmsg([b"."], message)
                except OSError:
                    self._discard(self._requests)
                else:
                    return
            try:
                self._start(modules()).sendmsg([b"."], message)
            except OSError as error:
                raise HandlerProcessError(f"the process that forks it could not start: {error}") from error

    def _start(self, modules: Iterable[str]) -> socket.socket:
        if not sys.executable:
            raise HandlerProcessError("the path of this Python is not known (sys.executable), so none can be started")
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self._pid = os.posix_spawn(
                    sys.executable,
                    [
                        sys.executable,
                        "-c",
                        _CODE,
                        json.dumps(module_path()),
                        json.dumps(sorted(modules)),
                        "jobsched-forker",
                    ],
                    os.environ,
                    # Not our stdout and stderr: modules that print when they are imported have done so here already.
                    file_actions=[
                        (os.POSIX_SPAWN_DUP2, theirs.fileno(), REQUESTS),
                        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                        (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                        (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
                    ],
                    # Ctrl-C on a terminal is for the node.
                    setpgroup=0,
                )
        except BaseException:
            ours.close()
            raise
        self._requests = ours
        return ours

    def _discard(self, requests: socket.socket) -> None:
        """Of a process that does not listen."""
        log.warning("the process that forks handlers (%d) was gone; another is started", self._pid)
        requests.close()
        self._requests = None
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)

    def _forked(self) -> None:
        self._lock = threading.Lock()
        if self._requests is not None:
            self._requests.close()
            self._requests = None


forker = Forker()


def module_path() -> list[str]:
    """sys.path as it serves elsewhere."""
    return [str(Path(folder).absolute()) for folder in sys.path]


def _pipe(near: ExitStack, far: ExitStack, *, writes: bool) -> tuple[FileIO, FileIO]:
    """Our end, which `near` closes, and theirs; `writes`: ours is the one to write to."""
    reading, writing = os.pipe()
    ours, theirs = (writing, reading) if writes else (reading, writing)
    return (
        near.enter_context(FileIO(ours, "wb" if writes else "rb")),
        far.enter_context(FileIO(theirs, "rb" if writes else "wb")),
    )


def _pair(near: ExitStack, far: ExitStack) -> tuple[socket.socket, socket.socket]:
    ours, theirs = socket.socketpair()
    return near.enter_context(ours), far.enter_context(theirs)


def _number(end: socket.socket) -> int | None:
    """The next number that it carries; None if the forking process has gone, or says nothing."""
    try:
        told = end.recv(NUMBER.size)
    except OSError:
        return None
    return NUMBER.unpack(told)[0] if len(told) == NUMBER.size else None


def _why(pid: int | None) -> str:
    return "the process that forks it has ended, or does not answer" if pid is None else os.strerror(-pid)
