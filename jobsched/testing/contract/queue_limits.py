"""The contract's chapter on limits of queues: over all nodes, beside those of keys, and never in the way of others."""

from collections.abc import Callable, Mapping
from datetime import timedelta

import pytest

from jobsched.model.job import Job
from jobsched.model.queue import QueueLimits
from jobsched.model.run import Answer, Lack, Reason, RunState
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
    a_retry,
    a_run,
    a_slot,
    a_transition,
    a_trigger,
    claim,
    given_back,
    given_jobs,
    newest_number,
    queue_limits,
    runs,
    runs_alike,
    states,
    the_run,
)
from jobsched.testing.clock import FakeClock
from jobsched.testing.contract.threads import in_parallel

SCHEDULED, PENDING, BLOCKED, RUNNING = RunState.SCHEDULED, RunState.PENDING, RunState.BLOCKED, RunState.RUNNING
SUCCEEDED, SKIPPED, CANCELLED = RunState.SUCCEEDED, RunState.SKIPPED, RunState.CANCELLED


class QueueLimitContract:
    def test_limits_are_those_of_the_last_sync(self, store: Store) -> None:
        given_limits(store, {"mail": 2, "video": 1})
        given_limits(store, {"mail": 3, "sms": 4})
        given_jobs(store, a_free_job())

        expected = queue_limits({"mail": 3, "sms": 4})
        assert store.queue_limits(NAMESPACE) == store.actual(NAMESPACE).queues == expected
        assert store.queue_limits("elsewhere") == {}

    def test_runs_of_a_limited_queue_are_let_in_up_to_its_limit(self, store: Store) -> None:
        given_limits(store, {"mail": 2})

        made = store.enqueue([a_run(queue=queue) for queue in ("mail", "mail", "mail", "other", "default")])

        assert [one.state for one in made] == [PENDING, PENDING, BLOCKED, PENDING, PENDING]
        assert [one.state for one in made] == states(store)

    def test_runs_of_a_limited_queue_that_are_alike_are_let_in_up_to_its_limit(self, store: Store) -> None:
        given_limits(store, {"mail": 2})

        made = store.enqueue(runs_alike([{}, {}, {}], queue="mail"))

        assert [one.state for one in made] == [PENDING, PENDING, BLOCKED] == states(store)

    def test_a_queue_of_another_namespace_is_another_queue(self, store: Store) -> None:
        given_limits(store, {"mail": 1})

        made = store.enqueue([a_run(queue="mail", namespace="elsewhere")] * 2)

        assert [one.state for one in made] == [PENDING, PENDING]

    def test_what_ends_lets_the_next_in(self, store: Store) -> None:
        given_limits(store, {"mail": 2})
        store.enqueue([a_run(queue="mail")] * 5)
        store.finish([a_transition(one) for one in claim(store, a_node(store))])

        assert store.admit([NAMESPACE], [], ["mail"]) == 2
        assert states(store) == [SUCCEEDED] * 2 + [PENDING] * 2 + [BLOCKED]
        assert store.admit([NAMESPACE]) == 0

    @pytest.mark.parametrize("job", [a_limited_job(queue="mail"), a_limited_job("nightly", "queue", queue="mail")])
    def test_a_slot_waits_for_its_queue_whatever_its_policy(self, store: Store, job: Job) -> None:
        given_limits(store, {"mail": 1})
        store.enqueue([a_run(queue="mail")])
        stored = given_jobs(store, job)["nightly"]

        [made] = store.fire([a_firing(stored, a_slot(job, START + MINUTE))])

        assert (made.state, made.reason) == (BLOCKED, None)

    def test_a_slot_that_waits_for_its_queue_overlaps(self, store: Store) -> None:
        given_limits(store, {"mail": 1})
        store.enqueue([a_run(queue="mail")])
        job = a_limited_job(queue="mail")
        stored = given_jobs(store, job)["nightly"]

        made = store.fire([a_firing(stored, *(a_slot(job, START + number * MINUTE) for number in (1, 2)))])

        assert [(one.state, one.reason) for one in made] == [(BLOCKED, None), (SKIPPED, Reason.OVERLAP)]

    def test_a_run_takes_the_place_of_its_key_and_of_its_queue_at_once(self, store: Store) -> None:
        given_limits(store, {"mail": 2})
        both, other, none, third = store.enqueue(
            [a_run(queue="mail", key="k"), a_run(queue="mail", key="k"), a_run(queue="mail"), a_run(key="k")]
        )

        assert [one.state for one in (both, other, none, third)] == [PENDING, BLOCKED, PENDING, BLOCKED]

    def test_a_run_that_waits_for_its_queue_keeps_no_place_of_its_key(self, store: Store) -> None:
        given_limits(store, {"mail": 1})
        store.enqueue([a_run(queue="mail"), a_run(queue="mail", key="k")])

        elsewhere = store.enqueue([a_run(queue="other", key="k")])
        store.admit([NAMESPACE])

        assert the_run(store, elsewhere[0].id).state == PENDING

    def test_blocked_runs_of_a_full_key_are_in_nobodys_way(self, store: Store) -> None:
        given_limits(store, {"mail": 2})
        store.enqueue([a_run(key="k"), *[a_run(queue="mail", key="k", priority=-1)] * 600])

        made = store.enqueue([a_run(queue="mail"), a_run(queue="mail", key="other"), a_run(queue="mail")])

        assert [one.state for one in made] == [PENDING, PENDING, BLOCKED]

    def test_blocked_runs_of_a_full_queue_are_in_nobodys_way(self, store: Store) -> None:
        given_limits(store, {"mail": 1, "video": 1})
        store.enqueue([a_run(queue="mail", priority=-1)] * 600)

        made = store.enqueue([a_run(queue="video"), a_run(key="k", queue="default"), a_run()])

        assert [one.state for one in made] == [PENDING] * 3

    def test_runs_of_all_keys_are_let_in_by_priority_then_instant_then_id(self, store: Store) -> None:
        given_limits(store, {"mail": 1})
        store.enqueue([a_run(queue="mail")])
        waiting = store.enqueue(
            [
                a_run(queue="mail", priority=1, available_at=START - 9 * MINUTE, key="a"),
                a_run(queue="mail", key="b"),
                a_run(queue="mail"),
                a_run(queue="mail", available_at=START - MINUTE, key="a"),
                a_run(queue="mail", priority=-1, key="z"),
            ]
        )
        node = a_node(store)

        order = []
        for _ in waiting:
            ended = claim(store, node)
            store.finish([a_transition(one) for one in ended])
            store.admit([NAMESPACE], [one.key for one in ended if one.key], ["mail"])
            order += [run.id for run in runs(store, states=(PENDING,))]

        assert order == [waiting[place].id for place in (4, 3, 1, 2, 0)]

    def test_no_key_of_many_starves(self, store: Store) -> None:
        given_limits(store, {"mail": 1})
        store.enqueue([a_run(queue="mail")])
        first, *_ = store.enqueue([a_run(queue="mail", key=f"k{number:03}") for number in reversed(range(60))])
        [held] = claim(store, a_node(store))
        store.finish([a_transition(held)])

        store.admit([NAMESPACE])

        assert the_run(store, first.id).state == PENDING

    def test_a_blocked_run_says_what_it_waits_for(self, store: Store) -> None:
        given_limits(store, {"mail": 1})
        given_jobs(store, a_limited_job(key="k", limit=2))
        made = store.enqueue(
            [
                *[a_run(queue="mail"), a_run(key="k"), a_run(key="k")],
                *[a_run(queue="mail", key="k"), a_run(queue="mail"), a_run(key="k")],
            ]
        )

        key, queue = Lack("key", "k", 2, 2), Lack("queue", "mail", 1, 1)
        assert [store.lacks(one.id) for one in made] == [[], [], [], [key, queue], [queue], [key]]
        assert store.lacks(99) == []

    # -- what is due later, comes back, or goes

    def test_a_run_whose_time_has_come_waits_for_its_queue(self, store: Store, clock: FakeClock) -> None:
        given_limits(store, {"mail": 1})
        store.enqueue(
            [a_run(queue="mail", available_at=START + MINUTE), a_run(queue="mail", available_at=START + MINUTE)]
        )
        clock.advance(MINUTE)

        promoted = store.promote([NAMESPACE], 10)

        assert (promoted.count, states(store)) == (2, [PENDING, BLOCKED])

    def test_a_retry_comes_back_through_its_queue(self, store: Store, clock: FakeClock) -> None:
        given_limits(store, {"mail": 1})
        store.enqueue([a_run(queue="mail")] * 2)
        [claimed] = claim(store, a_node(store, lease=timedelta(hours=1)))
        store.finish([a_retry(claimed, START + MINUTE)])
        store.admit([NAMESPACE])
        clock.advance(MINUTE)

        store.promote([NAMESPACE], 10)

        assert states(store) == [BLOCKED, PENDING]

    def test_a_run_given_back_keeps_its_place_of_the_queue(self, store: Store) -> None:
        given_limits(store, {"mail": 1})
        store.enqueue([a_run(queue="mail")] * 2)
        [claimed] = claim(store, a_node(store))
        store.finish([given_back(claimed)])

        assert store.admit([NAMESPACE]) == 0
        assert states(store) == [PENDING, BLOCKED]

    def test_the_place_of_a_cancelled_run_is_given_to_the_next_of_its_queue(self, store: Store) -> None:
        given_limits(store, {"mail": 1})
        first, _ = store.enqueue([a_run(queue="mail")] * 2)

        store.cancel([first.id])

        assert states(store) == [CANCELLED, PENDING]

    def test_what_is_requeued_waits_for_its_queue(self, store: Store) -> None:
        given_limits(store, {"mail": 1})
        first, _ = store.enqueue([a_run(queue="mail")] * 2)
        store.cancel([first.id])

        assert store.requeue([first.id]) == [Answer(first.id, BLOCKED)]
        store.finish([a_transition(one) for one in claim(store, a_node(store))])
        store.admit([NAMESPACE], [], ["mail"])
        assert the_run(store, first.id).state == PENDING

    def test_the_place_of_a_slot_that_did_not_start_in_time_is_given_to_the_next_of_its_queue(
        self, store: Store, clock: FakeClock
    ) -> None:
        given_limits(store, {"mail": 1})
        job = a_free_job(queue="mail")
        stored = given_jobs(store, job)["nightly"]
        late = a_slot(job, START, start_by=START + MINUTE)
        [_, behind] = store.fire([a_firing(stored, late, a_slot(job, START + MINUTE))])
        clock.advance(MINUTE)

        store.promote([NAMESPACE], 10)

        assert the_run(store, behind.id).state == PENDING

    def test_an_abandoned_thread_keeps_its_place_of_the_queue(self, store: Store) -> None:
        given_limits(store, {"mail": 1})
        store.enqueue([a_run(queue="mail")] * 2)
        [stuck] = claim(store, a_node(store))
        store.finish([a_transition(stuck, RunState.FAILED, reason=Reason.TIMEOUT, abandoned=True)])

        beside = store.admit([NAMESPACE])
        store.end_abandoned([stuck.id], stuck.node)

        assert (beside, store.admit([NAMESPACE])) == (0, 1)

    def test_a_slot_of_replace_makes_the_others_of_its_job_go_and_waits_for_its_queue(self, store: Store) -> None:
        given_limits(store, {"mail": 1})
        store.enqueue([a_run(queue="mail")])
        job = a_limited_job(policy="replace", queue="mail")
        stored = given_jobs(store, job)["nightly"]

        made = [store.fire([a_firing(stored, a_slot(job, START + MINUTE))])[0]]
        stored = store.jobs(NAMESPACE, ["nightly"])[0]
        made += store.fire([a_firing(stored, a_slot(job, START + 2 * MINUTE))])

        assert [the_run(store, one.id).state for one in made] == [CANCELLED, BLOCKED]

    # -- limits change

    def test_a_limit_that_is_raised_lets_more_in(self, store: Store) -> None:
        given_limits(store, {"mail": 1})
        store.enqueue([a_run(queue="mail")] * 4)

        given_limits(store, {"mail": 3})

        assert states(store) == [PENDING] * 3 + [BLOCKED]

    def test_a_limit_that_is_removed_lets_all_in(self, store: Store) -> None:
        given_limits(store, {"mail": 1})
        store.enqueue([a_run(queue="mail")] * 4)

        given_limits(store, {})

        assert states(store) == [PENDING] * 4

    @pytest.mark.parametrize("before", [{}, {"mail": 5}])
    def test_a_limit_that_is_lowered_holds_for_what_has_not_started(
        self, store: Store, before: Mapping[str, int]
    ) -> None:
        given_limits(store, before)
        store.enqueue([a_run(queue="mail")] * 5)
        claimed = claim(store, a_node(store), limit=1)

        given_limits(store, {"mail": 2})

        assert states(store) == [RUNNING, PENDING, BLOCKED, BLOCKED, BLOCKED]
        assert store.finish([a_transition(claimed[0])]).keys() == {claimed[0].id}

    def test_what_runs_above_a_lowered_limit_goes_on_and_nobody_is_let_in_above_it(self, store: Store) -> None:
        given_limits(store, {"mail": 3})
        store.enqueue([a_run(queue="mail")] * 5)
        claimed = claim(store, a_node(store))
        given_limits(store, {"mail": 1})

        store.finish([a_transition(one) for one in claimed[:2]])
        none = store.admit([NAMESPACE])
        store.finish([a_transition(claimed[2])])

        assert (none, store.admit([NAMESPACE])) == (0, 1)

    # -- races

    def test_a_limit_of_three_holds_under_eight_that_enqueue_and_work_with_and_without_keys(
        self, store: Store, open_again: Callable[[], Store]
    ) -> None:
        given_limits(store, {"mail": 3})
        job = a_limited_job(limit=2, queue="mail")
        given_jobs(store, job)
        most: list[int] = []

        def enqueue_and_work(mine: Store) -> None:
            node = a_node(mine)
            for _ in range(5):
                mine.enqueue([a_run(queue="mail"), a_trigger(job), a_run(queue="mail", key="k")])
                most.append(len(runs(mine, states=(PENDING, RUNNING))))
                for one in claim(mine, node, limit=1):
                    mine.finish([a_transition(one)])
                    mine.admit([NAMESPACE], [one.key] if one.key else [], ["mail"])
                most.append(len(runs(mine, states=(PENDING, RUNNING))))

        in_parallel([open_again() for _ in range(8)], enqueue_and_work)

        assert max(most) == 3
        assert drained(store) == {SUCCEEDED}
        assert len(runs(store)) == 8 * 5 * 3


def given_limits(store: Store, limits: Mapping[str, int | QueueLimits]) -> None:
    """These queues have limits, in a sync that changes nothing else."""
    store.apply(a_change(seen=newest_number(store), queues=queue_limits(limits)))


def drained(store: Store) -> set[RunState]:
    """The states of all runs after one node has worked off what was left."""
    node = a_node(store)
    while True:
        store.admit([NAMESPACE])
        claimed = claim(store, node)
        if not claimed:
            return set(states(store))
        store.finish([a_transition(one) for one in claimed])
