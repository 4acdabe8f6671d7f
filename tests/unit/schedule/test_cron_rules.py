"""DESIGN §6, sentence by sentence: what a cron schedule does when clocks change, and what it answers at its ends."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest

from jobsched.model.job import Dst
from jobsched.schedule.cron import CronSchedule
from jobsched.schedule.schedule import slots_after

ROME = "Europe/Rome"
GAP_DAY = "2026-03-29"  # 02:00 +01:00 becomes 03:00 +02:00
OVERLAP_DAY = "2026-10-25"  # 03:00 +02:00 becomes 02:00 +01:00


def slots_of_day(schedule: CronSchedule, day: str) -> list[str]:
    """The slots of one local day, as local time with offset."""
    zone = schedule.zone
    midnight = datetime.fromisoformat(day).replace(tzinfo=zone)
    end = (datetime.fromisoformat(day) + timedelta(days=1)).replace(tzinfo=zone) - timedelta(seconds=1)
    found = slots_after(schedule, midnight.astimezone(UTC) - timedelta(seconds=1), end.astimezone(UTC))
    return [slot.astimezone(zone).strftime("%H:%M%z") for slot in found]


def slots_of_day_backwards(schedule: CronSchedule, day: str) -> list[str]:
    zone = schedule.zone
    midnight = datetime.fromisoformat(day).replace(tzinfo=zone).astimezone(UTC)
    end = (datetime.fromisoformat(day) + timedelta(days=1)).replace(tzinfo=zone).astimezone(UTC)
    found: list[str] = []
    slot = schedule.previous(end - timedelta(seconds=1))
    while slot is not None and slot >= midnight:
        found.insert(0, slot.astimezone(zone).strftime("%H:%M%z"))
        slot = schedule.previous(slot - timedelta(seconds=1))
    return found


DAYS = [
    # a fixed time in a gap runs once right after it
    ("30 2 * * *", ROME, Dst(), GAP_DAY, ["03:00+0200"]),
    ("0,30 2 * * *", ROME, Dst(), GAP_DAY, ["03:00+0200"]),
    ("0 2,3 * * *", ROME, Dst(), GAP_DAY, ["03:00+0200"]),
    ("30 1-3 * * *", ROME, Dst(), GAP_DAY, ["01:30+0100", "03:00+0200", "03:30+0200"]),
    ("30 2 * * *", ROME, Dst(gap="run_after", overlap="both"), GAP_DAY, ["03:00+0200"]),
    # gap: skip drops it
    ("30 2 * * *", ROME, Dst(gap="skip"), GAP_DAY, []),
    ("30 1-3 * * *", ROME, Dst(gap="skip"), GAP_DAY, ["01:30+0100", "03:30+0200"]),
    # a gap of 3 hours or more drops its slots
    ("1 1 * * *", "Antarctica/Casey", Dst(), "2022-10-02", []),
    # in an overlap it runs at the first pass only
    ("30 2 * * *", ROME, Dst(), OVERLAP_DAY, ["02:30+0200"]),
    ("0,30 2 * * *", ROME, Dst(), OVERLAP_DAY, ["02:00+0200", "02:30+0200"]),
    ("0 1-3 * * *", ROME, Dst(), OVERLAP_DAY, ["01:00+0200", "02:00+0200", "03:00+0100"]),
    # overlap: both runs twice
    ("30 2 * * *", ROME, Dst(overlap="both"), OVERLAP_DAY, ["02:30+0200", "02:30+0100"]),
    (
        "0,30 2 * * *",
        ROME,
        Dst(overlap="both"),
        OVERLAP_DAY,
        ["02:00+0200", "02:30+0200", "02:00+0100", "02:30+0100"],
    ),
    # a star in minute or hour follows elapsed time: nothing is invented in a gap, and it goes on through an overlap
    ("*/30 2 * * *", ROME, Dst(), GAP_DAY, []),
    ("30 */2 * * *", ROME, Dst(), GAP_DAY, ["00:30+0100", *(f"{hour:02}:30+0200" for hour in range(4, 24, 2))]),
    ("*/30 2 * * *", ROME, Dst(), OVERLAP_DAY, ["02:00+0200", "02:30+0200", "02:00+0100", "02:30+0100"]),
    # and the settings for fixed times do not touch it
    (
        "*/30 2 * * *",
        ROME,
        Dst(gap="run_after", overlap="first"),
        OVERLAP_DAY,
        ["02:00+0200", "02:30+0200", "02:00+0100", "02:30+0100"],
    ),
    ("*/30 2 * * *", ROME, Dst(gap="skip"), GAP_DAY, []),
    # half an hour, and a gap that swallows midnight
    ("45 1 * * *", "Australia/Lord_Howe", Dst(overlap="both"), "2026-04-05", ["01:45+1100", "01:45+1030"]),
    ("0 0 * * *", "America/Sao_Paulo", Dst(), "2018-11-04", ["01:00-0200"]),
    ("30 0 * * *", "Europe/Dublin", Dst(), "2026-03-29", ["00:30+0000"]),
    ("30 1 * * *", "Europe/Dublin", Dst(), "2026-03-29", ["02:00+0100"]),
]


@pytest.mark.parametrize(("expr", "zone", "dst", "day", "expected"), DAYS)
def test_a_day_on_which_clocks_change(expr: str, zone: str, dst: Dst, day: str, expected: list[str]) -> None:
    schedule = CronSchedule(expr, zone, dst=dst)

    assert slots_of_day(schedule, day) == expected
    assert slots_of_day_backwards(schedule, day) == expected


def test_a_schedule_of_seconds_fires_each_second_through_an_overlap() -> None:
    schedule = CronSchedule("* * * * * *", ROME)
    second_pass = datetime.fromisoformat(f"{OVERLAP_DAY}T01:00Z")

    found = list(slots_after(schedule, second_pass - timedelta(seconds=600), second_pass + timedelta(seconds=600)))

    assert found == [second_pass + timedelta(seconds=number) for number in range(-599, 601)]


def test_a_time_that_is_missing_each_year_ends_the_search() -> None:
    schedule = CronSchedule("30 2 * 3 sun#2", "America/New_York", dst=Dst(gap="skip"))

    assert schedule.next_after(datetime(2026, 1, 1, tzinfo=UTC)) is None


# -- the ends


def test_the_next_slot_is_strictly_later() -> None:
    schedule = CronSchedule("0 12 * * *", "UTC")
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)

    assert schedule.next_after(noon) == noon + timedelta(days=1)
    assert schedule.next_after(noon - timedelta(microseconds=1)) == noon


def test_the_previous_slot_may_be_the_instant_itself() -> None:
    schedule = CronSchedule("0 12 * * *", "UTC")
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)

    assert schedule.previous(noon) == noon
    assert schedule.previous(noon - timedelta(microseconds=1)) == noon - timedelta(days=1)


def test_slots_are_in_utc_whatever_zone_the_question_is_in() -> None:
    schedule = CronSchedule("0 12 * * *", "Asia/Tokyo")

    slot = schedule.next_after(datetime(2026, 1, 1, tzinfo=ZoneInfo("America/New_York")))

    assert slot == datetime(2026, 1, 2, 3, tzinfo=UTC)
    assert slot.tzinfo is UTC


@pytest.mark.parametrize("ask", ["next_after", "previous"])
def test_a_naive_instant_is_an_error(ask: str) -> None:
    schedule = CronSchedule("0 12 * * *", "UTC")

    with pytest.raises(ValueError, match="naive"):
        getattr(schedule, ask)(datetime(2026, 1, 1))


def test_years_that_have_passed_leave_no_further_slot() -> None:
    schedule = CronSchedule("0 0 1 1 * 0 2030,2090", "UTC")

    assert schedule.next_after(datetime(1971, 1, 1, tzinfo=UTC)) == datetime(2030, 1, 1, tzinfo=UTC)
    assert schedule.next_after(datetime(2030, 1, 1, tzinfo=UTC)) == datetime(2090, 1, 1, tzinfo=UTC)
    assert schedule.next_after(datetime(2090, 1, 1, tzinfo=UTC)) is None


def test_years_that_have_not_come_leave_no_previous_slot() -> None:
    schedule = CronSchedule("0 0 1 1 * 0 2030,2090", "UTC")

    assert schedule.previous(datetime(2300, 1, 1, tzinfo=UTC)) == datetime(2090, 1, 1, tzinfo=UTC)
    assert schedule.previous(datetime(2089, 1, 1, tzinfo=UTC)) == datetime(2030, 1, 1, tzinfo=UTC)
    assert schedule.previous(datetime(2029, 12, 31, tzinfo=UTC)) is None


def test_the_last_and_the_first_instants_there_are_raise_nothing() -> None:
    schedule = CronSchedule("* * * * *", "Pacific/Apia")

    assert schedule.next_after(datetime.max.replace(tzinfo=UTC)) is None
    assert schedule.previous(datetime.min.replace(tzinfo=UTC)) is None


def test_the_29th_of_february_is_found_across_a_year_that_is_no_leap_year() -> None:
    schedule = CronSchedule("0 0 * 2 mon#5", "UTC")

    assert schedule.next_after(datetime(2073, 1, 1, tzinfo=UTC)) == datetime(2112, 2, 29, tzinfo=UTC)
    assert schedule.previous(datetime(2112, 2, 28, tzinfo=UTC)) == datetime(2072, 2, 29, tzinfo=UTC)


def test_day_of_month_and_day_of_week_both_restricted_match_either() -> None:
    schedule = CronSchedule("0 0 13 * fri", "UTC")

    days = [slot.day for slot in islice(slots_after(schedule, datetime(2026, 1, 1, tzinfo=UTC)), 6)]

    assert days == [2, 9, 13, 16, 23, 30]


def test_many_threads_get_the_answers_that_one_gets() -> None:
    schedule = CronSchedule("*/7 * * * *", ROME)
    starts = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=13 * number) for number in range(400)]

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(schedule.next_after, starts * 4))

    alone = CronSchedule("*/7 * * * *", "Europe/Berlin")  # the same clocks, and nothing remembered of it
    assert together == [alone.next_after(start) for start in starts] * 4


# -- counting


@pytest.mark.parametrize(
    ("expr", "first", "last", "count"),
    [
        ("*/15 * * * *", "2026-01-01T00:00Z", "2026-01-10T10:15Z", 906),
        ("* * * * *", "2026-01-01T00:00Z", "2026-01-01T16:39Z", 1000),
        ("* * * * *", "2026-01-01T00:00Z", "2026-01-01T16:40Z", None),
        ("* * * * * *", "2026-01-01T00:00Z", "2036-01-01T00:00Z", None),
        ("0 12 * * *", "2026-01-01T11:00Z", "2028-01-01T11:00Z", 731),
        ("30 2 * * *", "2026-03-28T01:30Z", "2026-03-30T00:30Z", 3),
        ("*/30 * * * *", "2026-03-28T23:00Z", "2026-03-29T21:30Z", 46),
        ("*/30 * * * *", "2026-10-24T22:00Z", "2026-10-25T22:30Z", 50),
        ("0,30 * * * *", "2026-10-24T22:00Z", "2026-10-24T22:00Z", 1),
    ],
)
def test_slots_are_counted_up_to_the_limit(expr: str, first: str, last: str, count: int | None) -> None:
    schedule = CronSchedule(expr, ROME)

    assert schedule.count(datetime.fromisoformat(first), datetime.fromisoformat(last), 1000) == count
