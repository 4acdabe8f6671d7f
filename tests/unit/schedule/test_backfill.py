"""Which slots a backfill runs, and what it leaves of rows that cover a range."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from jobsched.errors import BackfillError
from jobsched.model.backfill import Backfill, SlotRow
from jobsched.model.job import Job
from jobsched.model.run import Covers, RunState, Source
from jobsched.model.state import StoredJob
from jobsched.schedule.backfill import refill, slots_between
from jobsched.testing.builders import MINUTE, START, a_job

DAY = timedelta(days=1)


def minute(number: int) -> datetime:
    return START + number * MINUTE


def stored(job: Job | None = None, cursor: datetime = START + DAY) -> StoredJob:
    return StoredJob(
        job=job or a_job(), revision=1, schedule_revision=4, cursor=cursor, next_at=cursor + MINUTE, generation=7
    )


def a_row(number: int, state: RunState, covers: Covers | None = None) -> SlotRow:
    return SlotRow(id=number, scheduled_at=minute(number), state=state, covers=covers)


def a_range(first: int, last: int) -> SlotRow:
    return a_row(last, RunState.SKIPPED, Covers(minute(first), minute(last), last - first + 1))


def left_of(row: SlotRow, *numbers: int, job: Job | None = None) -> list[tuple[datetime, datetime, int | None]]:
    [cut] = refill(stored(job), [minute(number) for number in numbers], [row])[0].cuts
    return [(covers.first, covers.last, covers.count) for covers in cut.left]


# -- which slots


def test_both_ends_of_the_range_are_in_it() -> None:
    assert list(slots_between(a_job(), minute(1), minute(3), 10)) == [minute(1), minute(2), minute(3)]


def test_instants_between_slots_take_the_slots_inside() -> None:
    half = MINUTE / 2

    assert list(slots_between(a_job(), minute(1) - half, minute(2) + half, 10)) == [minute(1), minute(2)]
    assert list(slots_between(a_job(), minute(1) + half, minute(2) - half, 10)) == []


def test_the_beginning_of_time_is_no_obstacle() -> None:
    job = a_job(cron=(), at=START)

    assert list(slots_between(job, datetime.min.replace(tzinfo=UTC), minute(1), 10)) == [START]


@pytest.mark.parametrize(
    ("job", "since", "until", "said"),
    [
        (a_job(), minute(2), minute(1), "ends before it begins"),
        (a_job(cron=()), minute(1), minute(2), "nightly has no schedule"),
        (a_job(), minute(1), minute(11), "more than 10 slots"),
    ],
)
def test_what_cannot_be_filled_is_refused(job: Job, since: datetime, until: datetime, said: str) -> None:
    with pytest.raises(BackfillError, match=said):
        slots_between(job, since, until, 10)


# -- what becomes of them


def test_each_kind_of_slot_is_counted_and_only_those_that_did_not_run_get_a_run() -> None:
    rows = [
        a_range(1, 2),
        a_row(3, RunState.SKIPPED),
        a_row(5, RunState.SUCCEEDED),
        a_row(6, RunState.FAILED),
        a_row(7, RunState.CANCELLED),
        a_row(8, RunState.RUNNING),
        a_row(9, RunState.BLOCKED),
    ]

    part, found = refill(stored(cursor=minute(9)), [minute(number) for number in range(1, 12)], rows)

    assert [run.scheduled_at for run in part.runs] == [minute(number) for number in (1, 2, 3, 4)]
    assert found == Backfill(slots=11, runs=4, unrecorded=1, succeeded=1, failed=1, cancelled=1, unfinished=2, open=2)


def test_a_run_is_made_as_the_job_is_now_and_may_start_at_once_whatever_its_jitter() -> None:
    job = a_job(jitter=timedelta(seconds=30), payload={"a": 1}, priority=2)

    [run] = refill(stored(job), [minute(1)], [])[0].runs

    assert (run.source, run.scheduled_at, run.available_at) == (Source.BACKFILL, minute(1), None)
    assert (run.payload, run.priority, run.generation) == ({"a": 1}, 2, 7)


def test_what_is_not_accounted_for_is_left_to_the_scheduler_even_with_a_row() -> None:
    part, found = refill(stored(cursor=minute(1)), [minute(2)], [a_row(2, RunState.SKIPPED)])

    assert (part.runs, part.cuts, found.open) == ((), (), 1)


# -- what is left of a range


@pytest.mark.parametrize(
    ("taken", "left"),
    [
        ((4, 5), [(1, 3), (6, 9)]),
        ((1, 2), [(3, 9)]),
        ((8, 9), [(1, 7)]),
        ((2,), [(1, 1), (3, 9)]),
        (tuple(range(1, 10)), []),
        ((0, 1, 2), [(3, 9)]),
        ((9, 10), [(1, 8)]),
    ],
)
def test_a_range_keeps_what_lies_on_both_sides(taken: tuple[int, ...], left: list[tuple[int, int]]) -> None:
    assert left_of(a_range(1, 9), *taken) == [(minute(first), minute(last), last - first + 1) for first, last in left]


def test_a_range_that_no_slot_is_taken_from_is_not_touched() -> None:
    assert refill(stored(), [minute(9), minute(10)], [a_range(1, 8)])[0].cuts == ()


def test_the_ends_of_a_range_of_an_earlier_schedule_stay_told_and_uncounted() -> None:
    hourly = a_job(cron=("0 * * * *",))

    assert left_of(a_range(30, 150), 60, 120, job=hourly) == [
        (minute(30), minute(30), 1),
        (minute(150), minute(150), 1),
    ]
    assert left_of(a_range(30, 150), 120, job=hourly) == [
        (minute(30), minute(60), None),
        (minute(150), minute(150), 1),
    ]


def test_what_is_left_of_a_range_above_a_thousand_is_not_counted() -> None:
    long = a_row(5000, RunState.SKIPPED, Covers(minute(1), minute(5000), None))

    assert left_of(long, 5, job=replace(a_job())) == [(minute(1), minute(4), 4), (minute(6), minute(5000), None)]
