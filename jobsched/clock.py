"""The only place that reads the time or waits for it.

Two clocks, because they answer different questions: `now` is the instant on the wall (UTC), which may jump;
`monotonic` measures durations inside one process, and never goes back.
"""

import time
from datetime import UTC, datetime
from typing import Protocol

# Event.wait raises OverflowError on huge timeouts; a loop that asks again each hour costs nothing.
LONGEST_WAIT_SECONDS = 3600.0


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
        if seconds is not None and seconds <= LONGEST_WAIT_SECONDS:
            return event.wait(max(seconds, 0.0))
        until = None if seconds is None else time.monotonic() + seconds
        while not event.wait(LONGEST_WAIT_SECONDS):
            if until is not None and time.monotonic() >= until:
                return event.is_set()
        return True
