"""How many slots come in each minute: the same as the schedules say, without asking them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.examples import examples

from jobsched.model.job import Dst, Job
from jobsched.schedule.schedule import schedule_of, slots_after
from jobsched.schedule.week import in_hour, slots_a_minute, timing_of
from jobsched.testing.builders import a_job

START = datetime(2026, 11, 25, 9, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
WEEK, TWO_DAYS = 7 * 24 * 60, 2 * 24 * 60


def walked(job: Job, minutes: int = WEEK, start: datetime = START) -> list[int]:
    schedule = schedule_of(job)
    assert schedule is not None
    found = [0] * minutes
    for slot in slots_after(
        schedule, start - timedelta(microseconds=1), start + minutes * MINUTE - timedelta(seconds=1)
    ):
        found[(slot - start) // MINUTE] += 1
    return found


SCHEDULES: list[dict[str, Any]] = [
    {"cron": ("*/5 * * * *",)},
    {"cron": ("0 2 * * *",), "timezone": "Europe/Rome"},
    {"cron": ("30 9-17 * * mon-fri",), "timezone": "Asia/Kolkata"},
    {"cron": ("H H * * *",)},
    {"cron": ("0 0 1 * *",)},
    {"cron": ("0 12 29 2 *",)},
    {"cron": ("15 * * * * */20",)},
    {"cron": ("0 4 * * * 0 2026",)},
    {"cron": ("0 4 * * *",), "start_at": START + timedelta(days=2), "end_at": START + timedelta(days=4)},
    {"every": timedelta(minutes=7)},
    {"every": timedelta(seconds=25)},
    {"every": timedelta(hours=5), "start_at": START + timedelta(days=1)},
    {"at": START + timedelta(hours=3)},
    {"at": START - timedelta(hours=3)},
]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_week_has_the_slots_that_the_schedule_demands(schedule: dict[str, Any]) -> None:
    job = a_job(**{"cron": (), **schedule})

    assert slots_a_minute([timing_of(job)], START) == walked(job)
    assert slots_a_minute([timing_of(job)], START, once=True) == [min(1, slots) for slots in walked(job)]


@settings(max_examples=50, deadline=None)
@given(
    minute=st.sampled_from(["0", "*", "*/7", "5,50", "H"]),
    hour=st.sampled_from(["*", "3", "*/6", "22-23"]),
    day=st.sampled_from(["* * *", "1-15 * *", "* * tue,sun", "* 11 *", "27 11 *"]),
    zone=st.sampled_from(["UTC", "America/New_York", "Australia/Eucla", "Pacific/Kiritimati"]),
)
def test_any_expression_in_any_zone_has_the_slots_that_it_demands(minute: str, hour: str, day: str, zone: str) -> None:
    job = a_job(cron=(f"{minute} {hour} {day}",), timezone=zone)

    assert slots_a_minute([timing_of(job)], START) == walked(job)


#: The day before clocks change: forward, back, by half an hour, at midnight, by a day that never was.
CHANGES = {
    "Europe/Rome": ("2026-03-28", "2026-10-24"),
    "America/New_York": ("2026-03-07", "2026-10-31"),
    "Australia/Lord_Howe": ("2026-10-03", "2026-04-04"),
    "America/Asuncion": ("2023-09-30", "2023-03-25"),
    "Asia/Beirut": ("2026-03-28", "2026-10-24"),
    "Pacific/Apia": ("2011-12-29", "2011-12-28"),
}


@settings(max_examples=examples(20, 500), deadline=None)
@given(
    minute=st.sampled_from(["0", "30", "*", "*/7", "5,50", "15-45"]),
    hour=st.sampled_from(["*", "0", "1", "2", "3", "1,2", "2-3", "*/6", "22-23"]),
    second=st.sampled_from(["", " 0", " 20,40", " */15"]),
    zone=st.sampled_from(sorted(CHANGES)),
    back=st.booleans(),
    dst=st.builds(Dst, st.sampled_from(["run_after", "skip"]), st.sampled_from(["first", "both"])),
)
def test_where_clocks_change_slots_come_as_dst_says(
    minute: str, hour: str, second: str, zone: str, back: bool, dst: Dst
) -> None:
    start = datetime.fromisoformat(CHANGES[zone][back]).replace(tzinfo=UTC)
    job = a_job(cron=(f"{minute} {hour} * * *{second}",), timezone=zone, dst=dst)
    slots = walked(job, TWO_DAYS, start)

    assert slots_a_minute([timing_of(job)], start, TWO_DAYS) == slots
    assert slots_a_minute([timing_of(job)], start, TWO_DAYS, once=True) == [min(1, count) for count in slots]
    fullest = max(range(0, TWO_DAYS, 60), key=lambda first: sum(slots[first : first + 60]))
    found = in_hour({"job": timing_of(job)}, start + fullest * MINUTE)
    assert sum(found.values()) == sum(slots[fullest : fullest + 60])


def test_slots_of_all_jobs_are_counted_together() -> None:
    jobs = [a_job(f"job-{n}", cron=("0 2 * * *",)) for n in range(3)] + [a_job("other", cron=("0 2 * * thu",))]

    minutes = slots_a_minute([timing_of(job) for job in jobs], START)

    # Thursday is the first of the days whose two o'clock comes.
    assert [count for count in minutes if count] == [4, *[3] * 6]


def test_the_jobs_of_an_hour_are_named_with_how_often_they_come_in_it() -> None:
    jobs = [
        a_job("five", cron=("*/5 * * * *",)),
        a_job("never", cron=("0 2 * * *",)),
        a_job("half", cron=("45 9 * * *",)),
        a_job("steady", cron=(), every=timedelta(minutes=20)),
        a_job("manual", cron=()),
    ]

    found = in_hour({job.name: timing_of(job) for job in jobs}, START)

    assert found == {"five": 12, "half": 1, "steady": 3}
