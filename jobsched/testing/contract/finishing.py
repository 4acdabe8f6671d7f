"""The contract's chapter on finishing: fenced, idempotent, and never stopped by what a handler returned."""

from datetime import timedelta
from typing import Any

import pytest

from jobsched.model.run import Became, Claim, Reason, RunState, Source
from jobsched.store.port import Store
from jobsched.testing.builders import (
    LEASE,
    MINUTE,
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
    given_back,
    given_jobs,
    given_removed,
    runs,
    the_run,
)
from jobsched.testing.clock import FakeClock

RESULTS: dict[str, Any] = {
    "none": None,
    "false": False,
    "zero": 0,
    "text": "done",
    "empty list": [],
    "unicode": {"ключ": "ünïcödé 🎉 \u2028\\ '\" %s :name"},
    "nested": {"rows": [{"id": number, "tags": ["a", None, 1.5]} for number in range(50)]},
    "deep": [[[[[[[[[[[[[[[[[[[[{"end": True}]]]]]]]]]]]]]]]]]]]],
    "large integers": [2**63 - 1, -(2**63), 2**70],
    "a mebibyte": "x" * ((1 << 20) - 2),
}
#: What no database takes as it is; each beside something that must come back.
POISON = {
    "NUL": "a\x00b",
    "surrogate": "a\ud800b",
    "surrogates out of order": "\udc00\ud800",
    "both": "\x00\udfff\x00",
    "NUL in a key": {"a\x00b": 1},
    "control characters": "\x01\x1b[31m\x7f\u0085",
    "written escapes": "\\u0000 \\ud800 \\x00",
}


