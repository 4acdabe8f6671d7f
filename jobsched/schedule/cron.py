"""Cron schedules: an expression that is read in the wall-clock time of a zone."""

from datetime import datetime
from zoneinfo import ZoneInfo

from jobsched.model.instants import as_utc
from jobsched.model.job import Dst
from jobsched.schedule import zoned
from jobsched.schedule.expression import parse_expression
from jobsched.schedule.zones import zone_of

__all__ = ["CronSchedule", "zone_of"]

_DEFAULT_DST = Dst()


class CronSchedule:
    """The slots of one expression in one zone.

    A schedule whose minute and hour are fixed means times of day: one that a gap swallows comes right after it,
    one that an overlap shows twice comes once; `dst` may say otherwise. If minute or hour start with `*` it follows
    elapsed time: nothing is invented in a gap, and it goes on through an overlap.
    Raises CronError (the expression) or ScheduleError (the zone). May be asked from many threads.
    """

    __slots__ = ("_matcher", "expression", "zone")

    def __init__(
        self, expr: str, zone: str | ZoneInfo, *, job_name: str | None = None, dst: Dst = _DEFAULT_DST
    ) -> None:
        self.expression = parse_expression(expr, job_name)
        self.zone = zone_of(zone) if isinstance(zone, str) else zone
        fixed = self.expression.fixed
        self._matcher = zoned.zoned_matcher(
            self.expression.canonical,
            self.zone,
            run_after_gap=fixed and dst.gap == "run_after",
            repeat=not fixed or dst.overlap == "both",
        )

    def next_after(self, instant: datetime) -> datetime | None:
        """The first slot strictly later than `instant`, in UTC; None if there is none."""
        return zoned.next_after(self._matcher, _second(instant))

    def previous(self, instant: datetime) -> datetime | None:
        """The newest slot not later than `instant`, in UTC; None if there is none."""
        return zoned.previous(self._matcher, _second(instant))

    def count(self, first: datetime, last: datetime, limit: int) -> int | None:
        """How many slots lie in [first, last], both of which are slots; None above `limit`. Costs one match a day."""
        count = 0
        last = _second(last)
        slot: datetime | None = _second(first)
        while slot is not None and slot <= last and count <= limit:
            stretch = self._matcher.stretch(slot, last)
            if stretch is None:
                count, slot = count + 1, self.next_after(slot)
                continue
            start, end = stretch
            # The slot itself may be the end of a gap, which is no time that matches.
            count += 1 + self._matcher.times.between(start, end)
            slot = self.next_after(slot + (end - start))
        return count if count <= limit else None


def _second(instant: datetime) -> datetime:
    """The whole second of an instant, in UTC: slots are whole seconds, so a fraction changes no answer."""
    utc = as_utc(instant)
    return utc.replace(microsecond=0) if utc.microsecond else utc
