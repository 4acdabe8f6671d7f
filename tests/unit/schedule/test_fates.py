"""What is said of a slot: the row that accounts for it, or why there is none."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from jobsched.model.job import Job
from jobsched.model.run import Covers, Reason, Run, RunState, Source
from jobsched.schedule.fates import Fate, Unrecorded, fate_at, latest_fates, neighbours
from jobsched.testing.builders import a_job, a_pause

START = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
JOB = a_job()


def a_row(at: datetime, covers: Covers | None = None) -> Run:
    return Run(
        id=1,
        namespace="default",
        job="nightly",
        handler="tests:handle",
        source=Source.SLOT,
        queue="default",
        priority=0,
        state=RunState.SKIPPED if covers else RunState.SUCCEEDED,
        reason=Reason.MISFIRE if covers else None,
        attempt=1,
        max_attempts=1,
        scheduled_at=at,
        available_at=at,
        started_at=at,
        finished_at=at,
        node=1,
        generation=1,
        payload={},
        result=None,
        error=(),
        covers=covers,
        created_at=at,
    )


def test_the_row_of_the_slot_itself_comes_before_one_that_covers_it() -> None:
    own = a_row(START + 2 * MINUTE)
    covering = a_row(START + 3 * MINUTE, Covers(START + MINUTE, START + 3 * MINUTE, 3))

    found = [
        fate_at(JOB, START + 3 * MINUTE, [covering, own], START + minute * MINUTE, START + 4 * MINUTE).run
        for minute in (1, 2, 3)
    ]

    assert found == [covering, own, covering]


@pytest.mark.parametrize(
    ("job", "minutes", "why"),
    [
        (JOB, 1.5, Unrecorded.NO_SLOT),
        (a_job(cron=()), 1, Unrecorded.NO_SLOT),
        (JOB, 1, Unrecorded.FORGOTTEN),
        (JOB, 2, Unrecorded.FORGOTTEN),
        (JOB, 3, Unrecorded.UNACCOUNTED),
        (JOB, 4, Unrecorded.UNACCOUNTED),
        (JOB, 5, Unrecorded.TO_COME),
        (a_job(suspend=True), 2, Unrecorded.FORGOTTEN),
        (a_job(suspend=True), 3, Unrecorded.SUSPENDED),
        (a_job(suspend=True), 5, Unrecorded.SUSPENDED),
    ],
)
def test_without_a_row_it_is_said_why_there_is_none(job: Job, minutes: float, why: Unrecorded) -> None:
    at = START + minutes * MINUTE

    assert fate_at(job, START + 2 * MINUTE, [], at, START + 4 * MINUTE) == Fate(at, None, why)


@pytest.mark.parametrize(
    ("until", "minutes", "why"),
    [
        (None, 2, Unrecorded.FORGOTTEN),
        (None, 3, Unrecorded.PAUSED),
        (None, 99, Unrecorded.PAUSED),
        (3, 3, Unrecorded.PAUSED),
        (3, 4, Unrecorded.UNACCOUNTED),
        (3, 5, Unrecorded.TO_COME),
    ],
)
def test_of_a_slot_that_a_pause_holds_it_is_said_which(until: int | None, minutes: int, why: Unrecorded) -> None:
    pause = a_pause("all", until=None if until is None else START + until * MINUTE)
    at = START + minutes * MINUTE

    found = fate_at(JOB, START + 2 * MINUTE, [], at, START + 4 * MINUTE, pause)

    assert found == Fate(at, None, why, pause if why is Unrecorded.PAUSED else None)


def test_the_latest_slots_of_a_paused_job_are_paused() -> None:
    pause = a_pause("job", "nightly")

    found = latest_fates(JOB, START, [], START + 2 * MINUTE, 5, pause)

    assert found == [Fate(START + n * MINUTE, None, Unrecorded.PAUSED, pause) for n in (2, 1)]


def test_a_row_of_an_earlier_schedule_counts_where_the_present_one_has_no_slot() -> None:
    row = a_row(START + 1.5 * MINUTE)

    assert fate_at(JOB, START + 2 * MINUTE, [row], START + 1.5 * MINUTE, START + 4 * MINUTE).run == row


def test_the_latest_are_those_not_accounted_for_and_then_the_rows() -> None:
    rows = [a_row(START + 2 * MINUTE), a_row(START + MINUTE)]

    found = latest_fates(JOB, START + 2 * MINUTE, rows, START + 4.5 * MINUTE, 3)

    assert found == [
        Fate(START + 4 * MINUTE, None, Unrecorded.UNACCOUNTED),
        Fate(START + 3 * MINUTE, None, Unrecorded.UNACCOUNTED),
        Fate(START + 2 * MINUTE, rows[0]),
    ]


def test_of_slots_without_end_only_as_many_as_asked_for_are_reckoned() -> None:
    found = latest_fates(a_job(cron=("* * * * * *",)), START, [], START + timedelta(days=3650), 2)

    assert [fate.at for fate in found] == [START + timedelta(days=3650, seconds=-n) for n in (0, 1)]


def test_a_suspended_job_owes_no_slots() -> None:
    rows = [a_row(START + 2 * MINUTE)]

    found = latest_fates(replace(JOB, suspend=True), START + 2 * MINUTE, rows, START + 4 * MINUTE, 5)

    assert found == [Fate(START + 2 * MINUTE, rows[0])]


def test_the_slots_around_an_instant_are_the_nearest_on_each_side() -> None:
    assert neighbours(JOB, START + 1.5 * MINUTE) == [START + MINUTE, START + 2 * MINUTE]
    assert neighbours(a_job(cron=(), at=START), START + MINUTE) == [START]
    assert neighbours(a_job(cron=()), START) == []
