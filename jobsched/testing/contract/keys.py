"""The contract's chapter on concurrency keys: who waits, who is skipped, and never more holders than the limit."""

from datetime import datetime, timedelta

import pytest

from jobsched.model.job import Job
from jobsched.model.run import Reason, RunState, Source
from jobsched.store.port import Store
from jobsched.testing.builders import (
    MINUTE,
    START,
    a_firing,
    a_free_job,
    a_limited_job,
    a_node,
    a_retry,
    a_run,
    a_skipped_slot,
    a_slot,
    a_transition,
    a_trigger,
    claim,
    given_back,
    given_jobs,
    given_removed,
    runs,
    states,
    the_run,
)
from jobsched.testing.clock import FakeClock

SCHEDULED, PENDING, BLOCKED, RUNNING = RunState.SCHEDULED, RunState.PENDING, RunState.BLOCKED, RunState.RUNNING
SUCCEEDED, SKIPPED = RunState.SUCCEEDED, RunState.SKIPPED


class KeyContract:
    # -- forbid

    @pytest.mark.parametrize("limit", [1, 3])
    def test_slots_of_forbid_run_up_to_the_limit_and_are_skipped_beyond(self, store: Store, limit: int) -> None:
        job = a_limited_job(limit=limit)

        made = fired(store, job, limit + 2)

        assert made == [(PENDING, None)] * limit + [(SKIPPED, Reason.OVERLAP)] * 2

    def test_slots_of_one_fire_and_of_several_count_alike(self, store: Store) -> None:
        job = a_limited_job()

        assert [fired(store, job, 1) for _ in range(3)] == [
            [(PENDING, None)],
            [(SKIPPED, Reason.OVERLAP)],
            [(SKIPPED, Reason.OVERLAP)],
        ]

    def test_a_skipped_slot_is_finished_when_it_is_made(self, store: Store, clock: FakeClock) -> None:
        fired(store, a_limited_job(), 2)

        run = runs(store)[-1]
        assert (run.state, run.reason, run.finished_at) == (SKIPPED, Reason.OVERLAP, clock.now())
        assert run.scheduled_at == START + 2 * MINUTE

    def test_a_running_run_overlaps_and_a_finished_one_does_not(self, store: Store) -> None:
        job = a_limited_job()
        fired(store, job, 1)
        [claimed] = claim(store, a_node(store))

        while_running = fired(store, job, 1)
        store.finish([a_transition(claimed)])
        afterwards = fired(store, job, 1)

        assert (while_running, afterwards) == ([(SKIPPED, Reason.OVERLAP)], [(PENDING, None)])

    def test_a_run_that_waits_for_its_retry_overlaps(self, store: Store) -> None:
        job = a_limited_job()
        fired(store, job, 1)
        [claimed] = claim(store, a_node(store))
        store.finish([a_retry(claimed, START + 90 * MINUTE)])

        assert fired(store, job, 1) == [(SKIPPED, Reason.OVERLAP)]

    def test_a_slot_that_waits_for_its_jitter_overlaps(self, store: Store) -> None:
        job = a_limited_job()
        fired(store, job, 1, START + timedelta(seconds=30))

        assert fired(store, job, 1) == [(SKIPPED, Reason.OVERLAP)]

    def test_a_blocked_trigger_overlaps(self, store: Store) -> None:
        job = a_limited_job(limit=2)
        given_jobs(store, job)
        store.enqueue([a_trigger(job)] * 3)
        node = a_node(store)
        store.finish([a_transition(claimed) for claimed in claim(store, node)])

        # One waits as blocked and none runs: a first slot may run beside it, a second may not.
        assert fired(store, job, 2) == [(PENDING, None), (SKIPPED, Reason.OVERLAP)]

    @pytest.mark.parametrize("source", [Source.TRIGGER, Source.ENQUEUE, Source.BACKFILL])
    def test_a_future_run_that_never_ran_does_not_overlap(self, store: Store, source: Source) -> None:
        job = a_limited_job()
        given_jobs(store, job)
        [future] = store.enqueue([a_trigger(job, source=source, available_at=START + 90 * MINUTE)])

        assert fired(store, job, 1) == [(PENDING, None)]
        assert the_run(store, future.id).state == SCHEDULED

    def test_a_slot_with_jitter_of_a_free_key_is_scheduled(self, store: Store) -> None:
        job = a_limited_job()

        assert fired(store, job, 1, START + timedelta(seconds=1)) == [(SCHEDULED, None)]

    def test_a_slot_with_jitter_of_a_full_key_is_skipped(self, store: Store) -> None:
        job = a_limited_job()
        fired(store, job, 1)

        assert fired(store, job, 1, START + timedelta(seconds=1)) == [(SKIPPED, Reason.OVERLAP)]

    def test_a_slot_that_has_a_row_takes_no_place(self, store: Store) -> None:
        job = a_limited_job()
        stored = given_jobs(store, job)["nightly"]
        store.fire([a_firing(stored, a_slot(job, START + MINUTE))])
        store.finish([a_transition(claimed) for claimed in claim(store, a_node(store))])
        given_removed(store, "nightly")

        # The same slot again, and its neighbour.
        assert fired(store, job, 2) == [(PENDING, None)]

    def test_a_row_that_says_why_takes_no_place(self, store: Store) -> None:
        job = a_limited_job()
        stored = given_jobs(store, job)["nightly"]
        rows = [a_skipped_slot(job, START + MINUTE), a_slot(job, START + 2 * MINUTE)]

        created = store.fire([a_firing(stored, *rows)])

        assert [one.state for one in created] == [SKIPPED, PENDING]

    def test_jobs_without_a_shared_key_do_not_overlap(self, store: Store) -> None:
        one, other, free = a_limited_job("one"), a_limited_job("other"), a_free_job("free")

        assert [fired(store, job, 1) for job in (one, other)] == [[(PENDING, None)]] * 2
        assert fired(store, free, 3) == [(PENDING, None)] * 3

    def test_jobs_that_share_a_key_share_its_limit(self, store: Store) -> None:
        one, other = (a_limited_job(name, key="gpu", limit=2) for name in ("one", "other"))
        given_jobs(store, one, other)

        assert [fired(store, job, 1) for job in (one, other, one)] == [
            [(PENDING, None)],
            [(PENDING, None)],
            [(SKIPPED, Reason.OVERLAP)],
        ]

    def test_the_same_key_in_another_namespace_is_another_key(self, store: Store) -> None:
        here, there = a_limited_job(), a_limited_job(namespace="elsewhere")

        assert fired(store, here, 1) == fired(store, there, 1) == [(PENDING, None)]

    # -- values of a reference

    def test_each_value_of_a_reference_is_a_key_with_its_limit(self, store: Store) -> None:
        given_jobs(store, a_limited_job(key="payload.region", limit=2))

        made = store.enqueue([a_run(key=f"payload.region={region}") for region in ("eu", "eu", "us", "eu", "us")])

        assert [one.state for one in made] == [PENDING, PENDING, PENDING, BLOCKED, PENDING]

    def test_an_edit_of_its_limit_is_for_every_value(self, store: Store) -> None:
        given_jobs(store, a_limited_job(key="payload.region"))
        store.enqueue([a_run(key=f"payload.region={region}") for region in ("eu", "eu", "eu", "us", "us", "us")])

        given_jobs(store, a_limited_job(key="payload.region", limit=2))

        assert (store.admit(["default"]), states(store)) == (2, [PENDING, PENDING, BLOCKED] * 2)

    def test_a_reference_that_no_job_declares_has_the_limit_one(self, store: Store) -> None:
        made = store.enqueue([a_run(key="payload.region=eu")] * 2)

        assert [one.state for one in made] == [PENDING, BLOCKED]

    # -- keys come and go

    def test_waiting_runs_keep_the_key_they_were_made_with_and_its_limit(self, store: Store) -> None:
        before, after = a_limited_job(key="gpu", limit=2), a_limited_job(key="cpu")
        given_jobs(store, before)
        store.enqueue([a_trigger(before)] * 3)
        given_jobs(store, after)

        new = store.enqueue([a_trigger(after)] * 2)
        store.finish([a_transition(claimed) for claimed in claim(store, a_node(store), limit=1)])

        store.admit(["default"])
        assert [one.state for one in new] == [PENDING, BLOCKED]
        assert states(store) == [SUCCEEDED, PENDING, PENDING, PENDING, BLOCKED]

    def test_keys_that_nobody_uses_any_more_are_forgotten_and_those_in_use_are_not(
        self, store: Store, clock: FakeClock
    ) -> None:
        given_jobs(store, a_limited_job(key="gpu", limit=2))
        store.enqueue([a_run(key="gone"), *[a_run(key="kept"), a_run(key="gpu")] * 3])
        node = a_node(store, lease=timedelta(hours=1))
        [gone] = claim(store, node, limit=1)
        store.finish([a_transition(gone)])

        store.tidy()

        store.finish([a_transition(one) for one in claim(store, node)])
        store.admit(["default"])
        assert len(runs(store, states=(PENDING,))) == 2
        future, *made = store.enqueue([a_run(key="gone", available_at=START + MINUTE), *[a_run(key="gone")] * 2])
        assert [one.state for one in made] == [PENDING, BLOCKED]
        store.tidy()
        clock.advance(MINUTE)
        store.promote(["default"], 10)
        assert the_run(store, future.id).state == BLOCKED

    # -- queue

    def test_slots_of_queue_wait_while_there_is_room_and_are_skipped_beyond(self, store: Store) -> None:
        job = a_limited_job(policy="queue", limit=2, max_queued=3)

        made = fired(store, job, 7)

        assert made == [(PENDING, None)] * 2 + [(BLOCKED, None)] * 3 + [(SKIPPED, Reason.OVERLAP)] * 2

    def test_a_queued_slot_waits_behind_those_that_wait(self, store: Store) -> None:
        job = a_limited_job(policy="queue")
        fired(store, job, 2)
        [claimed] = claim(store, a_node(store))
        store.finish([a_transition(claimed)])

        assert fired(store, job, 1) == [(BLOCKED, None)]

    def test_a_queue_without_room_skips_what_finds_no_place(self, store: Store) -> None:
        job = a_limited_job(policy="queue", max_queued=0)

        assert fired(store, job, 2) == [(PENDING, None), (SKIPPED, Reason.OVERLAP)]

    def test_a_queued_slot_with_jitter_is_scheduled_though_the_key_is_full(self, store: Store) -> None:
        job = a_limited_job(policy="queue")
        fired(store, job, 1)

        assert fired(store, job, 1, START + timedelta(seconds=1)) == [(SCHEDULED, None)]

    # -- triggers, ad-hoc runs, backfills

    @pytest.mark.parametrize("source", [Source.TRIGGER, Source.ENQUEUE, Source.BACKFILL])
    def test_what_is_asked_for_is_never_skipped_but_waits(self, store: Store, source: Source) -> None:
        job = a_limited_job(limit=2)
        given_jobs(store, job)

        created = store.enqueue([a_trigger(job, source=source)] * 200)

        assert [one.state for one in created] == [PENDING] * 2 + [BLOCKED] * 198
        assert [one.state for one in created] == states(store)

    def test_a_trigger_counts_the_slots_of_its_job(self, store: Store) -> None:
        job = a_limited_job()
        fired(store, job, 1)

        [created] = store.enqueue([a_trigger(job)])

        assert (created.state, created.reason) == (BLOCKED, None)

    def test_an_ad_hoc_key_has_the_limit_one(self, store: Store) -> None:
        created = store.enqueue([a_run(key="customer-7"), a_run(key="customer-7"), a_run(key="customer-8"), a_run()])

        assert [one.state for one in created] == [PENDING, BLOCKED, PENDING, PENDING]

    def test_a_trigger_waits_behind_those_that_wait(self, store: Store) -> None:
        store.enqueue([a_run(key="k"), a_run(key="k")])
        [claimed] = claim(store, a_node(store))
        store.finish([a_transition(claimed)])

        [created] = store.enqueue([a_run(key="k")])

        assert created.state == BLOCKED

    def test_a_waiting_run_keeps_no_place_before_it_is_due(self, store: Store) -> None:
        store.enqueue([a_run(key="k", available_at=START + MINUTE)])

        [created] = store.enqueue([a_run(key="k")])

        assert created.state == PENDING

    # -- promote

    def test_a_keyed_run_whose_time_has_come_is_pending_if_there_is_a_free_place(
        self, store: Store, clock: FakeClock
    ) -> None:
        job = a_limited_job(limit=2)
        given_jobs(store, job)
        store.enqueue([a_trigger(job, available_at=START + MINUTE)] * 3)
        clock.advance(MINUTE)

        promoted = store.promote(["default"], 100)

        assert (promoted.count, promoted.next_at) == (3, None)
        assert sorted(states(store)) == [BLOCKED, PENDING, PENDING]

    def test_a_keyed_run_whose_time_has_come_is_blocked_if_there_is_no_free_place(
        self, store: Store, clock: FakeClock
    ) -> None:
        [future, holder] = store.enqueue([a_run(key="k", available_at=START + MINUTE), a_run(key="k")])
        clock.advance(MINUTE)

        store.promote(["default"], 100)

        assert (the_run(store, future.id).state, the_run(store, holder.id).state) == (BLOCKED, PENDING)

    def test_a_retry_comes_back_through_its_key(self, store: Store, clock: FakeClock) -> None:
        [retried] = store.enqueue([a_run(key="k")])
        [claimed] = claim(store, a_node(store, lease=timedelta(hours=1)))
        store.finish([a_retry(claimed, START + MINUTE)])
        [other] = store.enqueue([a_run(key="k")])
        clock.advance(MINUTE)

        store.promote(["default"], 100)

        assert (the_run(store, retried.id).state, the_run(store, other.id).state) == (BLOCKED, PENDING)

    # -- admit

    def test_admit_fills_free_places_and_no_more(self, store: Store) -> None:
        job = a_limited_job(limit=3)
        given_jobs(store, job)
        store.enqueue([a_trigger(job)] * 8)
        claimed = claim(store, a_node(store))
        store.finish([a_transition(one) for one in claimed[:2]])

        store.admit(["default"])

        assert states(store) == [SUCCEEDED] * 2 + [RUNNING] + [PENDING] * 2 + [BLOCKED] * 3
        assert store.admit(["default"]) == 0

    def test_what_a_finish_frees_is_filled_with_it_or_by_the_next_admit(self, store: Store) -> None:
        store.enqueue([a_run(key="k")] * 3)
        store.finish([a_transition(one) for one in claim(store, a_node(store))])

        assert states(store) == [SUCCEEDED, PENDING if store.admits_as_it_finishes else BLOCKED, BLOCKED]
        store.admit(["default"], ["k"])
        assert states(store) == [SUCCEEDED, PENDING, BLOCKED]

    def test_a_place_that_a_retry_frees_is_filled_too(self, store: Store, clock: FakeClock) -> None:
        store.enqueue([a_run(key="k", max_attempts=2), a_run(key="k")])
        store.finish([a_retry(one, clock.now() + MINUTE) for one in claim(store, a_node(store))])

        store.admit(["default"], ["k"])

        assert states(store) == [SCHEDULED, PENDING]

    def test_a_run_given_back_frees_no_place_of_its_key(self, store: Store) -> None:
        store.enqueue([a_run(key="k")] * 2)
        store.finish([given_back(one) for one in claim(store, a_node(store))])

        assert store.admit(["default"], ["k"]) == 0
        assert states(store) == [PENDING, BLOCKED]

    def test_a_late_result_lets_nobody_in(self, store: Store) -> None:
        store.enqueue([a_run(key="k")] * 2)
        [held] = claim(store, a_node(store))

        store.finish([a_transition(held)._replace(claim_no=9)])

        assert store.admit(["default"], ["k"]) == 0
        assert states(store) == [RUNNING, BLOCKED]

    def test_keys_of_different_limits_are_filled_at_once_each_as_far_as_it_goes_the_oldest_first(
        self, store: Store
    ) -> None:
        wide, narrow = a_limited_job("wide", limit=3), a_limited_job("narrow")
        store.enqueue([a_run(key="payload.region=eu")] * 3)
        store.enqueue([a_trigger(wide, priority=priority) for priority in (0, 0, 5, 0, 1, 0)])
        store.enqueue([a_trigger(narrow), a_trigger(narrow)])
        given_jobs(store, wide, narrow, a_limited_job("regional", key="payload.region", limit=2))

        admitted = store.admit(["default"], ["job:wide", "job:narrow", "payload.region=eu", "job:nobody"])

        assert admitted == 3
        regional, by_priority = [PENDING, PENDING, BLOCKED], [PENDING, PENDING, BLOCKED, PENDING, BLOCKED, BLOCKED]
        assert states(store) == [*regional, *by_priority, PENDING, BLOCKED]

    def test_admit_with_no_free_place_admits_nobody(self, store: Store) -> None:
        store.enqueue([a_run(key="k")] * 2)

        assert store.admit(["default"]) == 0
        assert states(store) == [PENDING, BLOCKED]

    def test_admit_goes_by_priority_then_instant_then_id(self, store: Store) -> None:
        store.enqueue([a_run(key="k")])
        waiting = store.enqueue(
            [
                a_run(key="k", priority=1, available_at=START - 9 * MINUTE),
                a_run(key="k"),
                a_run(key="k"),
                a_run(key="k", available_at=START - MINUTE),
                a_run(key="k", priority=-1),
            ]
        )
        node = a_node(store)

        order = []
        for _ in waiting:
            store.finish([a_transition(one) for one in claim(store, node)])
            store.admit(["default"])
            order += [run.id for run in runs(store, states=(PENDING,))]

        assert order == [waiting[place].id for place in (4, 3, 1, 2, 0)]

    def test_admit_of_some_keys_leaves_the_others(self, store: Store) -> None:
        store.enqueue([a_run(key=key) for key in "aabb"])
        given_jobs(store, *[a_limited_job(key, key=key, limit=2) for key in "ab"])

        assert store.admit(["default"], []) == 0
        assert store.admit(["default"], ["b", "unknown"]) == 1
        assert states(store) == [PENDING, BLOCKED, PENDING, PENDING]

    def test_admit_stays_in_its_namespaces(self, store: Store) -> None:
        for namespace in ("default", "elsewhere"):
            store.enqueue([a_run(namespace=namespace, key="k")] * 2)
            given_jobs(store, a_limited_job(namespace=namespace, key="k", limit=2))

        assert store.admit(["elsewhere"], ["k"]) == 1
        assert (states(store), states(store, namespace="elsewhere")) == ([PENDING, BLOCKED], [PENDING, PENDING])

    def test_a_raised_limit_lets_more_in(self, store: Store) -> None:
        given_jobs(store, a_limited_job())
        store.enqueue([a_trigger(a_limited_job())] * 4)
        given_jobs(store, a_limited_job(limit=3))

        store.admit(["default"])

        assert states(store) == [PENDING] * 3 + [BLOCKED]

    def test_a_lowered_limit_harms_no_holder_and_lets_nobody_in_above_it(self, store: Store) -> None:
        given_jobs(store, a_limited_job(limit=3))
        store.enqueue([a_trigger(a_limited_job())] * 5)
        claimed = claim(store, a_node(store))
        given_jobs(store, a_limited_job(limit=1))

        none_yet = store.admit(["default"])
        store.finish([a_transition(one) for one in claimed[:2]])
        still_none = store.admit(["default"])
        store.finish([a_transition(claimed[2])])
        store.admit(["default"])

        assert (none_yet, still_none) == (0, 0)
        assert states(store) == [SUCCEEDED] * 3 + [PENDING, BLOCKED]

    def test_a_run_given_back_keeps_its_place(self, store: Store) -> None:
        store.enqueue([a_run(key="k")] * 2)
        [claimed] = claim(store, a_node(store))
        store.finish([given_back(claimed)])

        assert store.admit(["default"]) == 0
        assert states(store) == [PENDING, BLOCKED]

    def test_a_blocked_run_is_not_claimed(self, store: Store) -> None:
        [holder, _] = store.enqueue([a_run(key="k")] * 2)

        assert [one.id for one in claim(store, a_node(store))] == [holder.id]

    def test_a_claim_names_its_key(self, store: Store) -> None:
        store.enqueue([a_run(key="k"), a_run()])

        assert [one.key for one in claim(store, a_node(store))] == ["k", None]


def fired(
    store: Store, job: Job, count: int, available_at: datetime | None = None
) -> list[tuple[RunState, Reason | None]]:
    """What became of the job's next `count` slots, fired at once and each of them due (or at `available_at`)."""
    found = store.jobs(job.namespace, [job.name])
    stored = found[0] if found else given_jobs(store, job)[job.name]
    slots = (a_slot(job, stored.cursor + number * MINUTE, available_at=available_at) for number in range(1, count + 1))
    return [(made.state, made.reason) for made in store.fire([a_firing(stored, *slots)])]
