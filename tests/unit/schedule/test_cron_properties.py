"""Cron schedules over zones with every kind of clock change, against a matcher that walks each second of a day."""

import calendar
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.examples import examples

from jobsched.errors import CronError
from jobsched.model.job import Dst
from jobsched.schedule.cron import CronSchedule

ZONES = [
    "UTC",
    "Europe/Rome",
    "Europe/Dublin",
    "America/New_York",
    "America/Sao_Paulo",
    "America/Havana",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Asia/Tehran",
    "Antarctica/Troll",
    "Antarctica/Casey",
    "Africa/Casablanca",
]


def lists(low: int, high: int) -> st.SearchStrategy[str]:
    values = st.lists(st.integers(low, high), min_size=1, max_size=4).map(lambda found: ",".join(map(str, found)))
    steps = st.integers(1, high + 2).map(lambda step: f"*/{step}")
    ranges = st.tuples(st.integers(low, high), st.integers(low, high)).filter(lambda pair: pair[0] < pair[1])
    return st.one_of(st.just("*"), values, steps, ranges.map(lambda pair: f"{pair[0]}-{pair[1]}"))


times = st.tuples(lists(0, 59), lists(0, 23))
days = st.one_of(
    st.tuples(lists(1, 31), lists(1, 12), lists(0, 7)),
    st.tuples(st.sampled_from(["L", "15,L", "1W", "15W", "31W"]), lists(1, 12), st.just("*")),
    st.tuples(st.just("L"), lists(1, 12), lists(0, 7)),
    st.tuples(st.just("*"), lists(1, 12), st.sampled_from(["mon#1", "sun#5", "7#2,L5", "L0"])),
)
expressions = st.tuples(times, days, st.sampled_from(["", " 0", " */20", " 7,59"])).map(
    lambda parts: " ".join([*parts[0], *parts[1]]) + parts[2]
)
dsts = st.builds(Dst, gap=st.sampled_from(["run_after", "skip"]), overlap=st.sampled_from(["first", "both"]))
instants = st.datetimes(datetime(1985, 1, 1), datetime(2037, 1, 1), timezones=st.just(UTC))
#: Within a day and a half of a change of clocks somewhere among ZONES.
eventful = st.tuples(
    st.sampled_from(
        [
            "2026-03-29T01:00Z",
            "2026-10-25T01:00Z",
            "2026-03-08T07:00Z",
            "2026-11-01T06:00Z",
            "2018-11-04T03:00Z",
            "2018-02-18T02:00Z",
            "2026-04-04T15:00Z",
            "2026-10-03T15:30Z",
            "2011-12-30T10:00Z",
            "2021-03-21T20:30Z",
            "2021-09-21T19:30Z",
            "2022-10-01T16:00Z",
            "2023-03-08T16:00Z",
            "2026-02-15T02:00Z",
            "2026-03-22T02:00Z",
        ]
    ).map(datetime.fromisoformat),
    st.integers(-130_000, 130_000),
).map(lambda parts: parts[0] + timedelta(seconds=parts[1]))
anywhen = st.one_of(instants, eventful)


def schedule_or_reject(expr: str, zone: str, dst: Dst) -> CronSchedule:
    try:
        return CronSchedule(expr, zone, dst=dst)
    except CronError as error:
        assume("never fires" not in error.reason)
        raise


@settings(max_examples=examples(100, 1000), deadline=None)
@given(expressions, st.sampled_from(ZONES), dsts, anywhen)
def test_next_and_previous_are_each_others_mirror(expr: str, zone: str, dst: Dst, instant: datetime) -> None:
    schedule = schedule_or_reject(expr, zone, dst)

    later = schedule.next_after(instant)

    assume(later is not None)
    assert later is not None
    assert later > instant
    assert schedule.previous(later) == later
    assert schedule.next_after(later - timedelta(seconds=1)) == later
    before = schedule.previous(later - timedelta(seconds=1))
    assert before is None or before <= instant
    assert before is None or schedule.next_after(before) == later


