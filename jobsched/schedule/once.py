"""A single slot."""

from datetime import datetime

from jobsched.model.instants import as_utc


class OnceSchedule:
    """`at`, and never again. Raises ValueError on a naive instant."""

    __slots__ = ("at",)

    def __init__(self, at: datetime) -> None:
        self.at = as_utc(at)

    def next_after(self, instant: datetime) -> datetime | None:
        return self.at if self.at > as_utc(instant) else None

    def previous(self, instant: datetime) -> datetime | None:
        return self.at if self.at <= as_utc(instant) else None

    def count(self, first: datetime, last: datetime, limit: int) -> int | None:
        count = int(first <= self.at <= last)
        return count if count <= limit else None
