"""A clock that a test moves by hand."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from jobsched.clock import Waitable
from jobsched.model.durations import parse_duration


class FakeClock:
    """Time stands still until `advance`; waiting threads wake when their time has come or their event is set."""

    def __init__(self, now: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._changed = threading.Condition()
        self._now = now
        self._monotonic = 1000.0

    def now(self) -> datetime:
        with self._changed:
            return self._now

    def monotonic(self) -> float:
        with self._changed:
            return self._monotonic

    def advance(self, by: timedelta | float | str) -> None:
        """Let time pass, for both clocks: a timedelta, seconds, or text like `2h`."""
        step = by if isinstance(by, timedelta) else parse_duration(by)
        with self._changed:
            self._now += step
            self._monotonic += step.total_seconds()
            self._changed.notify_all()

    def jump(self, to: datetime) -> None:
        """Set the wall clock, as an administrator or NTP does; durations are not affected."""
        with self._changed:
            self._now = to
            self._changed.notify_all()

    def wait(self, event: Waitable, seconds: float | None) -> bool:
        until = None if seconds is None else self.monotonic() + seconds
        while not event.is_set():
            with self._changed:
                if until is not None and self._monotonic >= until:
                    return event.is_set()
                # An event is set without telling us, so look again after a moment of real time.
                self._changed.wait(0.005)
        return True


class PassingClock:
    """A FakeClock for what is performed in the thread that makes this: to wait there is to let time pass, at once."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock, self._thread = clock, threading.get_ident()
        #: Called whenever time has passed: does what has fallen due, and says in how many seconds there is more.
        self.heed: Callable[[], float | None] = lambda: None

    def now(self) -> datetime:
        return self._clock.now()

    def monotonic(self) -> float:
        return self._clock.monotonic()

    def wait(self, event: Waitable, seconds: float | None) -> bool:
        if seconds is None or threading.get_ident() != self._thread:
            return self._clock.wait(event, seconds)
        until, heeded = self.monotonic() + seconds, self.heed()
        while not event.is_set() and (rest := until - self.monotonic()) > 0:
            self._clock.advance(timedelta(seconds=rest if heeded is None else min(rest, max(heeded, 0.0))))
            heeded = self.heed()
        return event.is_set()
