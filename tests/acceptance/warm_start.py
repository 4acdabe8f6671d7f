"""The real command in real processes, without an interpreter's start and imports for each: one that has done them forks.

The child takes the folder, environment, streams and arguments that are asked for, and goes on where `python -m jobsched`
begins. What Python reads at its start cannot be asked for here.
"""

import functools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

FORKING = Path(__file__).with_name("warm_forking.py")
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
    arguments: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    stdout: IO[Any],
    stderr: IO[Any],
    forking: "_Asking | None" = None,
) -> WarmProcess:
    """`jobsched` with these arguments, in a process of its own."""
    ours, theirs = socket.socketpair()
    with theirs, open(os.devnull) as stdin:  # noqa: PTH123 - a device
        ours.sendall(json.dumps({"arguments": arguments, "cwd": str(cwd), "env": dict(env)}).encode())
        ours.shutdown(socket.SHUT_WR)
        (forking or _forking()).ask([theirs.fileno(), *(stream.fileno() for stream in (stdin, stdout, stderr))])
    return WarmProcess(ours)


def end() -> None:
    """Of the process that forks, if there is one. Those that it forked go on."""
    if _forking.cache_info().currsize:
        _forking().end()
        _forking.cache_clear()


@functools.cache
def _forking() -> "_Forking":
    return _Forking()


class _Asking:
    """The way to the process that forks."""

    def __init__(self, channel: socket.socket) -> None:
        self.channel = channel
        self._lock = threading.Lock()

    def ask(self, descriptors: Sequence[int]) -> None:
        with self._lock:
            socket.send_fds(self.channel, [b"."], descriptors)


class _Forking(_Asking):
    """It ends when nobody can ask any more."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        super().__init__(ours)
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, FORKING, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )

    def end(self) -> None:
        self.channel.close()
        self.process.wait()


# -- for shells


def put_command(folder: Path) -> int:
    """A `jobsched` for PATH; who runs it must have been given this file descriptor."""
    descriptor = _forking().channel.fileno()
    script = folder / "jobsched"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -IS {__file__} {descriptor} "$@"\n')
    script.chmod(0o755)
    return descriptor


def _ask_and_wait(descriptor: int, arguments: Sequence[str]) -> int:
    """In the place of the command: what becomes of it, and the signals that it gets."""
    asking = _Asking(socket.socket(fileno=descriptor))
    process = start(arguments, cwd=Path.cwd(), env=os.environ, stdout=sys.stdout, stderr=sys.stderr, forking=asking)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, _: process.send_signal(number))
    code = process.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(_ask_and_wait(int(sys.argv[1]), sys.argv[2:]))
