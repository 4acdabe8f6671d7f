"""The contract's chapter on `max_queued` of queues: so many may wait, and what is enqueued beyond is refused."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from jobsched.errors import QueueFull
from jobsched.model.handler import CommandHandler
from jobsched.model.job import OnFailure
from jobsched.model.queue import QueueLimits, Rate
from jobsched.model.run import NewRun, Reason, RunState, Source
from jobsched.store.port import Store
from jobsched.testing.builders import (
    MINUTE,
    NAMESPACE,
    START,
    a_firing,
    a_free_job,
    a_node,
    a_retry,
    a_run,
    a_slot,
    a_transition,
    a_trigger,
    claim,
    given_jobs,
    runs,
    runs_alike,
    states,
)
from jobsched.testing.contract.queue_limits import given_limits
from jobsched.testing.contract.threads import in_parallel

SCHEDULED, PENDING, BLOCKED, RUNNING = RunState.SCHEDULED, RunState.PENDING, RunState.BLOCKED, RunState.RUNNING


class QueueDepthContract:
    def test_a_full_queue_refuses_and_says_how_full_it_is(self, store: Store) -> None:
        given_depth(store, 2)
        store.enqueue([mail()] * 2)

        with pytest.raises(QueueFull, match=r"raise settings\.queues\.mail\.max_queued") as refused:
            store.enqueue([mail()])

        assert (refused.value.queue, refused.value.depth, refused.value.limit) == ("mail", 2, 2)
        assert states(store) == [PENDING, PENDING]

    def test_of_many_all_are_made_or_none(self, store: Store) -> None:
        given_depth(store, 3)
        store.enqueue([mail()])

        with pytest.raises(QueueFull, match="3 more do not fit") as refused:
            store.enqueue([a_run(), mail(), mail(), mail()])

        assert (refused.value.depth, len(runs(store))) == (1, 1)
        assert len(store.enqueue([a_run(), mail(), mail()])) == 3

    def test_of_many_that_are_alike_all_are_made_or_none(self, store: Store) -> None:
        given_depth(store, 3)
        store.enqueue([mail()])

        with pytest.raises(QueueFull, match="3 more do not fit"):
            store.enqueue(runs_alike([{}, {}, {}], queue="mail"))

        assert len(runs(store)) == 1
        assert len(store.enqueue(runs_alike([{}, {}], queue="mail"))) == 2

    @pytest.mark.parametrize("fields", [{"key": "k"}, {"unique_key": "u"}, {"available_at": START + MINUTE}])
    def test_a_full_queue_refuses_every_kind_of_run(self, store: Store, fields: dict[str, Any]) -> None:
        given_depth(store, 1)
        store.enqueue([mail()])

        with pytest.raises(QueueFull):
            store.enqueue([mail(**fields)])

    def test_all_that_waits_is_counted_and_nothing_else(self, store: Store) -> None:
        given_depth(store, 4)
        store.enqueue([mail()] * 2)
        running, over = claim(store, a_node(store))
        store.finish([a_transition(over)])

        store.enqueue([mail(available_at=START + MINUTE), mail(key="k"), mail(key="k"), mail()])

        assert states(store) == [RUNNING, RunState.SUCCEEDED, SCHEDULED, PENDING, BLOCKED, PENDING]
        with pytest.raises(QueueFull):
            store.enqueue([mail()])
        store.finish([a_transition(running)])
        with pytest.raises(QueueFull):
            store.enqueue([mail()])

    def test_other_queues_are_not_counted(self, store: Store) -> None:
        given_depth(store, 1)

        store.enqueue([a_run(), a_run(queue="mail", namespace="elsewhere"), mail()])

        assert len(store.enqueue([a_run(), a_run(queue="mail", namespace="elsewhere")])) == 2

    def test_what_is_there_already_is_returned_though_the_queue_is_full(self, store: Store) -> None:
        given_depth(store, 1)
        [made] = store.enqueue([mail(unique_key="u")])

        [again] = store.enqueue([mail(unique_key="u")])

        assert (again.id, again.existing) == (made.id, True)

    def test_what_jobs_make_gets_in(self, store: Store) -> None:
        given_depth(store, 1)
        store.enqueue([mail()])
        job = a_free_job(queue="mail")
        stored = given_jobs(store, job)["nightly"]

        [slot] = store.fire([a_firing(stored, a_slot(job, START + MINUTE))])
        [trigger] = store.enqueue([a_trigger(job)])

        assert (slot.state, trigger.state) == (PENDING, PENDING)

    def test_what_comes_back_gets_in(self, store: Store) -> None:
        given_depth(store, 2)
        first, second = store.enqueue([mail()] * 2)
        tried, failed = claim(store, a_node(store))
        store.enqueue([mail()] * 2)

        store.finish([a_retry(tried, START + MINUTE), a_transition(failed, RunState.FAILED, reason=Reason.ERROR)])
        [answer] = store.requeue([second.id])

        assert (store.run(first.id), answer.state) == (runs(store)[0], PENDING)
        assert states(store) == [SCHEDULED, PENDING, PENDING, PENDING]

    def test_what_a_failure_makes_gets_in(self, store: Store) -> None:
        given_depth(store, 1)
        store.enqueue([mail()])
        [claimed] = claim(store, a_node(store))
        store.enqueue([mail()])
        tell = OnFailure(CommandHandler(("tell",)))

        store.finish([a_transition(claimed, RunState.FAILED, reason=Reason.ERROR, on_failure=tell)])

        assert states(store) == [RunState.FAILED, PENDING, PENDING]

    def test_room_for_so_many_is_no_limit_of_what_runs(self, store: Store) -> None:
        given_depth(store, 5)

        made = store.enqueue([mail()] * 5)

        assert [one.state for one in made] == [PENDING] * 5
        assert store.admit([NAMESPACE]) == 0

    def test_it_stands_beside_a_rate(self, store: Store) -> None:
        given_limits(store, {"mail": QueueLimits(rate=Rate(1, MINUTE), max_queued=3)})

        made = store.enqueue([mail()] * 3)

        assert [one.state for one in made] == [PENDING, BLOCKED, BLOCKED]
        with pytest.raises(QueueFull):
            store.enqueue([mail()])

    def test_an_edit_holds_at_once_for_all(self, store: Store, open_again: Callable[[], Store]) -> None:
        other = open_again()
        other.enqueue([mail()] * 3)

        given_depth(store, 3)
        with pytest.raises(QueueFull):
            other.enqueue([mail()])
        given_limits(store, {})

        assert len(other.enqueue([mail()])) == 1

    @pytest.mark.parametrize(
        "batch",
        [
            pytest.param([a_run(queue="mail")], id="one"),
            pytest.param([a_run(queue="mail"), a_run(queue="sms"), a_run(queue="mail", key="k")], id="several"),
        ],
    )
    def test_eight_that_enqueue_at_once_fill_a_queue_exactly(
        self, store: Store, open_again: Callable[[], Store], batch: Sequence[NewRun]
    ) -> None:
        given_limits(store, {"mail": QueueLimits(max_queued=20), "sms": QueueLimits(max_queued=20)})

        def enqueue(mine: Store) -> int:
            made = 0
            for _ in range(20):
                try:
                    made += len(mine.enqueue(batch))
                except QueueFull:
                    break
            return made

        made = in_parallel([open_again() for _ in range(8)], enqueue)

        mails = [run for run in runs(store) if run.queue == "mail"]
        assert (len(mails), sum(made)) == (20, 20 * len(batch) // (1 if len(batch) == 1 else 2))


def given_depth(store: Store, most: int) -> None:
    """So many runs may wait in the queue mail."""
    given_limits(store, {"mail": QueueLimits(max_queued=most)})


def mail(**fields: Any) -> NewRun:
    """A run that a program enqueues there."""
    return a_run(queue="mail", source=Source.ENQUEUE, **fields)
