from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest

from jobsched.errors import CronError, ScheduleError
from jobsched.model.handler import PythonHandler
from jobsched.model.job import Job
from jobsched.schedule.interval import IntervalSchedule
from jobsched.schedule.once import OnceSchedule
from jobsched.schedule.schedule import Window, schedule_of, slots_after, union

START = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def a_job(**fields: object) -> Job:
    return Job(namespace="default", name="nightly", handler=PythonHandler("jobs:work"), **fields)  # type: ignore[arg-type]


# -- every


@pytest.mark.parametrize(
    ("every", "start_at", "instant", "next_after", "previous"),
    [
        (HOUR, None, START, START + HOUR, START),
        (HOUR, None, START + MINUTE, START + HOUR, START),
        (11 * MINUTE, None, START, START + 5 * MINUTE, START - 6 * MINUTE),
        (HOUR, START + MINUTE, START, START + MINUTE, START + MINUTE - HOUR),
        (HOUR, START + MINUTE, START + MINUTE, START + MINUTE + HOUR, START + MINUTE),
        (
            timedelta(seconds=1.5),
            START,
            START + timedelta(seconds=2),
            START + timedelta(seconds=3),
            START + timedelta(seconds=1.5),
        ),
    ],
)
def test_every_counts_from_start_at_or_else_from_the_epoch(
    every: timedelta, start_at: datetime | None, instant: datetime, next_after: datetime, previous: datetime
) -> None:
    schedule = IntervalSchedule(every, start_at)

    assert schedule.next_after(instant) == next_after
    assert schedule.previous(instant) == previous


def test_every_is_at_least_a_second() -> None:
    with pytest.raises(ScheduleError, match="shortest interval is 1s"):
        IntervalSchedule(timedelta(milliseconds=999))


def test_every_ends_where_datetimes_end() -> None:
    schedule = IntervalSchedule(timedelta(days=36_500))

    assert schedule.next_after(datetime.max.replace(tzinfo=UTC)) is None


def test_every_is_counted_without_enumeration() -> None:
    schedule = IntervalSchedule(MINUTE, START)

    assert schedule.count(START, START + 999 * MINUTE, 1000) == 1000
    assert schedule.count(START, START + 1000 * MINUTE, 1000) is None


# -- at


def test_at_is_one_slot() -> None:
    schedule = OnceSchedule(START)

    assert schedule.next_after(START - MINUTE) == START
    assert schedule.next_after(START) is None
    assert schedule.previous(START) == START
    assert schedule.previous(START - MINUTE) is None
    assert schedule.count(START, START, 1000) == 1


@pytest.mark.parametrize(
    "schedule", [OnceSchedule(START), IntervalSchedule(HOUR), Window(OnceSchedule(START), START, START)]
)
@pytest.mark.parametrize("ask", ["next_after", "previous"])
def test_a_naive_instant_is_an_error(schedule: object, ask: str) -> None:
    with pytest.raises(ValueError, match="naive"):
        getattr(schedule, ask)(datetime(2026, 1, 1))


# -- several


def test_a_slot_that_several_expressions_demand_is_one_slot() -> None:
    schedule = schedule_of(a_job(cron=("*/20 * * * *", "*/30 * * * *")))
    assert schedule is not None

    minutes = [slot.minute for slot in islice(slots_after(schedule, START), 5)]

    assert minutes == [20, 30, 40, 0, 20]
    assert schedule.previous(START + 59 * MINUTE) == START + 40 * MINUTE
    assert schedule.count(START, START + HOUR, 1000) == 5
    assert schedule.count(START, START + 1000 * HOUR, 1000) is None


def test_a_part_without_further_slots_leaves_those_of_the_others() -> None:
    schedule = union([OnceSchedule(START), OnceSchedule(START + HOUR)])

    assert schedule.next_after(START) == START + HOUR
    assert schedule.next_after(START + HOUR) is None
    assert schedule.previous(START + MINUTE) == START
    assert schedule.count(START, START, 1000) == 1


# -- start_at and end_at


def test_slots_lie_between_start_at_and_end_at_both_included() -> None:
    schedule = schedule_of(a_job(cron=("0 * * * *",), start_at=START + HOUR, end_at=START + 3 * HOUR))
    assert schedule is not None

    assert list(slots_after(schedule, START - 24 * HOUR)) == [START + HOUR, START + 2 * HOUR, START + 3 * HOUR]
    assert schedule.previous(START + 24 * HOUR) == START + 3 * HOUR
    assert schedule.previous(START + HOUR) == START + HOUR
    assert schedule.previous(START) is None


def test_a_start_between_two_slots_begins_with_the_later_one() -> None:
    schedule = schedule_of(a_job(cron=("0 * * * *",), start_at=START + MINUTE, end_at=START + 2 * HOUR - MINUTE))
    assert schedule is not None

    assert list(slots_after(schedule, START - HOUR)) == [START + HOUR]


def test_every_begins_with_its_start_at() -> None:
    schedule = schedule_of(a_job(every=HOUR, start_at=START + MINUTE))
    assert schedule is not None

    assert schedule.next_after(START - 24 * HOUR) == START + MINUTE
    assert schedule.previous(START) is None


# -- of a job


def test_a_job_without_schedule_has_none() -> None:
    assert schedule_of(a_job()) is None


def test_at_makes_a_single_slot() -> None:
    schedule = schedule_of(a_job(at=START))

    assert schedule is not None
    assert list(slots_after(schedule, START - HOUR)) == [START]


def test_jobs_with_the_same_declaration_share_a_schedule() -> None:
    assert schedule_of(a_job(cron=("*/3 * * * *",))) is schedule_of(a_job(cron=("*/3 * * * *",), priority=5))


def test_h_is_hashed_from_the_name_of_the_job() -> None:
    slots = set()
    for name in ("a", "b", "c", "d"):
        job = Job(namespace="default", name=name, handler=PythonHandler("jobs:work"), cron=("H H * * *",))
        schedule = schedule_of(job)
        assert schedule is not None
        slots.add(schedule.next_after(START))

    assert len(slots) == 4


def test_an_invalid_expression_is_a_cron_error() -> None:
    with pytest.raises(CronError, match="hour"):
        schedule_of(a_job(cron=("0 0 * * *", "0 25 * * *")))
