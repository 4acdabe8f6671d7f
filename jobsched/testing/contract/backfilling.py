"""The contract's chapter on backfilling: slots of the past get runs, and each slot still has one row."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from jobsched.model.backfill import Cut, Refill, SlotRow
from jobsched.model.job import Job
from jobsched.model.run import Covers, Reason, Run, RunState, Source
from jobsched.model.state import StoredJob
from jobsched.store.port import Store
from jobsched.testing.builders import (
    MINUTE,
    NAMESPACE,
    START,
    a_change,
    a_firing,
    a_free_job,
    a_limited_job,
    a_node,
    a_skipped_slot,
    a_slot,
    a_trigger,
    an_edit,
    claim,
    given_jobs,
    given_removed,
    runs,
    states,
)
from jobsched.testing.clock import FakeClock
from jobsched.testing.contract.threads import in_parallel

PENDING, BLOCKED, SKIPPED = RunState.PENDING, RunState.BLOCKED, RunState.SKIPPED


class BackfillContract:
    def test_a_slot_without_a_row_gets_a_run_that_is_available_now(self, store: Store, clock: FakeClock) -> None:
        stored = given_jobs(store, a_free_job(payload={"a": 1}, priority=3))["nightly"]
        clock.advance(timedelta(hours=1))

        made = store.backfill(a_refill(stored, minute(1)))

        [run] = runs(store)
        assert made is not None
        assert [created.id for created in made] == [run.id]
        assert (run.source, run.scheduled_at, run.available_at) == (Source.BACKFILL, minute(1), clock.now())
        assert (run.state, run.payload, run.priority) == (PENDING, {"a": 1}, 3)

    def test_the_run_takes_the_place_of_the_row_that_told_why_it_was_skipped(self, store: Store) -> None:
        stored = given_jobs(store, a_free_job())["nightly"]
        store.fire([a_firing(stored, a_skipped_slot(stored.job, minute(1)))])

        store.backfill(a_refill(stored, minute(1), cuts=[Cut(seen(store, 1)[0], ())]))

        assert [(run.scheduled_at, run.state) for run in runs(store)] == [(minute(1), PENDING)]

    def test_what_is_left_of_a_range_tells_the_rest_as_before(self, store: Store, clock: FakeClock) -> None:
        stored = given_jobs(store, a_free_job())["nightly"]
        before = given_a_range(store, stored, 1, 9)
        clock.advance(timedelta(hours=1))
        left = (covers(1, 3), covers(6, 9))

        store.backfill(a_refill(stored, minute(4), minute(5), cuts=[Cut(seen(store, 4)[0], left)]))

        rest = [run for run in runs(store) if run.state is SKIPPED]
        assert [run.covers for run in rest] == list(left)
        assert [replace(run, id=0, covers=None, scheduled_at=None, available_at=START) for run in rest] == [
            replace(before, id=0, covers=None, scheduled_at=None, available_at=START)
        ] * 2
        assert runs(store, tag="t") == rest
        assert sorted(run.scheduled_at for run in runs(store) if run.scheduled_at) == [
            minute(number) for number in (3, 4, 5, 9)
        ]

    def test_a_single_slot_that_is_left_of_a_range_is_a_row_of_its_own(self, store: Store) -> None:
        stored = given_jobs(store, a_free_job())["nightly"]
        given_a_range(store, stored, 1, 3)

        store.backfill(a_refill(stored, minute(2), minute(3), cuts=[Cut(seen(store, 2)[0], (covers(1, 1),))]))

        [rest] = [run for run in runs(store) if run.state is SKIPPED]
        assert (rest.scheduled_at, rest.covers) == (minute(1), None)

    def test_a_slot_that_got_a_row_meanwhile_makes_none(self, store: Store) -> None:
        stored = given_jobs(store, a_free_job())["nightly"]
        store.fire([a_firing(stored, a_slot(stored.job, minute(1)))])

        made = store.backfill(a_refill(stored, minute(1), minute(2)))

        assert made is not None
        assert [created.scheduled_at for created in made] == [minute(2)]
        assert [run.source for run in runs(store)] == [Source.SLOT, Source.BACKFILL]

    def test_runs_are_claimed_in_the_order_of_their_slots(self, store: Store) -> None:
        stored = given_jobs(store, a_free_job())["nightly"]
        store.fire([a_firing(stored, a_skipped_slot(stored.job, minute(3)))])

        cuts = [Cut(seen(store, 3)[0], ())]
        store.backfill(a_refill(stored, *(minute(number) for number in (1, 2, 3, 4)), cuts=cuts))

        slots = [claimed.scheduled_at for claimed in claim(store, a_node(store))]
        assert slots == [minute(number) for number in (1, 2, 3, 4)]

    def test_slots_of_a_limited_job_wait_their_turn_beyond_max_queued(self, store: Store) -> None:
        for job in (a_limited_job("forbids"), a_limited_job("queues", "queue", max_queued=1)):
            stored = given_jobs(store, job)[job.name]
            store.enqueue([a_trigger(job)])

            store.backfill(a_refill(stored, *(minute(number) for number in (1, 2, 3))))

            assert states(store, job=job.name) == [PENDING, BLOCKED, BLOCKED, BLOCKED]

    # -- nothing at all, if what was seen has changed

    def test_under_another_schedule_nothing_is_made(self, store: Store) -> None:
        stored = given_jobs(store, a_free_job())["nightly"]
        edit = an_edit(stored, a_free_job(cron=("0 * * * *",)), schedule_revision=2, seen_cursor=stored.cursor)
        store.apply(a_change(edit, seen=1))

        assert store.backfill(a_refill(stored, minute(1))) is None
        assert runs(store) == []

    def test_of_a_removed_job_nothing_is_made(self, store: Store) -> None:
        stored = given_jobs(store, a_free_job())["nightly"]
        given_removed(store, "nightly")

        assert store.backfill(a_refill(stored, minute(1))) is None
        assert runs(store) == []

    def test_a_skipped_row_that_is_requeued_meanwhile_stays(self, store: Store) -> None:
        stored = given_jobs(store, a_free_job())["nightly"]
        [made] = store.fire([a_firing(stored, a_skipped_slot(stored.job, minute(1)))])
        [row] = seen(store, 1)
        store.requeue([made.id])

        assert store.backfill(a_refill(stored, minute(1), minute(2), cuts=[Cut(row, ())])) is None
        assert [(run.id, run.state) for run in runs(store)] == [(made.id, PENDING)]

    def test_a_range_that_was_cut_meanwhile_is_looked_at_again(self, store: Store) -> None:
        stored = given_jobs(store, a_free_job())["nightly"]
        given_a_range(store, stored, 1, 9)
        [row] = seen(store, 4)
        store.backfill(a_refill(stored, minute(9), cuts=[Cut(row, (covers(1, 8),))]))

        assert store.backfill(a_refill(stored, minute(1), cuts=[Cut(row, (covers(2, 9),))])) is None
        assert [run.covers for run in runs(store) if run.state is SKIPPED] == [covers(1, 8)]

    def test_two_at_once_make_one_run_for_each_slot(self, store: Store, open_again: Callable[[], Store]) -> None:
        stored = given_jobs(store, a_limited_job())["nightly"]
        slots = [minute(number) for number in range(1, 21)]

        in_parallel([store, open_again(), open_again()], lambda one: one.backfill(a_refill(stored, *slots)))

        assert [run.scheduled_at for run in runs(store)] == slots

    # -- what there is to be seen

    def test_rows_are_found_by_their_slots_and_by_those_that_they_cover(self, store: Store) -> None:
        stored = given_jobs(store, a_free_job())["nightly"]
        given_a_range(store, stored, 1, 3)
        [stored] = store.jobs(NAMESPACE)
        store.fire([a_firing(stored, a_slot(stored.job, minute(5)), a_slot(stored.job, minute(6)))])
        store.enqueue([a_trigger(stored.job)])

        assert [row.covers for row in seen(store, 2)] == [covers(1, 3)]
        assert [(row.scheduled_at, row.state, row.covers) for row in seen(store, 5)] == [(minute(5), PENDING, None)]
        assert len(seen(store, 3, 4, 6)) == 2
        assert seen(store, 4) == seen(store) == []
        assert store.slot_states("elsewhere", "nightly", [minute(5)]) == []


def minute(number: int) -> datetime:
    return START + number * MINUTE


def covers(first: int, last: int) -> Covers:
    return Covers(minute(first), minute(last), last - first + 1)


def seen(store: Store, *numbers: int) -> list[SlotRow]:
    return store.slot_states(NAMESPACE, "nightly", [minute(number) for number in numbers])


def given_a_range(store: Store, stored: StoredJob, first: int, last: int) -> Run:
    """A skipped row for these minutes."""
    skipped = a_skipped_slot(stored.job, minute(last), Reason.PAUSED, covers=covers(first, last), tags=("t",))
    store.fire([a_firing(stored, skipped)])
    return runs(store)[-1]


def a_refill(stored: StoredJob, *slots: datetime, cuts: list[Cut] | None = None) -> Refill:
    job: Job = stored.job
    return Refill(
        namespace=job.namespace,
        job=job.name,
        schedule_revision=stored.schedule_revision,
        runs=tuple(a_slot(job, slot, source=Source.BACKFILL) for slot in slots),
        cuts=tuple(cuts or ()),
    )
