"""A clock that a test moves by hand."""

import threading
from datetime import UTC, datetime, timedelta


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

    def advance(self, by: timedelta | float) -> None:
        """Let time pass, for both clocks."""
        step = by if isinstance(by, timedelta) else timedelta(seconds=by)
        with self._changed:
            self._now += step
            self._monotonic += step.total_seconds()
            self._changed.notify_all()

    def jump(self, to: datetime) -> None:
        """Set the wall clock, as an administrator or NTP does; durations are not affected."""
        with self._changed:
            self._now = to
            self._changed.notify_all()

    def wait(self, event: threading.Event, seconds: float | None) -> bool:
        until = None if seconds is None else self.monotonic() + seconds
        while not event.is_set():
            with self._changed:
                if until is not None and self._monotonic >= until:
                    return event.is_set()
                # An event is set without telling us, so look again after a moment of real time.
                self._changed.wait(0.005)
        return True