@settings(max_examples=examples(40, 500), deadline=None)
@given(expressions, st.sampled_from(ZONES), dsts, anywhen)
def test_the_slots_of_a_day_and_a_half_are_those_of_a_walk_through_its_minutes(
    expr: str, zone: str, dst: Dst, instant: datetime
) -> None:
    schedule = schedule_or_reject(expr, zone, dst)
    start = instant.replace(second=0, microsecond=0)
    end = start + timedelta(hours=36)

    expected = sorted(slots_by_walking(schedule, expr, dst, start, end))

    found, slot = [], schedule.next_after(start)
    while slot is not None and slot <= end:
        found.append(slot)
        slot = schedule.next_after(slot)
    assert found == expected
    backwards, slot = [], schedule.previous(end)
    while slot is not None and slot > start:
        backwards.append(slot)
        slot = schedule.previous(slot - timedelta(seconds=1))
    assert backwards == expected[::-1]
    if expected:
        count = schedule.count(expected[0], expected[-1], 1000)
        assert count == (len(expected) if len(expected) <= 1000 else None)


def slots_by_walking(schedule: CronSchedule, expr: str, dst: Dst, start: datetime, end: datetime) -> set[datetime]:
    """Every minute of elapsed time in (start, end], and the minutes that a gap swallowed; seconds are put in last."""
    fields = expr.lower().split()
    wild = fields[0].startswith("*") or fields[1].startswith("*")
    offsets = {}
    minute = start - timedelta(hours=27)
    while minute <= end + timedelta(minutes=1):
        offsets[minute] = minute.astimezone(schedule.zone).utcoffset() or timedelta(0)
        minute += timedelta(minutes=1)
    slots: set[datetime] = set()
    seen: set[datetime] = set()
    for (early, before), (late, after) in pairwise(offsets.items()):
        wall = late.replace(tzinfo=None) + after
        gap = after - before
        if not wild and dst.gap == "run_after" and timedelta(0) < gap < timedelta(hours=3):
            missing = early.replace(tzinfo=None) + before + timedelta(minutes=1)
            while missing < wall:
                if matches(fields, missing):
                    slots.add(late)
                missing += timedelta(minutes=1)
        if matches(fields, wall) and (wild or dst.overlap == "both" or wall not in seen):
            slots |= {late + timedelta(seconds=second) for second in seconds_of(fields)}
        seen.add(wall)
    return {slot for slot in slots if start < slot <= end}


def seconds_of(fields: list[str]) -> set[int]:
    return values(fields[5], 0, 59) if len(fields) > 5 else {0}


def matches(fields: list[str], wall: datetime) -> bool:
    return (
        wall.minute in values(fields[0], 0, 59)
        and wall.hour in values(fields[1], 0, 23)
        and wall.month in values(fields[3], 1, 12)
        and day_matches(fields[2], fields[4], wall.date())
    )


def day_matches(day_text: str, weekday_text: str, day: date) -> bool:
    if day_text == "*" or weekday_text == "*":
        return day_of_month_matches(day_text, day) and weekday_matches(weekday_text, day)
    return day_of_month_matches(day_text, day) or weekday_matches(weekday_text, day)


def day_of_month_matches(text: str, day: date) -> bool:
    last = calendar.monthrange(day.year, day.month)[1]
    if text.endswith("w"):
        wanted = day.replace(day=min(int(text[:-1]), last))
        working = [day.replace(day=number) for number in range(1, last + 1) if day.replace(day=number).weekday() < 5]
        return day == min(working, key=lambda other: abs((other - wanted).days))
    if "l" in text.split(","):
        rest = [item for item in text.split(",") if item != "l"]
        return day.day == last or day.day in {int(item) for item in rest}
    return day.day in values(text, 1, 31)


def weekday_matches(text: str, day: date) -> bool:
    last = calendar.monthrange(day.year, day.month)[1]
    number = day.isoweekday() % 7
    if not any(mark in text for mark in "#l"):
        return number in {value % 7 for value in values(text, 0, 6 if "/" in text or text == "*" else 7)}
    for item in text.replace("mon", "1").replace("sun", "0").split(","):
        if item.startswith("l") and number == int(item[1:]) and day.day + 7 > last:
            return True
        if "#" in item and number == int(item[0]) % 7 and (day.day + 6) // 7 == int(item[2]):
            return True
    return False


def values(text: str, low: int, high: int) -> set[int]:
    if text.startswith("*"):
        return set(range(low, high + 1, int(text[2:] or 1)))
    if "-" in text:
        first, last = map(int, text.split("-"))
        return set(range(first, last + 1))
    return set(map(int, text.split(",")))
