"""The contract's chapter on cancelling by hand: what waits ends at once, what runs is asked to stop."""

from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from functools import partial

import pytest

from jobsched.model.run import Answer, Claim, NewRun, Reason, Refusal, RunState
from jobsched.store.port import Store
from jobsched.testing.builders import (
    MINUTE,
    START,
    a_free_job,
    a_limited_job,
    a_node,
    a_retry,
    a_run,
    a_transition,
    a_trigger,
    claim,
    given_back,
    given_jobs,
    states,
    the_run,
)
from jobsched.testing.clock import FakeClock
from jobsched.testing.contract.threads import in_parallel
from jobsched.testing.contract.wakeups import Bell

PENDING, RUNNING, CANCELLED = RunState.PENDING, RunState.RUNNING, RunState.CANCELLED


class CancelContract:
    @pytest.mark.parametrize("waiting", [a_run(), a_run(available_at=START + MINUTE), a_run(key="k")])
    def test_a_waiting_run_is_cancelled_at_once(self, store: Store, clock: FakeClock, waiting: NewRun) -> None:
        store.enqueue([a_run(key="k", priority=9)])
        [made] = store.enqueue([waiting])
        clock.advance(timedelta(seconds=1))

        assert store.cancel([made.id]) == [Answer(made.id, CANCELLED)]
        run = the_run(store, made.id)
        assert (run.reason, run.finished_at) == (Reason.CANCELLED, clock.now())

    def test_a_cancelled_run_is_not_claimed(self, store: Store) -> None:
        [made] = store.enqueue([a_run()])
        store.cancel([made.id])

        assert claim(store, a_node(store)) == []

    def test_the_place_of_a_cancelled_run_is_given_to_the_next(self, store: Store) -> None:
        first, _, _ = store.enqueue([a_run(key="k")] * 3)

        store.cancel([first.id])

        assert states(store) == [CANCELLED, PENDING, RunState.BLOCKED]

    def test_of_a_running_run_its_node_alone_is_asked(self, store: Store) -> None:
        [mine, theirs], other = running(store, 2), a_node(store)

        assert store.cancel([mine.id]) == [Answer(mine.id, RUNNING)]
        assert store.cancel_requests(mine.node) == {(mine.id, mine.claim_no): Reason.CANCELLED}
        assert store.cancel_requests(other) == {}
        assert the_run(store, theirs.id).state is RUNNING

    def test_asking_twice_is_asking_once(self, store: Store) -> None:
        [claimed] = running(store, 1)
        store.cancel([claimed.id])

        assert store.cancel([claimed.id] * 2) == [Answer(claimed.id, RUNNING)]

    def test_a_run_that_was_asked_to_stop_never_waits_again(self, store: Store) -> None:
        claims = running(store, 3)
        store.cancel([one.id for one in claims])

        lost = a_transition(claims[2], PENDING, losses=1, reason=Reason.LOST, error={"message": "lost"})
        store.finish([a_retry(claims[0], START + MINUTE), given_back(claims[1]), lost])

        ended = [the_run(store, one.id) for one in claims]
        assert [(run.state, run.reason) for run in ended] == [(CANCELLED, Reason.CANCELLED)] * 3
        assert [len(run.error) for run in ended] == [1, 0, 1]

    def test_nor_does_one_whose_job_is_declared(self, store: Store) -> None:
        given_jobs(store, a_free_job())
        store.enqueue([a_trigger(a_free_job())])
        [claimed] = claim(store, a_node(store))
        store.cancel([claimed.id])

        store.finish([a_retry(claimed, START + MINUTE)])

        assert states(store) == [CANCELLED]

    def test_what_it_ended_with_before_it_obeyed_counts(self, store: Store) -> None:
        claims = running(store, 2)
        store.cancel([one.id for one in claims])

        store.finish([a_transition(claims[0]), a_transition(claims[1], RunState.FAILED, reason=Reason.ERROR)])

        assert states(store) == [RunState.SUCCEEDED, RunState.FAILED]
        assert store.cancel_requests(claims[0].node) == {}

    def test_a_request_is_forgotten_when_the_run_is_requeued(self, store: Store) -> None:
        [claimed] = running(store, 1)
        store.cancel([claimed.id])
        store.finish([given_back(claimed)])
        store.requeue([claimed.id])

        [again] = claim(store, claimed.node)

        assert store.cancel_requests(again.node) == {}
        store.finish([given_back(again)])
        assert states(store) == [PENDING]

    def test_what_is_over_or_is_not_there_is_refused(self, store: Store) -> None:
        [claimed] = running(store, 1)
        store.finish([a_transition(claimed)])

        assert store.cancel([99, claimed.id]) == [
            Answer(99, None, Refusal.UNKNOWN),
            Answer(claimed.id, RunState.SUCCEEDED, Refusal.FINISHED),
        ]

    def test_cancelling_beside_the_end_of_an_attempt_loses_neither(
        self, store: Store, open_again: Callable[[], Store]
    ) -> None:
        other = open_again()
        for claimed in running(store, 10):
            acts: list[Callable[[], object]] = [
                partial(store.finish, [a_retry(claimed, START + MINUTE)]),
                partial(other.cancel, [claimed.id]),
            ]
            in_parallel(acts, lambda act: act())

        assert set(states(store)) == {CANCELLED}

    def test_cancelling_beside_a_claim_ends_or_asks(self, store: Store, open_again: Callable[[], Store]) -> None:
        node, other = a_node(store), open_again()
        for _ in range(10):
            [made] = store.enqueue([a_run()])
            acts: list[Callable[[], object]] = [partial(claim, store, node), partial(other.cancel, [made.id])]
            in_parallel(acts, lambda act: act())

            asked = {id_ for id_, _ in store.cancel_requests(node)}
            assert the_run(store, made.id).state is (RUNNING if made.id in asked else CANCELLED)

    def test_a_limited_job_goes_on_after_its_running_run_was_stopped(self, store: Store) -> None:
        job, node = a_limited_job(), a_node(store)
        given_jobs(store, job)
        store.enqueue([a_trigger(job)] * 2)
        [claimed] = claim(store, node)
        store.cancel([claimed.id])

        beside = states(store)
        store.finish([a_transition(claimed, CANCELLED, reason=Reason.CANCELLED)])
        store.admit(["default"])

        assert (beside, states(store)) == ([RUNNING, RunState.BLOCKED], [CANCELLED, PENDING])

    def test_other_processes_hear_of_it(self, store: Store, open_again: Callable[[], Store]) -> None:
        bell, other = Bell("cancels"), open_again()
        [claimed] = running(store, 1)

        with closing(store.listen(bell.ring)):
            other.cancel([claimed.id])

            assert bell.rang()


def running(store: Store, count: int) -> list[Claim]:
    """Claims of so many new runs."""
    store.enqueue([a_run()] * count)
    return claim(store, a_node(store))
