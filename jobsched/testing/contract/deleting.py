"""The contract's chapter on deleting by hand: what is over is forgotten, and nothing else."""

from collections.abc import Callable
from functools import partial

from jobsched.model.audit import Action
from jobsched.model.run import Answer, LogLine, Reason, Refusal, RunState
from jobsched.store.port import Store
from jobsched.testing.builders import (
    MINUTE,
    NAMESPACE,
    START,
    a_firing,
    a_free_job,
    a_node,
    a_run,
    a_skipped_slot,
    a_transition,
    an_act,
    claim,
    given_jobs,
    states,
    the_run,
)
from jobsched.testing.contract.threads import in_parallel

PENDING, FAILED = RunState.PENDING, RunState.FAILED


class DeleteContract:
    def test_a_run_that_is_over_is_gone_with_its_log(self, store: Store) -> None:
        store.enqueue([a_run()] * 2)
        deleted, kept = claim(store, a_node(store))
        for one in (deleted, kept):
            store.append_log([LogLine(run_id=one.id, attempt=1, seq=0, at=START, stream="log", text="hello")])
        store.finish([a_transition(deleted), a_transition(kept)])

        assert store.delete([deleted.id]) == [Answer(deleted.id, None)]
        assert store.run(deleted.id) is None
        assert store.log(deleted.id) == []
        assert [line.text for line in store.log(kept.id)] == ["hello"]

    def test_what_is_not_over_is_refused(self, store: Store) -> None:
        store.enqueue([a_run()] * 2)
        [running] = claim(store, a_node(store), limit=1)
        [waiting] = {1, 2} - {running.id}

        assert store.delete([running.id, waiting, 99]) == [
            Answer(running.id, RunState.RUNNING, Refusal.UNFINISHED),
            Answer(waiting, PENDING, Refusal.UNFINISHED),
            Answer(99, None, Refusal.UNKNOWN),
        ]
        assert len(states(store)) == 2

    def test_a_number_that_no_run_can_have_is_one_of_none(self, store: Store) -> None:
        numbers = [-1, 0, 2**63, 2**70]

        answers = store.delete(numbers, act=an_act(Action.DELETE))

        assert set(answers) == {Answer(number, None, Refusal.UNKNOWN) for number in numbers}

    def test_a_run_whose_thread_goes_on_is_refused_until_it_ends(self, store: Store) -> None:
        store.enqueue([a_run(key="k")])
        [stuck] = claim(store, a_node(store))
        store.finish([a_transition(stuck, FAILED, reason=Reason.TIMEOUT, abandoned=True)])

        beside = store.delete([stuck.id])
        store.end_abandoned([stuck.id], stuck.node)
        afterwards = store.delete([stuck.id])

        assert beside == [Answer(stuck.id, FAILED, Refusal.ABANDONED)]
        assert afterwards == [Answer(stuck.id, None)]

    def test_the_number_of_a_deleted_run_is_not_given_again(self, store: Store) -> None:
        [first] = store.enqueue([a_run()])
        store.cancel([first.id])
        store.delete([first.id])

        [second] = store.enqueue([a_run()])

        assert second.id > first.id

    def test_a_deleted_slot_is_not_due_again(self, store: Store) -> None:
        job = a_free_job()
        stored = given_jobs(store, job)["nightly"]
        [made] = store.fire([a_firing(stored, a_skipped_slot(job, START + MINUTE))])

        store.delete([made.id])

        assert store.due([NAMESPACE], START + MINUTE, 10) == []

    def test_deleting_beside_a_requeue_deletes_or_leaves_it_waiting(
        self, store: Store, open_again: Callable[[], Store]
    ) -> None:
        other = open_again()
        for _ in range(10):
            [made] = store.enqueue([a_run()])
            store.cancel([made.id])
            acts: list[Callable[[], list[Answer]]] = [
                partial(store.requeue, [made.id]),
                partial(other.delete, [made.id]),
            ]

            [[requeued], [deleted]] = in_parallel(acts, lambda act: act())

            assert (requeued.refused, deleted.refused) in {(None, Refusal.UNFINISHED), (Refusal.UNKNOWN, None)}
            if requeued.refused is None:
                assert the_run(store, made.id).state is PENDING
