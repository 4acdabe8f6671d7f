"""The zone rule (DESIGN §6): from wall-clock times that match to instants, across gaps and overlaps."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from jobsched.schedule.matcher import Matcher, matcher_of
from jobsched.schedule.zones import Edge, edge_around, offset_at, offsets_of

#: A longer jump is a correction of the clock, not a season: crontab(5) makes up for changes of less than 3 hours.
LONGEST_GAP_MADE_UP_FOR = timedelta(hours=3)
#: A schedule may demand nothing but missing times (02:30 on each day that summer time begins); the search must end.
_MOST_GAPS = 64
_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)


class ZonedMatcher:
    """The instants at which a zone's clocks show what a canonical expression matches.

    `run_after_gap`: times that a gap swallows are made up for at its end, once. `repeat`: times that an overlap
    shows twice match twice. A schedule that follows elapsed time is one that repeats and makes up for nothing.
    All instants are in UTC, in whole seconds.
    """

    __slots__ = ("_is_utc", "_matcher", "_repeat", "_run_after_gap", "_zone", "times")

    def __init__(self, matcher: Matcher, zone: ZoneInfo, *, run_after_gap: bool, repeat: bool) -> None:
        self._matcher, self._zone, self.times = matcher, zone, matcher.times
        self._is_utc = zone.key == "UTC"
        self._run_after_gap, self._repeat = run_after_gap, repeat

    def next_after(self, instant: datetime) -> datetime | None:
        if self._is_utc:
            found = self._matcher.after(instant.replace(tzinfo=None))
            return None if found is None else found.replace(tzinfo=UTC)
        wall, edge, second_pass = _clock(instant, self._zone)
        if edge is None:
            return self._first(self._matcher.after(wall))
        return self._next_in_overlap(wall, edge, second_pass=second_pass)

    def _next_in_overlap(self, wall: datetime, edge: Edge, *, second_pass: bool) -> datetime | None:
        if not second_pass:
            found = self._matcher.after(wall)
            if found is not None and found < edge.end:
                return _instant(found, edge.before)
            if self._repeat:
                return self._next_in_second_pass(self._matcher.at_or_after(edge.start), edge)
            return self._first(found)
        if self._repeat:
            return self._next_in_second_pass(self._matcher.after(wall), edge)
        return self._first(self._matcher.at_or_after(edge.end))

    def _next_in_second_pass(self, found: datetime | None, edge: Edge) -> datetime | None:
        if found is not None and found < edge.end:
            return _instant(found, edge.after)
        return self._first(found)

    def _first(self, wall: datetime | None) -> datetime | None:
        """The first instant of a match, or of a later one where a gap swallows it for good."""
        for _ in range(_MOST_GAPS):
            if wall is None:
                return None
            local = wall.replace(tzinfo=self._zone)
            instant = local.astimezone(UTC)
            if instant.astimezone(self._zone) == local:  # there and back: ordinary, or double and the first pass
                return instant
            edge = edge_around(wall, self._zone)
            assert edge is not None
            if self._makes_up_for(edge):
                return edge.at
            wall = self._matcher.at_or_after(edge.end)
        return None

    def previous(self, instant: datetime) -> datetime | None:
        wall, edge, second_pass = _clock(instant, self._zone)
        if edge is None:
            return self._last(self._matcher.at_or_before(wall))
        return self._previous_in_overlap(wall, edge, second_pass=second_pass)

    def _previous_in_overlap(self, wall: datetime, edge: Edge, *, second_pass: bool) -> datetime | None:
        if second_pass and self._repeat:
            found = self._matcher.at_or_before(wall)
            if found is not None and found >= edge.start:
                return _instant(found, edge.after)
        found = self._matcher.at_or_before(edge.end - _SECOND if second_pass else wall)
        if found is not None and found >= edge.start:
            return _instant(found, edge.before)
        return self._last(found)

    def _last(self, wall: datetime | None) -> datetime | None:
        """The last instant of a match, or of an earlier one where a gap swallows it for good."""
        for _ in range(_MOST_GAPS):
            if wall is None:
                return None
            before, after = offsets_of(wall, self._zone)
            if before >= after:
                return _instant(wall, after if self._repeat else before)
            edge = edge_around(wall, self._zone)
            assert edge is not None
            if self._makes_up_for(edge):
                return edge.at
            wall = self._matcher.at_or_before(edge.start - _SECOND)
        return None

    def _makes_up_for(self, gap: Edge) -> bool:
        return self._run_after_gap and gap.size < LONGEST_GAP_MADE_UP_FOR

    def stretch(self, instant: datetime, until: datetime) -> tuple[datetime, datetime] | None:
        """The wall-clock times of `instant` and of the end of its day (or of `until`, if that is earlier).

        None if clocks change in between, so that the times of day between the two say nothing about slots.
        """
        offset = offset_at(instant, self._zone)
        wall = _wall(instant, offset)
        end = min(wall.replace(hour=0, minute=0, second=0) + _DAY - _SECOND, _wall(until, offset))
        if offset_at(_instant(end, offset), self._zone) != offset:
            return None
        # In the second pass of an overlap not every match is a slot.
        return (wall, end) if offsets_of(wall, self._zone) == (offset, offset) else None


@lru_cache(maxsize=4096)
def zoned_matcher(canonical: str, zone: ZoneInfo, *, run_after_gap: bool, repeat: bool) -> ZonedMatcher:
    """The one that all schedules which agree in these share, so that they share its remembered answers too."""
    return ZonedMatcher(matcher_of(canonical), zone, run_after_gap=run_after_gap, repeat=repeat)


@lru_cache(maxsize=4096)
def next_after(matcher: ZonedMatcher, instant: datetime) -> datetime | None:
    """`ZonedMatcher.next_after`, remembered: many jobs share an expression, and their slots are the same instants."""
    try:
        return matcher.next_after(instant)
    except OverflowError:  # beyond what a datetime can hold
        return None


@lru_cache(maxsize=1024)
def previous(matcher: ZonedMatcher, instant: datetime) -> datetime | None:
    """`ZonedMatcher.previous`, remembered."""
    try:
        return matcher.previous(instant)
    except OverflowError:
        return None


@lru_cache(maxsize=256)  # thousands of jobs are asked about the same instant
def _clock(instant: datetime, zone: ZoneInfo) -> tuple[datetime, Edge | None, bool]:
    """What a zone's clocks show at an instant, the overlap that they are in, and whether for the second time."""
    local = instant.astimezone(zone)
    wall = local.replace(tzinfo=None, fold=0)
    return wall, edge_around(wall, zone), bool(local.fold)


def _instant(wall: datetime, offset: timedelta) -> datetime:
    return wall.replace(tzinfo=UTC) - offset


def _wall(instant: datetime, offset: timedelta) -> datetime:
    return instant.replace(tzinfo=None) + offset
