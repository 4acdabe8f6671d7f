"""Follows one started process to its end: feeds it, reads it, stops it when asked, and never hangs on its pipes."""

import os
import selectors
import signal
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import IO

from jobsched.clock import Clock
from jobsched.handlers.cancel import CancelToken
from jobsched.handlers.guard import guard

#: After the process has ended, how long its pipes may be held open by what it left behind.
EOF_SECONDS = 2.0
#: A node that lost its lease has little time: its runs start again elsewhere.
_FENCED_SECONDS = 2.0
_CHUNK = 65536


class Follow:
    """One process in a session of its own, with all three pipes; `until_end` is called once, by the thread that started it.

    One loop over non-blocking pipes and a wake-up: nothing that the process does (never reading, never ending its
    output, leaving its pipes to a daemon) can block it.
    """

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        feed: bytes,
        outputs: tuple[Callable[[bytes], None], Callable[[bytes], None]],
        cancel: CancelToken,
        kill_after: float,
        clock: Clock,
    ) -> None:
        self._process, self._feed, self._cancel = process, memoryview(feed), cancel
        self._kill_after, self._clock = kill_after, clock
        self._selector = selectors.DefaultSelector()
        self._wakeup = _Wakeup()
        self._exited = threading.Event()
        self._reading: set[IO[bytes]] = set()
        self._kill_at: float | None = None
        self._killed = False
        self._close_at: float | None = None
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._pipes = (process.stdin, process.stdout, process.stderr)
        self._register(process.stdin, process.stdout, process.stderr, outputs)

    @property
    def stopped(self) -> bool:
        """It was asked to stop before it ended."""
        return self._kill_at is not None

    def until_end(self) -> int:
        """Its exit code, negative for a signal. What it left behind in its group is killed if it was stopped, or holds the pipes."""
        forget = self._cancel.on_cancel(self._wakeup.ring)
        self._cancel.on_hurry(self._wakeup.ring)
        try:
            guard.watch(self._process.pid)
            threading.Thread(target=self._await_exit, name="jobsched-command", daemon=True).start()
            while not self._at_end():
                for key, _ in self._selector.select(self._patience()):
                    key.data()
        finally:
            forget()
            self._wind_up()
        return self._process.returncode

    def _register(
        self,
        stdin: IO[bytes],
        stdout: IO[bytes],
        stderr: IO[bytes],
        outputs: tuple[Callable[[bytes], None], Callable[[bytes], None]],
    ) -> None:
        for pipe in self._pipes:
            os.set_blocking(pipe.fileno(), False)
        self._selector.register(stdin, selectors.EVENT_WRITE, lambda: self._write(stdin))
        for pipe, output in zip((stdout, stderr), outputs, strict=True):
            self._reading.add(pipe)
            self._selector.register(pipe, selectors.EVENT_READ, _reader(self, pipe, output))
        self._selector.register(self._wakeup.reading, selectors.EVENT_READ, self._wakeup.clear)

    def _await_exit(self) -> None:
        _wait_without_reaping(self._process)
        self._exited.set()
        self._wakeup.ring()

    # -- the loop

    def _at_end(self) -> bool:
        """Also gives the orders whose time has come."""
        now, exited = self._clock.monotonic(), self._exited.is_set()
        if self._cancel.cancelled and self._kill_at is None and self._close_at is None and not exited:
            self._signal(signal.SIGTERM)
            self._kill_at = now + self._grace()
        if self._kill_at is not None and self._cancel.hurried:
            self._kill_at = min(now, self._kill_at)
        if self._kill_at is not None and now >= self._kill_at and not self._killed:
            self._killed = True
            self._signal(signal.SIGKILL)
        if exited and self._close_at is None:
            # Who was asked to stop has its children finish in the time it was given.
            self._close_at = max(now, self._kill_at or now) + EOF_SECONDS
        return self._close_at is not None and (not self._reading or now >= self._close_at)

    def _grace(self) -> float:
        return min(self._kill_after, _FENCED_SECONDS) if self._cancel.reason == "fenced" else self._kill_after

    def _patience(self) -> float | None:
        moments = [moment for moment in (self._close_at, None if self._killed else self._kill_at) if moment is not None]
        return max(0.0, min(moments) - self._clock.monotonic()) if moments else None

    def _signal(self, number: signal.Signals) -> None:
        # The leader is not reaped before the end, so the number of the group is still its own.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _write(self, stdin: IO[bytes]) -> None:
        try:
            self._feed = self._feed[os.write(stdin.fileno(), self._feed[:_CHUNK]) :]
        except BlockingIOError:
            return
        except OSError:
            # EPIPE: it does not want its payload, which is its own affair.
            self._feed = self._feed[:0]
        if not self._feed:
            self._selector.unregister(stdin)
            stdin.close()

    def _read(self, pipe: IO[bytes], output: Callable[[bytes], None]) -> None:
        try:
            chunk = os.read(pipe.fileno(), _CHUNK)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        if chunk:
            output(chunk)
        else:
            self._selector.unregister(pipe)
            self._reading.discard(pipe)

    def _wind_up(self) -> None:
        if self.stopped or self._reading or not self._exited.is_set():
            self._signal(signal.SIGKILL)
        guard.release(self._process.pid)
        self._process.wait()
        self._selector.close()
        self._wakeup.close()
        for pipe in self._pipes:
            pipe.close()


def _reader(follow: Follow, pipe: IO[bytes], output: Callable[[bytes], None]) -> Callable[[], None]:
    return lambda: follow._read(pipe, output)  # noqa: SLF001 - a method of the same loop, bound to its pipe


def _wait_without_reaping(process: subprocess.Popen[bytes]) -> None:
    """Block until the process has ended. It stays a zombie, and its number its own, where the system can do that."""
    if hasattr(os, "waitid"):
        with suppress(ChildProcessError):
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    else:
        process.wait()


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
