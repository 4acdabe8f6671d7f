"""Follows one started process to its end: feeds it, reads it, stops it when asked, and never hangs on its pipes."""

import os
import selectors
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import IO, Protocol

from jobsched.clock import Clock
from jobsched.handlers.cancel import CancelToken
from jobsched.handlers.guard import guard
from jobsched.handlers.survivors import kill_survivors

#: Between asking it to stop and killing it, where a job says nothing.
KILL_AFTER_SECONDS = 10.0
#: After the process has ended, how long its pipes may be held open by what it left behind.
EOF_SECONDS = 2.0
#: A node that lost its lease has little time: its runs start again elsewhere.
_FENCED_SECONDS = 2.0
_CHUNK = 65536


class Pipe(Protocol):
    """A file or a socket."""

    def fileno(self) -> int: ...

    def close(self) -> None: ...


class Started(Protocol):
    """A process that leads a session, and so a group, of its own."""

    @property
    def pid(self) -> int: ...

    @property
    def stdin(self) -> Pipe: ...

    def ask_to_stop(self) -> None:
        """In whatever way it may heed; never blocks, and does nothing if it has ended."""

    def await_exit(self) -> None:
        """Block until it has ended. It stays a zombie, and its number its own, where the system can do that."""

    def reap(self) -> int:
        """Wait for it, and let go of its number; its exit code, negative for a signal."""


class Follow:
    """One process with pipes; `until_end` is called once.

    One loop over non-blocking pipes and a wake-up: nothing that the process does (never reading, never ending its
    output, leaving its pipes to a daemon) can block it. `outputs`: what to read of it, and who gets that. `mark`: what
    all that it starts has in its environment.
    """

    def __init__(
        self,
        process: Started,
        feed: bytes,
        outputs: Sequence[tuple[Pipe, Callable[[bytes], None]]],
        cancel: CancelToken,
        kill_after: float,
        clock: Clock,
        mark: str,
    ) -> None:
        self._process, self._feed, self._cancel = process, memoryview(feed), cancel
        self._kill_after, self._clock, self._mark = kill_after, clock, mark
        self._selector = selectors.DefaultSelector()
        self._wakeup = _Wakeup()
        self._exited = threading.Event()
        self._reading: set[Pipe] = set()
        self._kill_at: float | None = None
        self._killed = False
        self._close_at: float | None = None
        self._pipes = (process.stdin, *(pipe for pipe, _ in outputs))
        self._register(outputs)
        guard.watch(process.pid, mark)

    @property
    def stopped(self) -> bool:
        """It was asked to stop before it ended."""
        return self._kill_at is not None

    def until_end(self) -> int:
        """Its exit code, negative for a signal. What it left is killed if it was stopped; in its group also if it holds the pipes."""
        forget = self._cancel.on_cancel(self._wakeup.ring)
        self._cancel.on_hurry(self._wakeup.ring)
        try:
            threading.Thread(target=self._await_exit, name="jobsched-command", daemon=True).start()
            while not self._at_end():
                for key, _ in self._selector.select(self._patience()):
                    key.data()
        finally:
            forget()
            exit_code = self._wind_up()
        return exit_code

    def _register(self, outputs: Sequence[tuple[Pipe, Callable[[bytes], None]]]) -> None:
        for pipe in self._pipes:
            os.set_blocking(pipe.fileno(), False)
        stdin = self._process.stdin
        self._selector.register(stdin.fileno(), selectors.EVENT_WRITE, lambda: self._write(stdin))
        for pipe, output in outputs:
            self._reading.add(pipe)
            self._selector.register(pipe.fileno(), selectors.EVENT_READ, _reader(self, pipe, output))
        self._selector.register(self._wakeup.reading, selectors.EVENT_READ, self._wakeup.clear)

    def _await_exit(self) -> None:
        self._process.await_exit()
        self._exited.set()
        self._wakeup.ring()

    # -- the loop

    def _at_end(self) -> bool:
        """Also gives the orders whose time has come."""
        now, exited = self._clock.monotonic(), self._exited.is_set()
        if self._cancel.cancelled and self._kill_at is None and self._close_at is None and not exited:
            self._process.ask_to_stop()
            self._kill_at = now + self._grace()
        if self._kill_at is not None and self._cancel.hurried:
            self._kill_at = min(now, self._kill_at)
        if self._kill_at is not None and now >= self._kill_at and not self._killed:
            self._killed = True
            self._kill()
        if exited and self._close_at is None:
            # Who was asked to stop has its children finish in the time it was given.
            self._close_at = max(now, self._kill_at or now) + EOF_SECONDS
        return self._close_at is not None and (not self._reading or now >= self._close_at)

    def _grace(self) -> float:
        return min(self._kill_after, _FENCED_SECONDS) if self._cancel.reason == "fenced" else self._kill_after

    def _patience(self) -> float | None:
        moments = [moment for moment in (self._close_at, None if self._killed else self._kill_at) if moment is not None]
        return max(0.0, min(moments) - self._clock.monotonic()) if moments else None

    def _kill(self) -> None:
        # The leader is not reaped before the end, so the number of the group is still its own.
        signal_group(self._process.pid, signal.SIGKILL)

    def _write(self, stdin: Pipe) -> None:
        try:
            self._feed = self._feed[os.write(stdin.fileno(), self._feed[:_CHUNK]) :]
        except BlockingIOError:
            return
        except OSError:
            # EPIPE: it does not want its payload, which is its own affair.
            self._feed = self._feed[:0]
        if not self._feed:
            self._selector.unregister(stdin.fileno())
            stdin.close()

    def _read(self, pipe: Pipe, output: Callable[[bytes], None]) -> None:
        try:
            chunk = os.read(pipe.fileno(), _CHUNK)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        if chunk:
            output(chunk)
        else:
            self._selector.unregister(pipe.fileno())
            self._reading.discard(pipe)

    def _wind_up(self) -> int:
        if self.stopped or self._reading or not self._exited.is_set():
            self._kill()
        if self.stopped or not self._exited.is_set():
            # One that ended by itself may have left a daemon behind on purpose.
            kill_survivors(self._mark)
        guard.release(self._process.pid)
        exit_code = self._process.reap()
        self._selector.close()
        self._wakeup.close()
        for pipe in self._pipes:
            pipe.close()
        return exit_code


