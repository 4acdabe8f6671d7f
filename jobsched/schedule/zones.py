"""Time zones: found by name, and asked where their clocks change."""

import difflib
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from jobsched.errors import ScheduleError

#: Found on some machines, but another thing on each of them, or counting leap seconds.
_LOCAL_NAMES = frozenset({"localtime", "posixrules"})
_LOCAL_FOLDERS = ("posix/", "right/")
_LONGEST_NAME = 64
#: CEST, PST, UTC+2, +02:00: the zone with the most similar name is another one.
_WITHOUT_CLOCK_CHANGES = re.compile(r"[A-Z]{1,5}|(?:UTC|GMT)?[+-]\d{1,2}(?::?\d\d)?")
_SECOND, _DAY = timedelta(seconds=1), timedelta(days=1)


def zone_of(name: str) -> ZoneInfo:
    """The zone with this IANA name. Raises ScheduleError that names the nearest known one."""
    if not name:
        raise ScheduleError("the time zone is empty; write a name like Europe/Rome, or UTC")
    if len(name) <= _LONGEST_NAME and name not in _LOCAL_NAMES and not name.startswith(_LOCAL_FOLDERS):
        try:
            return ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            pass  # not found, not a name, a folder, or what the file system makes of it: all mean the same to the user
    raise ScheduleError(_unknown(name))


def _unknown(name: str) -> str:
    shown = name if len(name) <= _LONGEST_NAME else name[:_LONGEST_NAME] + "…"
    return f"no time zone {shown!r}; {_hint(shown)}"


def _hint(name: str) -> str:
    if _WITHOUT_CLOCK_CHANGES.fullmatch(name):
        return "abbreviations and offsets know no clock changes; write a place like Europe/Rome, or UTC"
    known = _known_names()
    written = name.lower().replace(" ", "_")
    there = [each for each in known if f"/{each}".endswith(f"/{written}")]
    there.sort(key=lambda each: each != written)
    nearest = there or difflib.get_close_matches(written, known, n=1)
    return f"did you mean {known[nearest[0]]!r}?" if nearest else "write a name like Europe/Rome, or UTC"


@lru_cache(maxsize=1)
def _known_names() -> dict[str, str]:
    return {name.lower(): name for name in sorted(available_timezones() - _LOCAL_NAMES)}


@dataclass(frozen=True, slots=True)
class Edge:
    """A change of a zone's clocks that makes some wall-clock times missing (a gap) or double (an overlap)."""

    at: datetime  #: the instant, in UTC
    before: timedelta  #: offset from UTC
    after: timedelta

    @property
    def is_gap(self) -> bool:
        return self.after > self.before

    @property
    def size(self) -> timedelta:
        return abs(self.after - self.before)

    @property
    def start(self) -> datetime:
        """The first wall-clock time that is missing or double."""
        return self.at.replace(tzinfo=None) + min(self.before, self.after)

    @property
    def end(self) -> datetime:
        """The first wall-clock time that is ordinary again."""
        return self.at.replace(tzinfo=None) + max(self.before, self.after)


def offset_at(instant: datetime, zone: ZoneInfo) -> timedelta:
    offset = instant.astimezone(zone).utcoffset()
    assert offset is not None  # a ZoneInfo always knows
    return offset


def offsets_of(wall: datetime, zone: ZoneInfo) -> tuple[timedelta, timedelta]:
    """The offsets of the clocks before and after the change that `wall` lies in; the same one twice outside of any."""
    aware = wall.replace(tzinfo=zone, fold=0)
    before, after = aware.utcoffset(), aware.replace(fold=1).utcoffset()
    assert before is not None
    assert after is not None
    return before, after


def edge_around(wall: datetime, zone: ZoneInfo) -> Edge | None:
    """The change of clocks in which the naive `wall` is missing or double; None: it is an ordinary time."""
    before, after = offsets_of(wall, zone)
    if before == after:
        return None
    utc = wall.replace(tzinfo=UTC, fold=0)
    return _edge(utc - max(before, after), utc - min(before, after), before, after, zone)


def edges_between(start: datetime, end: datetime, zone: ZoneInfo) -> list[Edge]:
    """The changes of clocks in (start, end]; of two that undo each other within a day none is found."""
    found = []
    while start < end:
        until = min(start + _DAY, end)
        before, after = offset_at(start, zone), offset_at(until, zone)
        if before != after:
            found.append(_edge(start, until, before, after, zone))
        start = until
    return found


def _edge(early: datetime, late: datetime, before: timedelta, after: timedelta, zone: ZoneInfo) -> Edge:
    """The change lies in (early, late]: halve it down to the second."""
    while late - early > _SECOND:
        middle = early + (late - early) // _SECOND // 2 * _SECOND
        if offset_at(middle, zone) == before:
            early = middle
        else:
            late = middle
    return Edge(late, before, after)
