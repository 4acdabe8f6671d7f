"""croniter as the matcher on naive wall-clock time, safe to be asked from many threads."""

from collections import deque
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from croniter import croniter

_SECOND = timedelta(seconds=1)
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - wall-clock times are naive
#: Without a year field matches are at most 40 years apart (29 February on a given weekday, around 2100).
_YEARS_APART = 50
#: croniter leaps to a listed year at once, so this bound costs nothing.
_YEARS_APART_WITH_YEARS = 10_000


class Matcher:
    """The wall-clock times that a canonical expression matches. It knows no zone."""

    __slots__ = ("_canonical", "_idle")

    def __init__(self, canonical: str) -> None:
        self._canonical = canonical
        # A croniter keeps its place in itself, so no two threads may share one; appends and pops of a deque are atomic.
        self._idle: deque[croniter] = deque(maxlen=4)

    def after(self, wall: datetime) -> datetime | None:
        """The first match later than `wall` (whole seconds); None if there is none up to the year 9999."""
        return self._ask(wall, back=False)

    def at_or_after(self, wall: datetime) -> datetime | None:
        return self._ask(wall - _SECOND, back=False)

    def at_or_before(self, wall: datetime) -> datetime | None:
        """The newest match not later than `wall` (whole seconds)."""
        return self._ask(wall + _SECOND, back=True)

    def _ask(self, wall: datetime, *, back: bool) -> datetime | None:
        try:
            matcher = self._idle.pop()
        except IndexError:
            matcher = _croniter(self._canonical)
        try:
            # A number spares croniter the same subtraction in slower ways.
            seconds = (wall - _EPOCH).total_seconds()
            found: datetime = matcher.get_prev(datetime, seconds) if back else matcher.get_next(datetime, seconds)
        except (ValueError, OverflowError):  # CroniterBadDateError is a ValueError, as is a year out of range
            return None
        finally:
            self._idle.append(matcher)
        return found


@lru_cache(maxsize=2048)  # a croniter takes some kilobytes: the least used ones are built again
def matcher_of(canonical: str) -> Matcher:
    """The matcher that all schedules with this expression share."""
    return Matcher(canonical)


def _croniter(canonical: str) -> "croniter":
    # Imported late: checking an expression, as `jobsched validate` does, needs no matching.
    from croniter import croniter

    years = _YEARS_APART_WITH_YEARS if canonical.count(" ") == 6 else _YEARS_APART
    return croniter(canonical, 0.0, max_years_between_matches=years)
