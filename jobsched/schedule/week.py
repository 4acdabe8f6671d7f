"""How many slots come in each minute of the coming days, over all jobs: what shows herds. Reckoned, not walked through.

On a day when a zone's clocks change it is what the hours of that day say: of times that are missing or double it does not
know what a job's `dst` makes of them.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import NamedTuple

from jobsched.model.instants import as_utc
from jobsched.model.job import Job
from jobsched.schedule.days import days_of
from jobsched.schedule.expression import parse_expression, uses_hash
from jobsched.schedule.times import TimesOfDay
from jobsched.schedule.zones import zone_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
_WITH_YEAR = 7


class Window(NamedTuple):
    """When a job's slots begin and end, both included; None: they always have, and never do."""

    start_at: datetime | None = None
    end_at: datetime | None = None

    def holds(self, instant: datetime) -> bool:
        """Whether a slot of the minute that begins now counts."""
        if self.start_at is not None and instant + _MINUTE <= self.start_at:
            return False
        return self.end_at is None or instant <= self.end_at


class Hours(NamedTuple):
    """The hours that an expression names, in the wall-clock time of a zone; `days` is canonical."""

    timezone: str
    days: str
    hours: tuple[int, ...]
    window: Window


class Timing(NamedTuple):
    """When a job wants to run."""

    window: Window = Window()
    cron: tuple[tuple[Hours, tuple[int, ...], int], ...] = ()  #: hours, minutes of each, slots in each minute
    every: timedelta | None = None
    at: datetime | None = None


def timing_of(job: Job) -> Timing:
    """Raises CronError; a job in a store has a valid schedule."""
    window = Window(job.start_at, job.end_at)
    parts = []
    for text in job.cron:
        canonical = parse_expression(text, job.name if uses_hash(text) else None).canonical
        fields, times = canonical.split(" "), TimesOfDay.of(canonical)
        days = " ".join(["0", "0", *fields[2:5], *(["0", fields[6]] if len(fields) == _WITH_YEAR else [])])
        parts.append((Hours(job.timezone, days, times.hours, window), times.minutes, len(times.seconds)))
    return Timing(window, tuple(parts), job.every, job.at)


def slots_a_minute(
    timings: Collection[Timing], start: datetime, minutes: int = 7 * 24 * 60, *, once: bool = False
) -> list[int]:
    """Of each minute from `start` on, which is a whole one, how many slots come in it. With `once` a job counts once in a
    minute, however many slots it has there: then these are the jobs that come together.
    """
    found = [0] * minutes
    for window, place, slots in chain(
        _of_crons(timings, start, minutes, once), _of_others(timings, start, minutes, once)
    ):
        if 0 <= place < minutes and window.holds(start + place * _MINUTE):
            found[place] += slots
    return found


def _of_crons(
    timings: Collection[Timing], start: datetime, minutes: int, once: bool
) -> Iterator[tuple[Window, int, int]]:
    """Jobs that name the same hours of the same days are gathered first: ten thousand have some hundreds of those."""
    crons: dict[Hours, Counter[int]] = defaultdict(Counter)
    for timing in timings:
        for hours, named, slots in timing.cron:
            for minute in named:
                crons[hours][minute] += 1 if once else slots
    begins = _Begins(start, minutes)
    for hours, weights in crons.items():
        for first in begins.of(hours):
            for minute, slots in weights.items():
                yield hours.window, first + minute, slots


def _of_others(
    timings: Collection[Timing], start: datetime, minutes: int, once: bool
) -> Iterator[tuple[Window, int, int]]:
    others = Counter(timing for timing in timings if timing.every is not None or timing.at is not None)
    for timing, jobs in others.items():
        for place, slots in _elapsed(timing, start, minutes):
            yield timing.window, place, jobs * (min(1, slots) if once else slots)


def in_hour(timings: Mapping[str, Timing], start: datetime) -> dict[str, int]:
    """The jobs that have slots in the hour from `start` on, which is a whole minute, and how many."""
    begins = _Begins(start, 60)
    found = {}
    for name, timing in timings.items():
        if timing.cron:
            slots = sum(
                count
                for hours, named, count in timing.cron
                for first in begins.of(hours)
                for minute in named
                if 0 <= first + minute < 60 and hours.window.holds(start + (first + minute) * _MINUTE)
            )
        else:
            slots = sum(count for at, count in _elapsed(timing, start, 60) if timing.window.holds(start + at * _MINUTE))
        if slots:
            found[name] = slots
    return found


class _Begins:
    """Where hours begin, in minutes from a start; remembered, since jobs share them."""

    def __init__(self, start: datetime, minutes: int) -> None:
        self._start, self._minutes = as_utc(start), minutes
        self._known: dict[Hours, list[int]] = {}
        self._hours: dict[tuple[str, int], list[int]] = {}

    def of(self, hours: Hours) -> list[int]:
        found = self._known.get(hours)
        if found is None:
            found = self._known[hours] = list(self._reckon(hours))
        return found

    def _reckon(self, hours: Hours) -> Iterator[int]:
        days = days_of(hours.days)
        zone = zone_of(hours.timezone)
        day = days.first_from(self._start.astimezone(zone).toordinal() - 1)
        last = (self._start + self._minutes * _MINUTE).astimezone(zone).toordinal()
        while day is not None and day <= last:
            of_day = self._of_day(hours.timezone, day)
            yield from (of_day[hour] for hour in hours.hours if -60 < of_day[hour] < self._minutes)
            day = days.first_from(day + 1)

    def _of_day(self, timezone: str, day: int) -> list[int]:
        found = self._hours.get((timezone, day))
        if found is None:
            midnight = datetime.fromordinal(day).replace(tzinfo=zone_of(timezone))
            found = [(midnight.replace(hour=hour).astimezone(UTC) - self._start) // _MINUTE for hour in range(24)]
            self._hours[timezone, day] = found
        return found


def _elapsed(timing: Timing, start: datetime, minutes: int) -> Iterator[tuple[int, int]]:
    """Minutes in which slots of `every` or `at` come, and how many."""
    if timing.at is not None:
        place = (timing.at - start) // _MINUTE
        if 0 <= place < minutes:
            yield place, 1
    if timing.every is None:
        return
    origin = timing.window.start_at or _EPOCH
    if timing.every >= _MINUTE:
        slot = origin + -(-(start - origin) // timing.every) * timing.every
        while (place := (slot - start) // _MINUTE) < minutes:
            yield place, 1
            slot += timing.every
        return
    before = -(-(start - origin) // timing.every)
    for place in range(minutes):
        after = -(-(start + (place + 1) * _MINUTE - origin) // timing.every)
        yield place, after - before
        before = after
