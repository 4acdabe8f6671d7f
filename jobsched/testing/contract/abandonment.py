"""The contract's chapter on abandoned threads: their runs are over, and their keys' places are taken until they end."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from jobsched.model.job import History, Job
from jobsched.model.run import Claim, NewRun, Reason, RunState, Transition
from jobsched.store.port import Retention, Store
from jobsched.testing.builders import (
    LEASE,
    MINUTE,
    NAMESPACE,
    START,
    a_change,
    a_firing,
    a_limited_job,
    a_node,
    a_retry,
    a_run,
    a_slot,
    a_transition,
    a_trigger,
    an_edit,
    claim,
    given_jobs,
    given_removed,
    newest_number,
    states,
    the_run,
)
from jobsched.testing.clock import FakeClock
from jobsched.testing.contract.threads import in_parallel

SECOND = timedelta(seconds=1)
PENDING, BLOCKED, FAILED, SKIPPED = RunState.PENDING, RunState.BLOCKED, RunState.FAILED, RunState.SKIPPED
KEEP_NOTHING = Retention(
    namespace=NAMESPACE,
    job=None,
    history=History(success=0, failed=0, skipped=0, max_age=timedelta(0)),
    ad_hoc_ages=dict.fromkeys(RunState, timedelta(0)),
)


class AbandonContract:
    def test_an_abandoned_run_is_over(self, store: Store, clock: FakeClock) -> None:
        stuck = abandoned(store, a_node(store), a_run(key="k"))

        run = the_run(store, stuck.id)
        assert (run.state, run.reason, run.finished_at) == (FAILED, Reason.TIMEOUT, clock.now())
        assert store.owned(stuck.node) == []
        assert store.unfinished([stuck.id]) == set()
        assert store.counts([NAMESPACE]) == {}

    def test_its_late_result_is_dropped(self, store: Store) -> None:
        stuck = abandoned(store, a_node(store), a_run(key="k"))

        assert store.finish([a_transition(stuck, result="late")]).keys() == set()
        assert store.finish([an_abandonment(stuck)]).keys() == set()
        assert the_run(store, stuck.id).result is None

    # -- its key's place is taken, wherever places are counted

    def test_a_slot_of_forbid_is_skipped_until_the_thread_ends(self, store: Store) -> None:
        job = a_limited_job()
        given_jobs(store, job)
        stuck = abandoned(store, a_node(store), a_trigger(job))

        beside = fired(store, job)
        store.end_abandoned([stuck.id], stuck.node)
        afterwards = fired(store, job)

        assert (beside, afterwards) == ((SKIPPED, Reason.OVERLAP), (PENDING, None))

    def test_a_slot_of_queue_waits(self, store: Store) -> None:
        job = a_limited_job(policy="queue")
        given_jobs(store, job)
        abandoned(store, a_node(store), a_trigger(job))

        assert fired(store, job) == (BLOCKED, None)

    def test_what_is_asked_for_waits(self, store: Store) -> None:
        abandoned(store, a_node(store), a_run(key="k"))

        assert [one.state for one in store.enqueue([a_run(key="k")])] == [BLOCKED]

    def test_a_run_whose_time_has_come_waits(self, store: Store, clock: FakeClock) -> None:
        node = a_node(store, lease=timedelta(hours=1))
        store.enqueue([a_run(key="k", available_at=START + MINUTE)])
        abandoned(store, node, a_run(key="k"))
        clock.advance(MINUTE)

        store.promote([NAMESPACE], 100)

        assert states(store) == [BLOCKED, FAILED]

    def test_slots_that_a_sync_accounts_for_are_skipped(self, store: Store) -> None:
        job = a_limited_job()
        stored = given_jobs(store, job)["nightly"]
        abandoned(store, a_node(store), a_trigger(job))

        edit = an_edit(stored, job, slots=(a_slot(job, START + MINUTE),))
        store.apply(a_change(edit, seen=newest_number(store)))

        assert states(store) == [FAILED, SKIPPED]

    def test_admit_lets_nobody_in_until_the_thread_ends(self, store: Store) -> None:
        node = a_node(store)
        stuck = abandoned(store, node, a_run(key="k"))
        store.enqueue([a_run(key="k")] * 2)

        beside = [store.admit([NAMESPACE]), store.admit([NAMESPACE], ["k"])]
        store.end_abandoned([stuck.id], node)
        afterwards = store.admit([NAMESPACE])

        assert (beside, afterwards) == ([0, 0], 1)
        assert states(store) == [FAILED, PENDING, BLOCKED]

    def test_a_thread_takes_one_place_of_several(self, store: Store) -> None:
        job = a_limited_job(limit=3)
        given_jobs(store, job)
        abandoned(store, a_node(store), a_trigger(job))

        created = store.enqueue([a_trigger(job)] * 3)

        assert [one.state for one in created] == [PENDING, PENDING, BLOCKED]

    def test_more_threads_than_a_lowered_limit_leave_no_place(self, store: Store) -> None:
        job, node = a_limited_job(limit=3), a_node(store)
        given_jobs(store, job)
        stuck = [abandoned(store, node, a_trigger(job)) for _ in range(3)]
        given_jobs(store, a_limited_job(limit=2))
        store.enqueue([a_trigger(job)])

        admitted = []
        for one in stuck:
            store.end_abandoned([one.id], node)
            admitted.append(store.admit([NAMESPACE]))

        assert admitted == [0, 1, 0]

    def test_other_keys_and_other_namespaces_are_free(self, store: Store) -> None:
        abandoned(store, a_node(store), a_run(key="k"))

        created = store.enqueue([a_run(key="other"), a_run(namespace="elsewhere", key="k"), a_run()])

        assert [one.state for one in created] == [PENDING] * 3

    def test_no_place_is_free_for_a_moment_while_runs_are_abandoned(
        self, store: Store, open_again: Callable[[], Store]
    ) -> None:
        keys = [f"customer-{number}" for number in range(30)]
        store.enqueue([a_run(key=key) for key in keys])
        running = claim(store, a_node(store))
        store.enqueue([a_run(key=key) for key in keys])
        stores = [open_again() for _ in range(4)]

        def abandon_or_admit(place: int) -> int:
            if place:
                return sum(stores[place].admit([NAMESPACE]) for _ in range(10))
            return sum(len(stores[0].finish([an_abandonment(one)])) for one in running) - len(keys)

        assert in_parallel(range(4), abandon_or_admit) == [0] * 4
        assert states(store) == [FAILED] * 30 + [BLOCKED] * 30

    # -- what takes no place

    def test_a_run_that_ends_in_order_takes_none(self, store: Store) -> None:
        store.enqueue([a_run(key="k")])
        [claimed] = claim(store, a_node(store))
        store.finish([a_transition(claimed, FAILED, reason=Reason.TIMEOUT)])

        assert [one.state for one in store.enqueue([a_run(key="k")])] == [PENDING]

    def test_a_run_that_goes_on_takes_none(self, store: Store) -> None:
        store.enqueue([a_run(key="k")])
        [claimed] = claim(store, a_node(store))
        store.finish([a_retry(claimed, START + MINUTE, abandoned=True)])

        assert [one.state for one in store.enqueue([a_run(key="k")])] == [PENDING]

    def test_a_run_that_would_go_on_but_for_its_job_takes_one(self, store: Store) -> None:
        job = a_limited_job()
        given_jobs(store, job)
        store.enqueue([a_trigger(job)])
        [claimed] = claim(store, a_node(store))
        given_removed(store, "nightly")

        store.finish([a_retry(claimed, START + MINUTE, abandoned=True)])

        assert the_run(store, claimed.id).state == FAILED
        assert [one.state for one in store.enqueue([a_run(key=job.concurrency_key)])] == [BLOCKED]

    def test_of_a_batch_only_the_abandoned_take_one(self, store: Store) -> None:
        store.enqueue([a_run(key="a"), a_run(key="b"), a_run()])
        first, second, keyless = claim(store, a_node(store))

        store.finish([an_abandonment(first), a_transition(second), an_abandonment(keyless)])

        created = store.enqueue([a_run(key="a"), a_run(key="b")])
        assert [one.state for one in created] == [BLOCKED, PENDING]

    # -- the thread ends

    def test_only_the_named_threads_have_ended(self, store: Store) -> None:
        node = a_node(store)
        stuck = {key: abandoned(store, node, a_run(key=key)) for key in "ab"}

        store.end_abandoned([stuck["b"].id], node)

        created = store.enqueue([a_run(key="a"), a_run(key="b")])
        assert [one.state for one in created] == [BLOCKED, PENDING]

    def test_many_threads_end_at_once(self, store: Store) -> None:
        node = a_node(store)
        store.enqueue([a_run(key=str(number)) for number in range(1200)])
        stuck = claim(store, node, 2000)
        store.finish([an_abandonment(one) for one in stuck])

        store.end_abandoned([one.id for one in stuck], node)

        created = store.enqueue([a_run(key=str(number)) for number in range(1200)])
        assert {one.state for one in created} == {PENDING}

    def test_ending_twice_or_what_was_never_abandoned_harms_nothing(self, store: Store) -> None:
        node = a_node(store)
        stuck = abandoned(store, node, a_run(key="k"))
        [running, _] = store.enqueue([a_run(key="other")] * 2)
        claim(store, node)

        for run_ids in ([stuck.id], [stuck.id], [running.id], [stuck.id + 1000], []):
            store.end_abandoned(run_ids, node)

        assert states(store) == [FAILED, RunState.RUNNING, BLOCKED]
        assert store.admit([NAMESPACE]) == 0

    def test_a_node_ends_no_threads_but_its_own(self, store: Store) -> None:
        stuck = abandoned(store, a_node(store), a_run(key="k"))

        store.end_abandoned([stuck.id], a_node(store))

        assert [one.state for one in store.enqueue([a_run(key="k")])] == [BLOCKED]

    # -- its node ends

    def test_a_node_that_leaves_takes_its_threads_along(self, store: Store) -> None:
        leaving, staying = a_node(store), a_node(store)
        abandoned(store, leaving, a_run(key="a"))
        abandoned(store, staying, a_run(key="b"))
        store.enqueue([a_run(key="a"), a_run(key="b")])

        store.leave(leaving)

        assert store.admit([NAMESPACE]) == 1
        assert states(store) == [FAILED, FAILED, PENDING, BLOCKED]

    def test_a_node_declared_dead_takes_its_threads_along(self, store: Store, clock: FakeClock) -> None:
        dead = a_node(store)
        abandoned(store, dead, a_run(key="a"))
        clock.advance(LEASE + SECOND)
        abandoned(store, a_node(store), a_run(key="b"))
        store.enqueue([a_run(key="a"), a_run(key="b")])

        before = store.admit([NAMESPACE])
        buried = store.bury()
        afterwards = store.admit([NAMESPACE])

        assert (before, buried, afterwards) == (0, [dead], 1)
        assert states(store) == [FAILED, FAILED, PENDING, BLOCKED]
        assert store.bury() == []

    @pytest.mark.parametrize("how", ["left", "died"])
    def test_what_a_node_abandons_after_its_end_is_free_with_the_next_burial(
        self, store: Store, clock: FakeClock, how: str
    ) -> None:
        node = a_node(store)
        store.enqueue([a_run(key="k")] * 2)
        [claimed] = claim(store, node)
        if how == "left":
            store.leave(node)
        else:
            clock.advance(LEASE + SECOND)
            store.bury()

        late = set(store.finish([an_abandonment(claimed)]))
        before = store.admit([NAMESPACE])
        store.bury()
        afterwards = store.admit([NAMESPACE])

        assert (late, before, afterwards) == ({claimed.id}, 0, 1)

    # -- history

    def test_an_abandoned_run_is_pruned_when_its_thread_has_ended(self, store: Store, clock: FakeClock) -> None:
        job, node = a_limited_job(), a_node(store)
        given_jobs(store, job)
        stuck = [abandoned(store, node, run) for run in (a_run(key="k"), a_trigger(job), a_run())]
        retentions = [KEEP_NOTHING, Retention(namespace=NAMESPACE, job=job.name, history=KEEP_NOTHING.history)]
        clock.advance(SECOND)

        while_stuck = store.prune(retentions, 100)
        store.end_abandoned([one.id for one in stuck], node)
        afterwards = store.prune(retentions, 100)

        assert (while_stuck, afterwards) == (0, 3)


def abandoned(store: Store, node: int, run: NewRun) -> Claim:
    """The claim of a new run that ignored its timeout: it has failed, its thread goes on."""
    [created] = store.enqueue([run])
    [claimed] = claim(store, node)
    assert claimed.id == created.id
    assert store.finish([an_abandonment(claimed)]).keys() == {claimed.id}
    return claimed


def an_abandonment(claimed: Claim) -> Transition:
    """A run that has failed, though its thread goes on."""
    return a_transition(claimed, FAILED, reason=Reason.TIMEOUT, error={"message": "too late"}, abandoned=True)


def fired(store: Store, job: Job) -> tuple[RunState, Reason | None]:
    """What became of the job's next slot."""
    [stored] = store.jobs(NAMESPACE, [job.name])
    [made] = store.fire([a_firing(stored, a_slot(job, stored.cursor + MINUTE))])
    return made.state, made.reason