def _reader(follow: Follow, pipe: Pipe, output: Callable[[bytes], None]) -> Callable[[], None]:
    return lambda: follow._read(pipe, output)  # noqa: SLF001 - a method of the same loop, bound to its pipe


class Spawned:
    """A subprocess that was started with three pipes, in a session of its own."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._process = process
        self.stdin: IO[bytes] = process.stdin
        self.stdout: IO[bytes] = process.stdout
        self.stderr: IO[bytes] = process.stderr

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask_to_stop(self) -> None:
        """SIGTERM to its group."""
        signal_group(self.pid, signal.SIGTERM)

    def await_exit(self) -> None:
        if hasattr(os, "waitid"):
            with suppress(ChildProcessError):
                os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        else:
            self._process.wait()

    def reap(self) -> int:
        return self._process.wait()


def signal_group(group: int, number: signal.Signals) -> None:
    """To whoever of it is left."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def signal_name(number: int) -> str:
    """SIGTERM, SIGKILL …; the number of one that has no name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


class _Wakeup:
    """Wakes a selector from other threads; after `close` ringing does nothing (its number may be another file's by then)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.reading, self._writing = os.pipe()
        self._open = True
        os.set_blocking(self.reading, False)
        os.set_blocking(self._writing, False)

    def ring(self) -> None:
        with self._lock:
            if self._open:
                # A full pipe wakes as well.
                with suppress(BlockingIOError):
                    os.write(self._writing, b".")

    def clear(self) -> None:
        with suppress(BlockingIOError):
            os.read(self.reading, _CHUNK)

    def close(self) -> None:
        with self._lock:
            self._open = False
            os.close(self.reading)
            os.close(self._writing)
