"""The times of day that a cron expression names, apart from its days."""

from bisect import bisect_left, bisect_right
from datetime import datetime
from typing import NamedTuple, Self

#: Size and place of minute, hour and second in a canonical expression.
_FIELDS = ((60, 0), (24, 1), (60, 5))


class TimesOfDay(NamedTuple):
    """Every combination of these, each sorted and none empty. Wall-clock times are naive, in whole seconds."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    seconds: tuple[int, ...]

    @classmethod
    def of(cls, canonical: str) -> Self:
        fields = canonical.split(" ")
        texts = ((size, fields[place] if place < len(fields) else "0") for size, place in _FIELDS)
        return cls(*(tuple(range(size)) if text == "*" else tuple(map(int, text.split(","))) for size, text in texts))

    def first(self, day: datetime) -> datetime:
        """The first one on the day of this wall-clock time."""
        return day.replace(hour=self.hours[0], minute=self.minutes[0], second=self.seconds[0])

    def last(self, day: datetime) -> datetime:
        return day.replace(hour=self.hours[-1], minute=self.minutes[-1], second=self.seconds[-1])

    def after(self, wall: datetime) -> datetime | None:
        """The first one later than `wall` on the same day, if there is one."""
        if wall.hour in self.hours:
            if wall.minute in self.minutes:
                place = bisect_right(self.seconds, wall.second)
                if place < len(self.seconds):
                    return wall.replace(second=self.seconds[place])
            place = bisect_right(self.minutes, wall.minute)
            if place < len(self.minutes):
                return wall.replace(minute=self.minutes[place], second=self.seconds[0])
        place = bisect_right(self.hours, wall.hour)
        if place < len(self.hours):
            return wall.replace(hour=self.hours[place], minute=self.minutes[0], second=self.seconds[0])
        return None

    def at_or_before(self, wall: datetime) -> datetime | None:
        """The last one not later than `wall` on the same day, if there is one."""
        if wall.hour in self.hours:
            if wall.minute in self.minutes:
                place = bisect_right(self.seconds, wall.second)
                if place:
                    return wall.replace(second=self.seconds[place - 1])
            place = bisect_left(self.minutes, wall.minute)
            if place:
                return wall.replace(minute=self.minutes[place - 1], second=self.seconds[-1])
        place = bisect_left(self.hours, wall.hour)
        if place:
            return wall.replace(hour=self.hours[place - 1], minute=self.minutes[-1], second=self.seconds[-1])
        return None

    def between(self, start: datetime, end: datetime) -> int:
        """How many lie in (start, end]; both are of one day."""
        return self._up_to(end) - self._up_to(start)

    def _up_to(self, wall: datetime) -> int:
        whole_hours, whole_minutes = bisect_left(self.hours, wall.hour), bisect_left(self.minutes, wall.minute)
        count = whole_hours * len(self.minutes) * len(self.seconds)
        if wall.hour in self.hours:
            count += whole_minutes * len(self.seconds)
            if wall.minute in self.minutes:
                count += bisect_right(self.seconds, wall.second)
        return count