class FinishContract:
    @pytest.mark.parametrize(
        ("state", "reason"),
        [
            (RunState.SUCCEEDED, None),
            (RunState.FAILED, Reason.ERROR),
            (RunState.FAILED, Reason.TIMEOUT),
            (RunState.FAILED, Reason.LOST),
            (RunState.CANCELLED, Reason.CANCELLED),
        ],
    )
    def test_a_finished_run_says_how_and_when(
        self, store: Store, clock: FakeClock, state: RunState, reason: Reason | None
    ) -> None:
        claimed = a_claim(store)
        clock.advance(timedelta(seconds=1, microseconds=3))

        still_owned = store.finish([a_transition(claimed, state, reason=reason)]).keys()

        run = the_run(store, claimed.id)
        assert still_owned == {claimed.id}
        assert (run.state, run.reason, run.attempt) == (state, reason, 1)
        assert (run.started_at, run.finished_at) == (START, clock.now())

    def test_a_finished_run_remembers_its_node(self, store: Store) -> None:
        claimed = a_claim(store)

        store.finish([a_transition(claimed)])

        assert the_run(store, claimed.id).node == claimed.node

    def test_a_retry_waits_for_its_time_and_is_no_longer_owned(self, store: Store) -> None:
        claimed = a_claim(store, max_attempts=3)

        still_owned = store.finish([a_retry(claimed, START + MINUTE)]).keys()

        run = the_run(store, claimed.id)
        assert still_owned == {claimed.id}
        assert (run.state, run.attempt, run.available_at) == (RunState.SCHEDULED, 1, START + MINUTE)
        assert run.finished_at is None
        assert store.owned(claimed.node) == []
        assert store.promote(["default"], 10).next_at == START + MINUTE

    def test_a_snooze_counts_no_attempt(self, store: Store, clock: FakeClock) -> None:
        claimed = a_claim(store)
        store.finish([a_transition(claimed, RunState.SCHEDULED, attempt=0, available_at=START + MINUTE)])
        clock.advance(MINUTE)
        store.promote(["default"], 10)

        [again] = claim(store, a_node(store))

        assert (again.attempt, again.available_at) == (1, START + MINUTE)

    def test_a_run_given_back_is_pending_again(self, store: Store) -> None:
        claimed = a_claim(store)

        still_owned = store.finish([given_back(claimed)]).keys()

        run = the_run(store, claimed.id)
        assert still_owned == {claimed.id}
        assert (run.state, run.attempt, run.available_at, run.finished_at) == (RunState.PENDING, 0, START, None)
        assert store.owned(claimed.node) == []

    def test_a_node_may_grant_other_attempts_than_the_row_says(self, store: Store) -> None:
        [again, ended] = [a_claim(store, max_attempts=1), a_claim(store, max_attempts=9)]

        store.finish([a_retry(again, START + MINUTE, max_attempts=4), a_transition(ended)])
        store.finish([a_transition(a_claim(store, max_attempts=2), max_attempts=3)])

        assert [run.max_attempts for run in runs(store)] == [4, 9, 3]

    def test_losses_are_kept(self, store: Store) -> None:
        claimed = a_claim(store)
        store.finish([a_transition(claimed, RunState.PENDING, losses=2)])
        node = a_node(store)

        [again] = claim(store, node)

        assert (again.losses, again.attempt) == (2, 2)
        assert [one.losses for one in store.owned(node)] == [2]

    def test_finishing_nothing_is_nothing(self, store: Store) -> None:
        assert store.finish([]).keys() == set()

    def test_a_batch_of_every_kind_finishes_each_in_its_way(self, store: Store) -> None:
        store.enqueue([a_run()] * 5)
        won, failed, retried, back, cancelled = claim(store, a_node(store))

        still_owned = store.finish(
            [
                a_transition(won, result={"rows": 1}),
                a_transition(failed, RunState.FAILED, reason=Reason.ERROR, error={"message": "no"}),
                a_retry(retried, START + MINUTE),
                given_back(back),
                a_transition(cancelled, RunState.CANCELLED, reason=Reason.CANCELLED),
            ]
        ).keys()

        ids = [one.id for one in (won, failed, retried, back, cancelled)]
        assert still_owned == set(ids)
        assert [the_run(store, run_id).state for run_id in ids] == [
            RunState.SUCCEEDED,
            RunState.FAILED,
            RunState.SCHEDULED,
            RunState.PENDING,
            RunState.CANCELLED,
        ]
        assert [the_run(store, run_id).result for run_id in ids] == [{"rows": 1}, None, None, None, None]

    def test_a_thousand_finish_at_once(self, store: Store) -> None:
        store.enqueue([a_run()] * 1000)
        claimed = claim(store, a_node(store))

        assert len(store.finish([a_transition(one, result=one.id) for one in claimed])) == 1000
        assert all(the_run(store, one.id).result == one.id for one in claimed[::100])

    # -- the fence

    @pytest.mark.parametrize("wrong", [{"claim_no": 0}, {"claim_no": 2}, {"node": 999_999}, {"id": 999_999}])
    def test_what_is_not_owned_does_not_finish(self, store: Store, wrong: dict[str, Any]) -> None:
        claimed = a_claim(store)

        assert store.finish([a_transition(claimed, result="late", error={"message": "late"}, **wrong)]).keys() == set()

        run = the_run(store, claimed.id)
        assert (run.state, run.result, run.error, run.finished_at) == (RunState.RUNNING, None, (), None)

    @pytest.mark.parametrize("others", [1, 40])
    def test_of_many_that_succeed_alike_those_that_are_not_owned_are_told_apart(
        self, store: Store, others: int
    ) -> None:
        claimed = a_node_with_runs(store, 41)
        owned, lost = claimed[others:], claimed[:others]
        store.finish([a_transition(one, RunState.FAILED, reason=Reason.ERROR) for one in lost])

        still_owned = store.finish([a_transition(one) for one in claimed])

        assert still_owned == {one.id: Became(RunState.SUCCEEDED, None) for one in owned}
        assert {run.state for run in runs(store) if run.id in {one.id for one in lost}} == {RunState.FAILED}

    def test_only_what_was_owned_is_returned(self, store: Store) -> None:
        store.enqueue([a_run()] * 3)
        claimed = claim(store, a_node(store))
        store.finish([a_transition(claimed[1])])

        assert store.finish([a_transition(one) for one in claimed]).keys() == {claimed[0].id, claimed[2].id}

    @pytest.mark.parametrize("state", [RunState.SUCCEEDED, RunState.FAILED, RunState.SCHEDULED, RunState.PENDING])
    def test_finishing_again_changes_nothing(self, store: Store, clock: FakeClock, state: RunState) -> None:
        claimed = a_claim(store)
        available_at = START + MINUTE if state == RunState.SCHEDULED else None
        transition = a_transition(claimed, state, available_at=available_at, error={"message": "once"})
        store.finish([transition])
        before = the_run(store, claimed.id)
        clock.advance(1)

        assert store.finish([transition]).keys() == set()
        assert the_run(store, claimed.id) == before
        assert len(before.error) == 1

    def test_a_lost_lease_does_not_finish_the_run(self, store: Store, clock: FakeClock) -> None:
        zombie = a_claim(store)
        clock.advance(LEASE + timedelta(seconds=1))
        [dead] = store.bury()
        [lost] = store.owned(dead)
        store.finish([a_transition(lost, RunState.PENDING, losses=1)])
        [taken_over] = claim(store, a_node(store))

        assert store.finish([a_transition(zombie, result="of the zombie")]).keys() == set()
        assert store.finish([a_transition(taken_over, result="of the heir")]).keys() == {zombie.id}
        assert the_run(store, zombie.id).result == "of the heir"

    def test_the_same_node_cannot_finish_an_earlier_claim(self, store: Store) -> None:
        store.enqueue([a_run()])
        node = a_node(store)
        [first] = claim(store, node)
        store.finish([given_back(first)])
        [second] = claim(store, node)

        assert store.finish([a_transition(first)]).keys() == set()
        assert store.finish([a_transition(second)]).keys() == {second.id}

    # -- results and errors

    @pytest.mark.parametrize("result", RESULTS.values(), ids=RESULTS)
    def test_a_result_comes_back_as_it_was(self, store: Store, result: Any) -> None:
        claimed = a_claim(store)

        store.finish([a_transition(claimed, result=result)])

        assert the_run(store, claimed.id).result == result
        assert type(the_run(store, claimed.id).result) is type(result)

    def test_errors_of_attempts_append(self, store: Store, clock: FakeClock) -> None:
        errors: list[dict[str, Any]] = [{"attempt": number, "message": f"no {number} 🎉"} for number in (1, 2, 3)]
        store.enqueue([a_run(max_attempts=3)])
        node = a_node(store)
        for error in errors[:2]:
            [claimed] = claim(store, node)
            clock.advance(1)
            store.finish([a_retry(claimed, clock.now(), error=error)])
            store.promote(["default"], 10)
        [last] = claim(store, node)

        store.finish([a_transition(last, RunState.FAILED, reason=Reason.ERROR, error=errors[2])])

        assert list(the_run(store, last.id).error) == errors

    def test_a_success_after_failures_keeps_their_errors(self, store: Store) -> None:
        first = a_claim(store, max_attempts=2)
        store.finish([a_transition(first, RunState.PENDING, error={"message": "no"})])
        [second] = claim(store, a_node(store))

        store.finish([a_transition(second, result=1)])

        run = the_run(store, first.id)
        assert (run.state, list(run.error), run.result) == (RunState.SUCCEEDED, [{"message": "no"}], 1)

    @pytest.mark.parametrize("poison", POISON.values(), ids=POISON)
    def test_no_result_keeps_a_run_from_finishing(self, store: Store, poison: Any) -> None:
        store.enqueue([a_run()] * 2)
        poisoned, neighbour = claim(store, a_node(store))

        still_owned = store.finish(
            [a_transition(poisoned, result={"text": poison, "fine": "ö"}), a_transition(neighbour, result="ö")]
        ).keys()

        run = the_run(store, poisoned.id)
        assert still_owned == {poisoned.id, neighbour.id}
        assert (run.state, run.result["fine"]) == (RunState.SUCCEEDED, "ö")
        assert "text" in run.result
        assert the_run(store, neighbour.id).result == "ö"

    @pytest.mark.parametrize("poison", POISON.values(), ids=POISON)
    def test_no_error_keeps_a_run_from_finishing(self, store: Store, poison: Any) -> None:
        claimed = a_claim(store)
        error = {"message": poison, "type": "ValueError"}

        still_owned = store.finish([a_transition(claimed, RunState.FAILED, reason=Reason.ERROR, error=error)]).keys()

        run = the_run(store, claimed.id)
        assert still_owned == {claimed.id}
        assert (run.state, [kept["type"] for kept in run.error]) == (RunState.FAILED, ["ValueError"])

    def test_written_escapes_stay_as_they_were_written(self, store: Store) -> None:
        claimed = a_claim(store)

        store.finish([a_transition(claimed, result=POISON["written escapes"])])

        assert the_run(store, claimed.id).result == POISON["written escapes"]

    # -- removed jobs

    def test_a_retry_of_a_removed_jobs_run_becomes_failed_with_its_reason(self, store: Store, clock: FakeClock) -> None:
        claimed = a_claim_of_a_removed_job(store)
        clock.advance(1)

        still_owned = store.finish(
            [a_retry(claimed, START + MINUTE, reason=Reason.TIMEOUT, error={"message": "too slow"})]
        ).keys()

        run = the_run(store, claimed.id)
        assert still_owned == {claimed.id}
        assert (run.state, run.reason, run.finished_at) == (RunState.FAILED, Reason.TIMEOUT, clock.now())
        assert list(run.error) == [{"message": "too slow"}]

    def test_giving_back_a_removed_jobs_run_cancels_it(self, store: Store, clock: FakeClock) -> None:
        claimed = a_claim_of_a_removed_job(store)
        clock.advance(1)

        still_owned = store.finish([given_back(claimed)]).keys()

        run = the_run(store, claimed.id)
        assert still_owned == {claimed.id}
        assert (run.state, run.reason, run.finished_at) == (RunState.CANCELLED, Reason.JOB_REMOVED, clock.now())

    def test_it_answers_what_was_stored_which_may_not_be_what_was_asked_for(self, store: Store) -> None:
        gone = a_claim_of_a_removed_job(store)
        stopped, kept, done = (a_claim(store, max_attempts=2) for _ in range(3))
        store.cancel([stopped.id])

        became = store.finish([*(a_retry(one, START + MINUTE) for one in (gone, stopped, kept)), a_transition(done)])

        assert became == {
            gone.id: (RunState.FAILED, Reason.ERROR),
            stopped.id: (RunState.CANCELLED, Reason.CANCELLED),
            kept.id: (RunState.SCHEDULED, Reason.ERROR),
            done.id: (RunState.SUCCEEDED, None),
        }
        assert became == {run.id: (run.state, run.reason) for run in runs(store)}

    def test_a_removed_jobs_run_may_succeed(self, store: Store) -> None:
        claimed = a_claim_of_a_removed_job(store)

        store.finish([a_transition(claimed, result=1)])

        run = the_run(store, claimed.id)
        assert (run.state, run.reason, run.result) == (RunState.SUCCEEDED, None, 1)

    def test_an_ad_hoc_run_has_no_job_that_could_be_gone(self, store: Store) -> None:
        store.enqueue([a_run()] * 2)
        retried, back = claim(store, a_node(store))

        store.finish([a_retry(retried, START + MINUTE), given_back(back)])

        assert the_run(store, retried.id).state == RunState.SCHEDULED
        assert the_run(store, back.id).state == RunState.PENDING

    def test_a_retry_of_a_job_that_is_there_is_not_touched_by_another_namespace(self, store: Store) -> None:
        job = a_free_job()
        elsewhere = a_free_job(namespace="elsewhere")
        given_jobs(store, job)
        given_jobs(store, elsewhere)
        store.enqueue([a_trigger(job)])
        [claimed] = claim(store, a_node(store))
        given_removed(store, "nightly", "elsewhere")

        store.finish([a_retry(claimed, START + MINUTE)])

        assert the_run(store, claimed.id).state == RunState.SCHEDULED

    def test_a_slot_keeps_its_instant_through_retries(self, store: Store) -> None:
        stored = given_jobs(store, a_free_job())["nightly"]
        store.fire([a_firing(stored, a_slot(stored.job, START + MINUTE))])
        [claimed] = claim(store, a_node(store))

        store.finish([a_retry(claimed, START + 5 * MINUTE)])

        run = the_run(store, claimed.id)
        assert (run.source, run.scheduled_at) == (Source.SLOT, START + MINUTE)
        assert run.available_at == START + 5 * MINUTE


def a_claim(store: Store, **fields: Any) -> Claim:
    """An ad-hoc run, claimed by a node of its own."""
    store.enqueue([a_run(**fields)])
    [claimed] = claim(store, a_node(store))
    return claimed


def a_claim_of_a_removed_job(store: Store) -> Claim:
    """A running run whose job has been removed since it was claimed."""
    job = a_free_job()
    given_jobs(store, job)
    store.enqueue([a_trigger(job, max_attempts=9)])
    [claimed] = claim(store, a_node(store))
    given_removed(store, job.name)
    return claimed


def a_node_with_runs(store: Store, count: int) -> list[Claim]:
    store.enqueue([a_run()] * count)
    return claim(store, a_node(store))
