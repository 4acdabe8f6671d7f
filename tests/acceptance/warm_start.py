"""The real command in real processes, without an interpreter's start and imports for each: one that has done them forks.

The child takes the folder, environment, streams and arguments that are asked for, and goes on where `python -m jobsched`
begins. What Python reads at its start cannot be asked for here.
"""

import atexit
import functools
import gc
import json
import os
import pkgutil
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import IO, Any, NamedTuple, NoReturn

#: What commands import, each when it needs it.
PACKAGES = ("jobsched.cli", "jobsched.runner", "jobsched.web", "jobsched_sql", "jobsched_sqlite", "jobsched_postgres")
MODULES = (
    *(
        "alembic.command",
        "alembic.config",
        "croniter",
        "httpx",
        "sqlalchemy.dialects.postgresql",
        "sqlalchemy.dialects.sqlite",
    ),
    *("rich.box", "rich.console", "rich.progress", "rich.table", "rich.text", "watchdog.observers"),
)
#: Read by the interpreter, or when a module is imported.
NOT_TAKEN = ("PYTHON", "JOBSCHED_TESTING")


def can_start(environment: Mapping[str, str]) -> bool:
    """Whether a process with this environment can begin here: the variables that are read before are as in this process."""
    names = {name for name in {*environment, *os.environ} if name.startswith(NOT_TAKEN)}
    return all(environment.get(name) == os.environ.get(name) for name in names)


class WarmProcess:
    """As far as the tests need it a `subprocess.Popen`; the parent of the process is the one that forked it."""

    def __init__(self, answers: socket.socket) -> None:
        self._answers = answers
        self._said = b""
        self.returncode: int | None = None
        self.pid = int(self._answer(None))

    def poll(self) -> int | None:
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            self.returncode = int(self._answer(timeout))
            self._answers.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _answer(self, timeout: float | None) -> bytes:
        """The next line."""
        self._answers.settimeout(timeout)
        while b"\n" not in self._said:
            try:
                part = self._answers.recv(100)
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired("jobsched", timeout or 0) from None
            assert part, "the process that forks has ended"
            self._said += part
        line, _, self._said = self._said.partition(b"\n")
        return line


def start(
    arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str], stdout: IO[Any], stderr: IO[Any]
) -> WarmProcess:
    """`jobsched` with these arguments, in a process of its own."""
    ours, theirs = socket.socketpair()
    with theirs, open(os.devnull) as stdin:  # noqa: PTH123 - a device
        ours.sendall(json.dumps({"arguments": arguments, "cwd": str(cwd), "env": dict(env)}).encode())
        ours.shutdown(socket.SHUT_WR)
        _forking().ask([theirs.fileno(), *(stream.fileno() for stream in (stdin, stdout, stderr))])
    return WarmProcess(ours)


def end() -> None:
    """Of the process that forks, if there is one. Those that it forked go on."""
    if _forking.cache_info().currsize:
        _forking().end()
        _forking.cache_clear()


@functools.cache
def _forking() -> "_Forking":
    return _Forking()


class _Forking:
    """The way to the process that forks; it ends when nobody can ask any more."""

    def __init__(self) -> None:
        self._channel, theirs = socket.socketpair()
        self._lock = threading.Lock()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )

    def ask(self, descriptors: Sequence[int]) -> None:
        with self._lock:
            socket.send_fds(self._channel, [b"."], descriptors)

    def end(self) -> None:
        self._channel.close()
        self._process.wait()


# -- the process that forks


class _Asked(NamedTuple):
    arguments: list[str]
    cwd: str
    env: dict[str, str]
    streams: list[int]


def _preload() -> None:
    for name in PACKAGES:
        package = import_module(name)
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            if ".migrations" not in module.name:  # which migrates when it is imported
                import_module(module.name)
    for name in MODULES:
        import_module(name)


def _fork_for_each(channel: socket.socket) -> _Asked | None:
    """Returns in each child, with what was asked of it; in the parent in the end, with nothing."""
    woken, waker = socket.socketpair()
    for end in (woken, waker):
        end.setblocking(False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
    children: dict[int, socket.socket] = {}
    with selectors.DefaultSelector() as ready:
        ready.register(channel, selectors.EVENT_READ)
        ready.register(woken, selectors.EVENT_READ)
        while True:
            for key, _ in ready.select():
                if key.fileobj is woken:
                    woken.recv(4096)
                    _tell_of_ended(children)
                    continue
                message, descriptors, *_ = socket.recv_fds(channel, 1, 4)
                if not message:
                    return None
                answers = socket.socket(fileno=descriptors[0])
                asked = _Asked(**json.loads(answers.makefile().read()), streams=descriptors[1:])
                pid = os.fork()
                if pid == 0:
                    signal.set_wakeup_fd(-1)
                    for end in (channel, woken, waker, answers, *children.values()):
                        end.close()
                    return asked
                children[pid] = answers
                answers.sendall(f"{pid}\n".encode())
                for descriptor in asked.streams:
                    os.close(descriptor)


def _tell_of_ended(children: dict[int, socket.socket]) -> None:
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        with children.pop(pid) as answers:
            answers.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())


def _become(asked: _Asked) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, descriptor in enumerate(asked.streams):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(asked.cwd)
    os.environ.clear()
    os.environ.update(asked.env)
    time.tzset()
    sys.path[0] = asked.cwd
    sys.argv[:] = ["jobsched", *asked.arguments]


def _end_quickly(main: Callable[[], NoReturn]) -> None:
    """As the interpreter ends, but for taking apart, and so copying, what it shares with the one that forked it."""
    try:
        main()
    except SystemExit as ended:
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(ended.code if isinstance(ended.code, int) else 1)


if __name__ == "__main__":
    # Before a module of this name takes its place.
    from jobsched.cli import main

    _preload()
    gc.collect()
    gc.freeze()
    given = _fork_for_each(socket.socket(fileno=int(sys.argv[1])))
    if given is not None:
        _become(given)
        _end_quickly(main)
