"""Cuts off connections that have been silent for too long: a network that swallows packets makes no error by itself."""

import os
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psycopg

from jobsched.clock import Clock

#: Longer than the server lets any statement run.
SILENT_SECONDS = 20.0
_LOOK_SECONDS = 2.0


@dataclass(slots=True)
class _Call:
    connection: psycopg.Connection[Any]
    deadline: float


class Watchdog:
    """Knows since when each connection in use has been silent. Its thread lives while there is something to watch."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.forked()

    def forked(self) -> None:
        """As new, which it is in a forked child: locks may have been held by threads that are not there, and none watches."""
        self._lock = threading.Lock()
        self._calls: dict[int, _Call] = {}
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def watch(self, connection: psycopg.Connection[Any]) -> None:
        """From now on the connection must show life before `SILENT_SECONDS` are over."""
        with self._lock:
            self._calls[id(connection)] = _Call(connection, self._clock.monotonic() + SILENT_SECONDS)
            if self._thread is None and not self._stopping.is_set():
                self._thread = threading.Thread(target=self._look, name="jobsched-watchdog", daemon=True)
                self._thread.start()

    def touch(self, connection: psycopg.Connection[Any]) -> None:
        """It is about to be used again; nothing happens if it is not watched."""
        call = self._calls.get(id(connection))
        if call is not None:
            call.deadline = self._clock.monotonic() + SILENT_SECONDS

    def forget(self, connection: psycopg.Connection[Any]) -> None:
        """It is idle, closed, or may take its time."""
        with self._lock:
            self._calls.pop(id(connection), None)

    def close(self) -> None:
        """End the thread; idempotent."""
        self._stopping.set()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _look(self) -> None:
        while not self._clock.wait(self._stopping, _LOOK_SECONDS):
            self.look()

    def look(self) -> None:
        """Cut off what is overdue; whoever waits for it gets an error at once."""
        now = self._clock.monotonic()
        with self._lock:
            overdue = [key for key, call in self._calls.items() if call.deadline < now]
            for key in overdue:
                cut(self._calls.pop(key).connection)


def cut(connection: psycopg.Connection[Any]) -> None:
    """Wake whoever waits on this connection, from another thread: only the socket may be touched there."""
    with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as handle:
        handle.shutdown(socket.SHUT_RDWR)
