"""Wall-clock times that match an expression: a time of day that it names, on a day that it names. Without any zone."""

from datetime import datetime, timedelta
from functools import lru_cache

from jobsched.schedule.days import days_of
from jobsched.schedule.times import TimesOfDay

_SECOND = timedelta(seconds=1)


class Matcher:
    """The wall-clock times, naive and in whole seconds, that a canonical expression matches."""

    __slots__ = ("_days", "times")

    def __init__(self, canonical: str) -> None:
        self._days, self.times = days_of(canonical), TimesOfDay.of(canonical)

    def after(self, wall: datetime) -> datetime | None:
        """The first match later than `wall`; None if there is none up to the year 9999."""
        today = wall.toordinal()
        day = self._days.first_from(today)
        if day == today:
            found = self.times.after(wall)
            if found is not None:
                return found
            day = self._days.first_from(today + 1)
        return None if day is None else self.times.first(datetime.fromordinal(day))

    def at_or_after(self, wall: datetime) -> datetime | None:
        return self.after(wall - _SECOND)

    def at_or_before(self, wall: datetime) -> datetime | None:
        """The newest match not later than `wall`."""
        today = wall.toordinal()
        day = self._days.last_until(today)
        if day == today:
            found = self.times.at_or_before(wall)
            if found is not None:
                return found
            day = self._days.last_until(today - 1)
        return None if day is None else self.times.last(datetime.fromordinal(day))


@lru_cache(maxsize=4096)
def matcher_of(canonical: str) -> Matcher:
    """The matcher that all schedules with this expression share."""
    return Matcher(canonical)
