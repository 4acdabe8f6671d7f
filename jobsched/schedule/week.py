"""How many slots come in each minute of the coming days, over all jobs: what shows herds. Reckoned, not walked through."""

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
from jobsched.schedule.zoned import LONGEST_GAP_MADE_UP_FOR
from jobsched.schedule.zones import Edge, edges_between, zone_of

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


class Part(NamedTuple):
    """One expression of a job: hours, the minutes of each, and how many slots in each of those.

    `on_the_minute`: one of them is; `makes_up`, `repeats`: what becomes of times that clocks leave out, or show twice.
    """

    hours: Hours
    minutes: tuple[int, ...]
    slots: int
    on_the_minute: bool
    makes_up: bool
    repeats: bool


class Timing(NamedTuple):
    """When a job wants to run."""

    window: Window = Window()
    cron: tuple[Part, ...] = ()
    every: timedelta | None = None
    at: datetime | None = None


def timing_of(job: Job) -> Timing:
    """Raises CronError; a job in a store has a valid schedule."""
    window = Window(job.start_at, job.end_at)
    parts = []
    for text in job.cron:
        expression = parse_expression(text, job.name if uses_hash(text) else None)
        fields, times = expression.canonical.split(" "), TimesOfDay.of(expression.canonical)
        days = " ".join(["0", "0", *fields[2:5], *(["0", fields[6]] if len(fields) == _WITH_YEAR else [])])
        parts.append(
            Part(
                Hours(job.timezone, days, times.hours, window),
                times.minutes,
                len(times.seconds),
                on_the_minute=times.seconds[0] == 0,
                makes_up=expression.fixed and job.dst.gap == "run_after",
                repeats=not expression.fixed or job.dst.overlap == "both",
            )
        )
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
    begins = _Begins(start, minutes)
    odd: Counter[Part] = Counter()
    for timing in timings:
        for part in timing.cron:
            for minute in part.minutes:
                crons[part.hours][minute] += 1 if once else part.slots
            if begins.edges(part.hours.timezone):
                odd[part] += 1
    for hours, weights in crons.items():
        for first in begins.of(hours):
            for minute, slots in weights.items():
                yield hours.window, first + minute, slots
    for part, jobs in odd.items():
        for place, slots in begins.at_edges(part, once=once):
            yield part.hours.window, place, jobs * slots


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
                for part in timing.cron
                for place, count in begins.of_part(part)
                if 0 <= place < 60 and timing.window.holds(start + place * _MINUTE)
            )
        else:
            slots = sum(count for at, count in _elapsed(timing, start, 60) if timing.window.holds(start + at * _MINUTE))
        if slots:
            found[name] = slots
    return found


class _Begins:
    """Where hours begin, in minutes from a start; remembered, since jobs share them. Those in which clocks change are odd:
    of them each minute is looked at.
    """

    def __init__(self, start: datetime, minutes: int) -> None:
        self._start, self._minutes = as_utc(start), minutes
        self._known: dict[Hours, list[int]] = {}
        self._hours: dict[tuple[str, int], list[int]] = {}
        self._edges: dict[str, list[Edge]] = {}
        self._odd: dict[str, frozenset[tuple[int, int]]] = {}

    def of(self, hours: Hours) -> list[int]:
        """All but the odd ones."""
        found = self._known.get(hours)
        if found is None:
            found = self._known[hours] = list(self._reckon(hours))
        return found

    def of_part(self, part: Part) -> Iterator[tuple[int, int]]:
        """Minutes in which its slots come, and how many."""
        for first in self.of(part.hours):
            for minute in part.minutes:
                yield first + minute, part.slots
        yield from self.at_edges(part)

    def edges(self, timezone: str) -> list[Edge]:
        """Where its clocks change; a day more at both ends, since a change reaches around itself."""
        found = self._edges.get(timezone)
        if found is None:
            start, end = self._start - _DAY, self._start + self._minutes * _MINUTE + _DAY
            found = self._edges[timezone] = edges_between(start, end, zone_of(timezone))
            self._odd[timezone] = frozenset(hour for edge in found for hour in _odd_hours(edge))
        return found

    def at_edges(self, part: Part, *, once: bool = False) -> Iterator[tuple[int, int]]:
        """Of the odd hours: minutes in which its slots come, and how many; with `once` no more than one."""
        days = days_of(part.hours.days)
        for edge in self.edges(part.hours.timezone):
            missed = False
            for day, hour in _odd_hours(edge):
                if hour not in part.hours.hours or days.first_from(day) != day:
                    continue
                for minute in part.minutes:
                    wall = datetime.fromordinal(day).replace(hour=hour, minute=minute)
                    instants = _instants(wall, edge, repeats=part.repeats)
                    missed = missed or not instants
                    for instant in instants:
                        yield (instant - self._start) // _MINUTE, 1 if once else part.slots
            made_up = missed and part.makes_up and edge.size < LONGEST_GAP_MADE_UP_FOR
            if made_up and not (_names(part, edge.end) and (once or part.on_the_minute)):
                yield (edge.at - self._start) // _MINUTE, 1

    def _reckon(self, hours: Hours) -> Iterator[int]:
        days = days_of(hours.days)
        zone = zone_of(hours.timezone)
        day = days.first_from(self._start.astimezone(zone).toordinal() - 1)
        last = (self._start + self._minutes * _MINUTE).astimezone(zone).toordinal()
        self.edges(hours.timezone)
        odd = self._odd[hours.timezone]
        while day is not None and day <= last:
            of_day = self._of_day(hours.timezone, day)
            for hour in hours.hours:
                if -60 < of_day[hour] < self._minutes and (day, hour) not in odd:
                    yield of_day[hour]
            day = days.first_from(day + 1)

    def _of_day(self, timezone: str, day: int) -> list[int]:
        found = self._hours.get((timezone, day))
        if found is None:
            midnight = datetime.fromordinal(day).replace(tzinfo=zone_of(timezone))
            found = [(midnight.replace(hour=hour).astimezone(UTC) - self._start) // _MINUTE for hour in range(24)]
            self._hours[timezone, day] = found
        return found


def _odd_hours(edge: Edge) -> Iterator[tuple[int, int]]:
    """Day and hour of those in which any time is missing or double."""
    hour = edge.start.replace(minute=0, second=0)
    while hour < edge.end:
        yield hour.toordinal(), hour.hour
        hour += _HOUR


def _instants(wall: datetime, edge: Edge, *, repeats: bool) -> tuple[datetime, ...]:
    """When clocks show this time, which is of an odd hour; none: they leave it out."""
    first, second = wall.replace(tzinfo=UTC) - edge.before, wall.replace(tzinfo=UTC) - edge.after
    if wall < edge.start:
        return (first,)
    if wall >= edge.end:
        return (second,)
    if edge.is_gap:
        return ()
    return (first, second) if repeats else (first,)


def _names(part: Part, wall: datetime) -> bool:
    """Whether it has slots in this minute, if that is an ordinary one."""
    of_day = wall.hour in part.hours.hours and wall.minute in part.minutes
    return of_day and days_of(part.hours.days).first_from(wall.toordinal()) == wall.toordinal()


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
