"""What every schedule can answer, how schedules are combined, and the one that a job declares."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from heapq import merge
from itertools import groupby, islice
from typing import Protocol

from jobsched.model.instants import as_utc
from jobsched.model.job import Dst, Job
from jobsched.schedule.cron import CronSchedule
from jobsched.schedule.expression import uses_hash
from jobsched.schedule.interval import IntervalSchedule
from jobsched.schedule.once import OnceSchedule

_TICK = timedelta(microseconds=1)


class Schedule(Protocol):
    """The instants that a job's declaration demands: its slots. Instants are aware; a naive one is a ValueError."""

    def next_after(self, instant: datetime) -> datetime | None:
        """The first slot strictly later than `instant`, in UTC; None if there is none."""

    def previous(self, instant: datetime) -> datetime | None:
        """The newest slot not later than `instant`, in UTC; None if there is none."""

    def count(self, first: datetime, last: datetime, limit: int) -> int | None:
        """How many slots lie in [first, last], both of which are slots; None above `limit`. Bounded work."""


class Union:
    """The slots of any of `parts`; one that several demand is one slot."""

    __slots__ = ("parts",)

    def __init__(self, parts: Sequence[Schedule]) -> None:
        self.parts = tuple(parts)

    def next_after(self, instant: datetime) -> datetime | None:
        return min((slot for part in self.parts if (slot := part.next_after(instant))), default=None)

    def previous(self, instant: datetime) -> datetime | None:
        return max((slot for part in self.parts if (slot := part.previous(instant))), default=None)

    def count(self, first: datetime, last: datetime, limit: int) -> int | None:
        if any(self._too_many(part, first, last, limit) for part in self.parts):
            return None
        # Side by side, so that each part is asked only for its own slots.
        slots = merge(*(slots_after(part, first - _TICK, last) for part in self.parts))
        count = sum(1 for _ in islice(groupby(slots), limit + 1))
        return count if count <= limit else None

    @staticmethod
    def _too_many(part: Schedule, first: datetime, last: datetime, limit: int) -> bool:
        own_first = first if part.previous(first) == first else part.next_after(first)
        own_last = part.previous(last)
        if own_first is None or own_last is None or own_first > own_last:
            return False
        return part.count(own_first, own_last, limit) is None


class Window:
    """The slots of `inner` from `start_at` to `end_at`, both included."""

    __slots__ = ("end_at", "inner", "start_at")

    def __init__(self, inner: Schedule, start_at: datetime | None, end_at: datetime | None) -> None:
        self.inner = inner
        self.start_at = None if start_at is None else as_utc(start_at)
        self.end_at = None if end_at is None else as_utc(end_at)

    def next_after(self, instant: datetime) -> datetime | None:
        slot = self._first() if self.start_at and as_utc(instant) < self.start_at else self.inner.next_after(instant)
        return None if slot is None or (self.end_at and slot > self.end_at) else slot

    def _first(self) -> datetime | None:
        assert self.start_at is not None
        newest = self.inner.previous(self.start_at)
        return newest if newest == self.start_at else self.inner.next_after(self.start_at)

    def previous(self, instant: datetime) -> datetime | None:
        until = as_utc(instant) if self.end_at is None else min(as_utc(instant), self.end_at)
        slot = self.inner.previous(until)
        return None if slot is None or (self.start_at and slot < self.start_at) else slot

    def count(self, first: datetime, last: datetime, limit: int) -> int | None:
        return self.inner.count(first, last, limit)


def union(parts: Sequence[Schedule]) -> Schedule:
    """One schedule for the slots of all `parts`, of which there is at least one."""
    return parts[0] if len(parts) == 1 else Union(parts)


def schedule_of(job: Job) -> Schedule | None:
    """The schedule that a job declares; None: it runs only when triggered.

    Jobs that declare the same share one. Raises CronError or ScheduleError; a job in the store has a valid schedule.
    """
    hashed = any(uses_hash(expr) for expr in job.cron)
    return _schedule(
        job.cron, job.every, job.at, job.timezone, job.dst, job.start_at, job.end_at, job.name if hashed else None
    )


@lru_cache(maxsize=16_384)
def _schedule(
    cron: tuple[str, ...],
    every: timedelta | None,
    at: datetime | None,
    timezone: str,
    dst: Dst,
    start_at: datetime | None,
    end_at: datetime | None,
    job_name: str | None,
) -> Schedule | None:
    schedule: Schedule
    if cron:
        parts = [CronSchedule(expr, timezone, job_name=job_name, dst=dst) for expr in cron]
        schedule = union(parts)
    elif every is not None:
        schedule = IntervalSchedule(every, start_at)
    elif at is not None:
        schedule = OnceSchedule(at)
    else:
        return None
    return schedule if start_at is None and end_at is None else Window(schedule, start_at, end_at)


def slots_after(schedule: Schedule, instant: datetime, until: datetime | None = None) -> Iterator[datetime]:
    """The slots in (instant, until], oldest first; without `until` they may never end."""
    slot = schedule.next_after(instant)
    while slot is not None and (until is None or slot <= until):
        yield slot
        slot = schedule.next_after(slot)
