"""The contract's chapter on replacing: a slot before which the older unfinished runs of its key go."""

from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta

from jobsched.model.job import Job
from jobsched.model.run import Claim, Created, Reason, RunState
from jobsched.store.port import Store
from jobsched.testing.builders import (
    MINUTE,
    START,
    a_firing,
    a_limited_job,
    a_node,
    a_retry,
    a_slot,
    a_transition,
    a_trigger,
    claim,
    fire_at_last,
    given_back,
    given_jobs,
    runs,
    states,
    the_run,
)
from jobsched.testing.contract.threads import in_parallel
from jobsched.testing.contract.wakeups import Bell

PENDING, BLOCKED, RUNNING, CANCELLED = RunState.PENDING, RunState.BLOCKED, RunState.RUNNING, RunState.CANCELLED
REPLACED = (CANCELLED, Reason.REPLACED)


class ReplaceContract:
    def test_a_slot_replaces_what_waits_and_takes_its_place(self, store: Store) -> None:
        first = fire(store, a_replacing_job())

        second = fire(store, a_replacing_job())

        assert (first.state, second.state) == (PENDING, PENDING)
        assert (stands(store, first), stands(store, second)) == (REPLACED, (PENDING, None))

    def test_a_slot_asks_what_runs_to_stop_and_waits_for_it(self, store: Store) -> None:
        old = running(store, a_replacing_job())

        new = fire(store, a_replacing_job())

        assert (new.state, the_run(store, old.id).state) == (BLOCKED, RUNNING)
        assert store.cancel_requests(old.node) == {(old.id, old.claim_no): Reason.REPLACED}
        store.finish([a_transition(old, CANCELLED, reason=Reason.REPLACED)])
        store.admit(["default"])
        assert stands(store, new) == (PENDING, None)

    def test_what_it_ended_with_before_it_obeyed_counts(self, store: Store) -> None:
        old = running(store, a_replacing_job())
        fire(store, a_replacing_job())

        store.finish([a_transition(old)])

        assert stands(store, old) == (RunState.SUCCEEDED, None)

    def test_what_was_asked_never_waits_again(self, store: Store) -> None:
        job = a_replacing_job(limit=3)
        old = [running(store, job) for _ in range(3)]
        for _ in range(3):
            fire(store, job)

        lost = a_transition(old[2], PENDING, losses=1, reason=Reason.LOST, error={"message": "lost"})
        store.finish([a_retry(old[0], START + MINUTE), given_back(old[1]), lost])

        assert [stands(store, one) for one in old] == [REPLACED] * 3

    def test_of_those_that_wait_for_one_that_does_not_stop_the_newest_stays(self, store: Store) -> None:
        old = running(store, a_replacing_job())

        slots = [fire(store, a_replacing_job()) for _ in range(3)]

        assert [stands(store, one) for one in slots] == [REPLACED, REPLACED, (BLOCKED, None)]
        assert the_run(store, old.id).state is RUNNING

    def test_a_run_that_waits_for_its_retry_or_its_jitter_is_replaced(self, store: Store) -> None:
        job = a_replacing_job()
        retried = running(store, job)
        store.finish([a_retry(retried, START + 90 * MINUTE)])

        jittered = fire(store, job, START + 30 * MINUTE)
        last = fire(store, job)

        assert [stands(store, one) for one in (retried, jittered, last)] == [REPLACED, REPLACED, (PENDING, None)]

    def test_a_future_run_that_never_ran_is_left_alone(self, store: Store) -> None:
        job = a_replacing_job()
        given_jobs(store, job)
        [future] = store.enqueue([a_trigger(job, available_at=START + 90 * MINUTE)])

        fire(store, job)

        assert stands(store, future) == (RunState.SCHEDULED, None)

    def test_the_newest_stay_as_many_as_the_limit(self, store: Store) -> None:
        job = a_replacing_job(limit=2)

        made = [fire(store, job) for _ in range(4)]

        assert [stands(store, one) for one in made] == [REPLACED, REPLACED, (PENDING, None), (PENDING, None)]

    def test_what_is_asked_for_replaces_nothing_and_waits(self, store: Store) -> None:
        job = a_replacing_job()
        old = running(store, job)

        [asked] = store.enqueue([a_trigger(job)])

        assert (asked.state, dict(store.cancel_requests(old.node))) == (BLOCKED, {})

    def test_what_was_asked_for_is_replaced_by_a_slot(self, store: Store) -> None:
        job = a_replacing_job()
        given_jobs(store, job)
        asked = store.enqueue([a_trigger(job)] * 3)

        fire(store, job)

        assert [stands(store, one) for one in asked] == [REPLACED] * 3

    def test_an_abandoned_thread_keeps_its_place(self, store: Store) -> None:
        job = a_replacing_job()
        stuck = running(store, job)
        store.finish([a_transition(stuck, RunState.FAILED, reason=Reason.TIMEOUT, abandoned=True)])

        new = fire(store, job)
        store.end_abandoned([stuck.id], stuck.node)
        store.admit(["default"])

        assert (new.state, stands(store, new)) == (BLOCKED, (PENDING, None))
        assert stands(store, stuck) == (RunState.FAILED, Reason.TIMEOUT)

    def test_of_two_jobs_that_share_a_key_in_one_fire_the_later_stays(self, store: Store) -> None:
        jobs = given_jobs(store, *(a_replacing_job(name, key="shared") for name in ("one", "other")))

        made = store.fire([a_firing(stored, a_slot(stored.job, START + MINUTE)) for stored in jobs.values()])

        assert [(one.state, one.reason) for one in made] == [REPLACED, (PENDING, None)]
        assert states(store) == [CANCELLED, PENDING]

    def test_runs_of_other_keys_are_left_alone(self, store: Store) -> None:
        other = fire(store, a_replacing_job("other"))

        fire(store, a_replacing_job())

        assert stands(store, other) == (PENDING, None)

    def test_other_processes_hear_of_it(self, store: Store, open_again: Callable[[], Store]) -> None:
        bell, other = Bell("cancels"), open_again()
        running(store, a_replacing_job())

        with closing(store.listen(bell.ring)):
            fire(other, a_replacing_job())

            assert bell.rang()

    def test_beside_claims_and_ends_never_more_than_the_limit_hold_the_key(
        self, store: Store, open_again: Callable[[], Store]
    ) -> None:
        job, most = a_replacing_job(limit=2), []
        given_jobs(store, job)

        def fire_and_look(mine: Store) -> None:
            for _ in range(12):
                fire(mine, job)
                most.append(len(runs(mine, states=(PENDING, RUNNING))))

        def work(mine: Store) -> None:
            node = a_node(mine)
            for _ in range(12):
                for one in claim(mine, node, limit=1):
                    mine.finish([a_retry(one, START)])
                    mine.promote(["default"], 10)

        in_parallel([(fire_and_look, store)] + [(work, open_again()) for _ in range(3)], lambda part: part[0](part[1]))

        assert max(most) <= 2
        assert sum(not run.state.final for run in runs(store)) <= 2


def a_replacing_job(name: str = "nightly", limit: int = 1, key: str | None = None) -> Job:
    return a_limited_job(name, policy="replace", limit=limit, key=key)


def fire(store: Store, job: Job, available_at: datetime | None = None) -> Created:
    """The job's next slot, due at once or at `available_at`."""
    found = store.jobs(job.namespace, [job.name])
    stored = found[0] if found else given_jobs(store, job)[job.name]
    slot = a_slot(job, stored.cursor + MINUTE, available_at=available_at)
    [made] = fire_at_last(store, a_firing(stored, slot))
    return made


def running(store: Store, job: Job) -> Claim:
    """A slot of the job that a new node has begun."""
    fire(store, job)
    [claimed] = claim(store, a_node(store, lease=timedelta(hours=1)))
    return claimed


def stands(store: Store, one: Created | Claim) -> tuple[RunState, Reason | None]:
    run = the_run(store, one.id)
    return run.state, run.reason
