"""Slots at a fixed distance of elapsed time."""

from datetime import UTC, datetime, timedelta

from jobsched.errors import ScheduleError
from jobsched.model.instants import as_utc

SHORTEST_INTERVAL = timedelta(seconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class IntervalSchedule:
    """`start_at` gives the phase alone (else the UTC epoch does): there are slots before it too, until a window ends them.

    No node, restart or edit of another field moves the slots. Raises ScheduleError below one second.
    """

    __slots__ = ("_origin", "every")

    def __init__(self, every: timedelta, start_at: datetime | None = None) -> None:
        if every < SHORTEST_INTERVAL:
            raise ScheduleError(f"every {every.total_seconds():g}s is too often; the shortest interval is 1s")
        self.every = every
        self._origin = _EPOCH if start_at is None else as_utc(start_at)

    def next_after(self, instant: datetime) -> datetime | None:
        return self._slot((as_utc(instant) - self._origin) // self.every + 1)

    def previous(self, instant: datetime) -> datetime | None:
        return self._slot((as_utc(instant) - self._origin) // self.every)

    def count(self, first: datetime, last: datetime, limit: int) -> int | None:
        count = (last - first) // self.every + 1
        return count if count <= limit else None

    def _slot(self, number: int) -> datetime | None:
        try:
            return self._origin + number * self.every
        except OverflowError:  # beyond what a datetime can hold
            return None
