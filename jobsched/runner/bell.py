"""A bell: an event that anybody may set at any moment, a signal handler too, whatever it interrupts."""

import threading
from contextlib import suppress

from jobsched.clock import LONGEST_WAIT_SECONDS


class Bell:
    """As `threading.Event`, for one who waits.

    A handler of signals runs in the main thread between two steps of what that is about. `Event.set` takes a lock that
    `wait`, `set` and `clear` hold as well and that the same thread cannot take twice: it would wait for itself for ever.
    Here there is nothing but a lock that is open while the bell is set; opening it is one step, in whatever thread.
    """

    def __init__(self) -> None:
        self._closed = threading.Lock()
        self._closed.acquire()

    def is_set(self) -> bool:
        return not self._closed.locked()

    def set(self) -> None:
        if self._closed.locked():
            with suppress(RuntimeError):  # another has just opened it
                self._closed.release()

    def clear(self) -> None:
        self._closed.acquire(blocking=False)

    def wait(self, timeout: float) -> bool:
        """Block until it is set, at most `timeout` seconds; whether it is."""
        rung = self._closed.acquire(timeout=min(timeout, LONGEST_WAIT_SECONDS))
        if rung:
            self.set()
        return rung
