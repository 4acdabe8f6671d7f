"""Backfilling by a client, as a program does it: each slot of the range has one row afterwards."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from jobsched.client import Client
from jobsched.errors import BackfillError, UnknownJobError
from jobsched.model.backfill import Backfill
from jobsched.model.run import Covers, Reason, RunState, Source
from jobsched.store.port import Store
from jobsched.testing.builders import (
    MINUTE,
    START,
    a_change,
    a_firing,
    a_free_job,
    a_limited_job,
    a_skipped_slot,
    a_slot,
    an_edit,
    given_jobs,
    runs,
)
from jobsched.testing.clock import FakeClock


def minute(number: int) -> datetime:
    return START + number * MINUTE


@pytest.fixture
def client(opened: Callable[[str], Store], database_url: str, clock: FakeClock) -> Client:
    """Of a job whose slots of minutes 1 to 2,500 were skipped in one range, and whose next ones ran and were skipped."""
    client = Client(opened(database_url), clock=clock)
    stored = given_jobs(client.store, job := a_limited_job())["nightly"]
    clock.advance(timedelta(days=2))
    missed = Covers(minute(1), minute(2500), None)
    rows = [
        a_skipped_slot(job, missed.last, covers=missed),
        a_slot(job, minute(2501)),
        a_skipped_slot(job, minute(2502), Reason.OVERLAP),
    ]
    client.store.fire([a_firing(stored, *rows)])
    return client


def test_a_plan_tells_what_the_backfill_then_does(client: Client) -> None:
    looked_at: list[int] = []

    planned = client.plan_backfill("nightly", minute(-1), minute(2600), progress=looked_at.append)
    untouched = len(runs(client.store))
    done = client.backfill("nightly", minute(-1), minute(2600))

    assert planned == done == Backfill(slots=2602, runs=2503, unrecorded=2, unfinished=1, open=98)
    assert untouched == 3
    assert looked_at == [1000, 1000, 602]


def test_afterwards_each_slot_has_one_row_and_a_second_backfill_makes_none(client: Client) -> None:
    client.backfill("nightly", minute(500), minute(2600))

    again = client.backfill("nightly", minute(500), minute(2600))

    rows = runs(client.store)
    made = [run.scheduled_at for run in rows if run.source is Source.BACKFILL]
    assert made == [minute(number) for number in range(500, 2503) if number != 2501]
    assert [run.covers for run in rows if run.state is RunState.SKIPPED] == [Covers(minute(1), minute(499), 499)]
    assert (again.runs, again.unfinished) == (0, 2003)


def test_two_beside_each_other_share_the_slots(
    client: Client, opened: Callable[[str], Store], database_url: str
) -> None:
    other = Client(opened(database_url))
    counts: list[int] = []

    def meanwhile(_: int) -> None:
        if not counts:
            counts.append(other.backfill("nightly", minute(1), minute(2500)).runs)

    first = client.backfill("nightly", minute(1), minute(2500), progress=meanwhile)

    assert (first.runs, counts) == (1000, [1500])
    assert [run.scheduled_at for run in runs(client.store) if run.source is Source.BACKFILL] == [
        minute(number) for number in range(1, 2501)
    ]


def test_an_edit_of_the_schedule_meanwhile_ends_it(client: Client) -> None:
    def edit(_: int) -> None:
        stored = client.job("nightly")
        other = an_edit(stored, a_free_job(cron=("0 * * * *",)), schedule_revision=2, seen_cursor=stored.cursor)
        client.store.apply(a_change(other, seen=1))

    with pytest.raises(BackfillError, match="the schedule of nightly has changed meanwhile"):
        client.backfill("nightly", minute(1), minute(2500), progress=edit)

    assert sum(run.source is Source.BACKFILL for run in runs(client.store)) == 1000


def test_what_cannot_be_filled_is_refused(client: Client) -> None:
    with pytest.raises(UnknownJobError):
        client.backfill("daily", minute(1), minute(2))
    with pytest.raises(BackfillError, match="ends in the future"):
        client.backfill("nightly", minute(1), client.store.now() + MINUTE)
    with pytest.raises(BackfillError, match="more than 99 slots"):
        client.backfill("nightly", minute(1), minute(100), most=99)
    with pytest.raises(ValueError, match="naive"):
        client.backfill("nightly", minute(1).replace(tzinfo=None), minute(2))
