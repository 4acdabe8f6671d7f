"""The only place that reads the time or waits for it.

Two clocks, because they answer different questions: `now` is the instant on the wall (UTC), which may jump;
`monotonic` measures durations inside one process, and never goes back.
"""

import threading
import time
from datetime import UTC, datetime
from typing import Protocol

# Event.wait raises OverflowError on huge timeouts; a loop that asks again each hour costs nothing.
LONGEST_WAIT_SECONDS = 3600.0
# Python calls a handler of signals in the main thread, between two of its steps. A signal that comes in the instant before
# that thread blocks, or that the system delivers to another thread, does not end the wait: it is heeded after it.
_LONGEST_DEAF_SECONDS = 1.0


class Waitable(Protocol):
    """What a clock can wait for: a `threading.Event`, or what is like one."""

    def is_set(self) -> bool: ...

    def wait(self, timeout: float, /) -> bool: ...


class Clock(Protocol):
    """What a component needs of time. Tests give one that they move by hand (`jobsched.testing.FakeClock`)."""

    def now(self) -> datetime:
        """The instant, aware, in UTC."""

    def monotonic(self) -> float:
        """Seconds since some fixed moment of this process; for durations only."""

    def wait(self, event: Waitable, seconds: float | None) -> bool:
        """Block until `event` is set or `seconds` have passed (None: until set); True if it is set."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    #: Asked several times a run, so without a step between.
    monotonic = staticmethod(time.monotonic)

    def wait(self, event: Waitable, seconds: float | None) -> bool:
        main = threading.current_thread() is threading.main_thread()
        longest = _LONGEST_DEAF_SECONDS if main else LONGEST_WAIT_SECONDS
        if seconds is not None and seconds <= longest:
            return event.wait(max(seconds, 0.0))
        until = None if seconds is None else time.monotonic() + seconds
        while not event.wait(longest):
            if until is not None:
                rest = until - time.monotonic()
                if rest <= longest:
                    return event.wait(max(rest, 0.0))
        return True
