"""The contract's chapter on requeueing: runs that are over wait again, as the same rows."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial

from jobsched.model.job import Retries
from jobsched.model.run import Answer, Claim, Covers, NewRun, Reason, Refusal, RunState
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
    a_run,
    a_skipped_slot,
    a_slot,
    a_transition,
    a_trigger,
    an_edit,
    claim,
    given_jobs,
    given_removed,
    states,
    the_run,
)
from jobsched.testing.clock import FakeClock
from jobsched.testing.contract.threads import in_parallel

PENDING, BLOCKED, FAILED = RunState.PENDING, RunState.BLOCKED, RunState.FAILED
ERROR = {"type": "ValueError", "message": "no"}


class RequeueContract:
    def test_a_failed_run_waits_again_under_its_own_number(self, store: Store, clock: FakeClock) -> None:
        node = a_node(store)
        before = failed(store, node, a_run(payload={"a": 1}))
        clock.advance(timedelta(seconds=1))

        answers = store.requeue([before.id])

        run = the_run(store, before.id)
        assert answers == [Answer(before.id, PENDING)]
        assert (run.reason, run.finished_at, run.node, run.result) == (None, None, None, None)
        assert (run.payload, run.available_at) == ({"a": 1}, clock.now())
        assert [dict(entry) for entry in run.error] == [ERROR]
        assert [again.id for again in claim(store, node)] == [before.id]

    def test_a_slot_keeps_its_instant(self, store: Store) -> None:
        job = a_free_job()
        stored = given_jobs(store, job)["nightly"]
        [made] = store.fire([a_firing(stored, a_skipped_slot(job, START + MINUTE))])

        assert store.requeue([made.id]) == [Answer(made.id, PENDING)]
        assert the_run(store, made.id).scheduled_at == START + MINUTE

    def test_attempts_are_those_that_the_job_grants_now(self, store: Store) -> None:
        job, node = a_free_job(), a_node(store)
        given_jobs(store, job)
        before = failed(store, node, a_trigger(job))
        given_jobs(store, replace(job, retries=Retries(max=2)))

        store.requeue([before.id])

        [again] = claim(store, node)
        assert (again.attempt, again.max_attempts, again.losses) == (2, 4, 0)
        assert (before.attempts_before, again.attempts_before) == (0, 1)

    def test_an_edit_of_retries_leaves_the_attempts_before_a_requeue_out(self, store: Store) -> None:
        job, node = a_free_job(), a_node(store)
        stored = given_jobs(store, job)[job.name]
        before = failed(store, node, a_trigger(job))
        store.requeue([before.id])

        store.apply(a_change(an_edit(stored, job, max_attempts=3), seen=1))

        assert the_run(store, before.id).max_attempts == 4

    def test_an_ad_hoc_run_is_granted_what_it_was_made_with_each_time(self, store: Store) -> None:
        node = a_node(store)
        before = failed(store, node, a_run(max_attempts=3), attempt=3)

        granted = []
        for attempt in (6, 9):
            store.requeue([before.id])
            granted.append(the_run(store, before.id).max_attempts)
            [again] = claim(store, node)
            store.finish([a_transition(again, FAILED, reason=Reason.ERROR, attempt=attempt)])

        assert granted == [6, 9]

    def test_a_late_result_of_the_attempt_before_is_dropped(self, store: Store) -> None:
        node = a_node(store)
        before = failed(store, node, a_run())
        store.requeue([before.id])
        claim(store, node)

        assert store.finish([a_transition(before)]).keys() == set()

    def test_a_cancelled_run_whose_time_has_not_come_is_scheduled(self, store: Store) -> None:
        job = a_free_job()
        given_jobs(store, job)
        [made] = store.enqueue([a_trigger(job, available_at=START + MINUTE)])
        given_removed(store, job.name)
        given_jobs(store, job)

        assert store.requeue([made.id]) == [Answer(made.id, RunState.SCHEDULED)]

    # -- its key

    def test_a_keyed_run_waits_for_a_free_place(self, store: Store) -> None:
        job, node = a_limited_job(), a_node(store)
        given_jobs(store, job)
        first, second = (failed(store, node, a_trigger(job)) for _ in range(2))

        assert store.requeue([first.id, second.id]) == [Answer(first.id, PENDING), Answer(second.id, BLOCKED)]

    def test_a_slot_of_forbid_waits_too_for_somebody_asked_for_it(self, store: Store) -> None:
        job = a_limited_job()
        stored = given_jobs(store, job)["nightly"]
        [slot] = store.fire([a_firing(stored, a_skipped_slot(job, START + MINUTE, Reason.OVERLAP))])
        store.enqueue([a_trigger(job)])

        assert store.requeue([slot.id]) == [Answer(slot.id, BLOCKED)]

    def test_many_at_once_never_take_more_places_than_there_are(
        self, store: Store, open_again: Callable[[], Store]
    ) -> None:
        job, node = a_limited_job(limit=2), a_node(store)
        given_jobs(store, job)
        ids = [failed(store, node, a_trigger(job)).id for _ in range(8)]
        stores = [store, open_again(), open_again(), open_again()]

        in_parallel(list(enumerate(stores)), lambda part: part[1].requeue(ids[part[0] * 2 : part[0] * 2 + 2]))

        assert sorted(states(store)) == [BLOCKED] * 6 + [PENDING] * 2

    # -- what is refused

    def test_what_is_not_over_is_refused(self, store: Store) -> None:
        [made] = store.enqueue([a_run()])

        assert store.requeue([made.id]) == [Answer(made.id, PENDING, Refusal.UNFINISHED)]

    def test_what_succeeded_is_refused(self, store: Store) -> None:
        store.enqueue([a_run()])
        [claimed] = claim(store, a_node(store))
        store.finish([a_transition(claimed)])

        assert store.requeue([claimed.id]) == [Answer(claimed.id, RunState.SUCCEEDED, Refusal.SUCCEEDED)]

    def test_what_there_is_not_is_refused(self, store: Store) -> None:
        impossible = [12, 0, -1, 2**70]

        assert store.requeue(impossible) == [Answer(id_, None, Refusal.UNKNOWN) for id_ in impossible]

    def test_a_run_of_a_job_that_is_gone_is_refused(self, store: Store) -> None:
        job = a_free_job()
        given_jobs(store, job)
        before = failed(store, a_node(store), a_trigger(job))
        given_removed(store, job.name)

        assert store.requeue([before.id]) == [Answer(before.id, FAILED, Refusal.JOB_GONE)]

    def test_a_row_for_several_slots_is_refused(self, store: Store) -> None:
        job = a_free_job()
        stored = given_jobs(store, job)["nightly"]
        covers = Covers(first=START + MINUTE, last=START + 2 * MINUTE, count=2)
        [made] = store.fire([a_firing(stored, a_skipped_slot(job, START + 2 * MINUTE, covers=covers))])

        assert store.requeue([made.id]) == [Answer(made.id, RunState.SKIPPED, Refusal.COVERS)]

    def test_a_run_whose_thread_goes_on_is_refused_until_it_ends(self, store: Store) -> None:
        node = a_node(store)
        stuck = failed(store, node, a_run(key="k"), abandoned=True)

        beside = store.requeue([stuck.id])
        store.end_abandoned([stuck.id], node)
        afterwards = store.requeue([stuck.id])

        assert beside == [Answer(stuck.id, FAILED, Refusal.ABANDONED)]
        assert afterwards == [Answer(stuck.id, PENDING)]

    def test_a_run_whose_unique_key_another_one_has_is_refused(self, store: Store) -> None:
        node = a_node(store)
        first, second = (failed(store, node, a_run(unique_key="u")) for _ in range(2))

        assert store.requeue([first.id, second.id]) == [
            Answer(first.id, PENDING),
            Answer(second.id, FAILED, Refusal.UNIQUE_KEY),
        ]

    def test_a_requeue_beside_an_enqueue_of_its_unique_key_leaves_one_of_them(
        self, store: Store, open_again: Callable[[], Store]
    ) -> None:
        node, other = a_node(store), open_again()
        for number in range(10):
            before = failed(store, node, a_run(unique_key=str(number)))
            acts: list[Callable[[], object]] = [
                partial(store.requeue, [before.id]),
                partial(other.enqueue, [a_run(unique_key=str(number))]),
            ]

            in_parallel(acts, lambda act: act())

            assert states(store, states=(PENDING,)) == [PENDING]
            claimed = claim(store, node)
            store.finish([a_transition(one) for one in claimed])

    def test_the_refused_do_not_hinder_the_others(self, store: Store) -> None:
        before = failed(store, a_node(store), a_run())

        assert [answer.refused for answer in store.requeue([99, before.id, 98])] == [
            Refusal.UNKNOWN,
            None,
            Refusal.UNKNOWN,
        ]

    def test_a_requeue_beside_the_removal_of_its_job_leaves_nothing_waiting(
        self, store: Store, open_again: Callable[[], Store]
    ) -> None:
        job, node, other = a_free_job(), a_node(store), open_again()
        for _ in range(5):
            given_jobs(store, job)
            before = failed(store, node, a_trigger(job))

            acts: list[Callable[[], object]] = [
                partial(store.requeue, [before.id]),
                partial(given_removed, other, job.name),
            ]
            in_parallel(acts, lambda act: act())

            assert the_run(store, before.id).state in {FAILED, RunState.CANCELLED}
            assert store.jobs(NAMESPACE) == []

    def test_a_requeued_slot_is_still_the_only_row_of_its_slot(self, store: Store) -> None:
        job = a_free_job()
        stored = given_jobs(store, job)["nightly"]
        [made] = store.fire([a_firing(stored, a_skipped_slot(job, START + MINUTE))])
        store.requeue([made.id])
        [stored] = store.jobs(NAMESPACE)

        assert store.fire([a_firing(stored, a_slot(job, START + MINUTE))]) == []


def failed(store: Store, node: int, run: NewRun, *, attempt: int = 1, abandoned: bool = False) -> Claim:
    """The claim of a new run that has failed."""
    [created] = store.enqueue([run])
    [claimed] = claim(store, node)
    assert claimed.id == created.id
    ended = a_transition(
        claimed, FAILED, reason=Reason.ERROR, error=ERROR, result=None, attempt=attempt, abandoned=abandoned
    )
    assert store.finish([ended]).keys() == {claimed.id}
    return claimed
