"""`on_failure`: the run that a failure makes, in the transaction in which the run fails, once and never lost."""

from typing import Any

from jobsched.model.handler import PythonHandler, ShellHandler
from jobsched.model.job import OnFailure
from jobsched.model.report import run_as_json
from jobsched.model.run import Reason, Run, RunFilter, RunState, Source
from jobsched.store.port import Store
from jobsched.testing.builders import (
    MINUTE,
    START,
    a_free_job,
    a_node,
    a_retry,
    a_run,
    a_transition,
    a_trigger,
    claim,
    given_back,
    given_jobs,
    given_removed,
    runs,
    the_run,
)

TELL = OnFailure(PythonHandler("alerts:tell"))
#: How a run ends for good, and with what.
FAILED: dict[str, Any] = {"reason": Reason.ERROR, "error": {"type": "ValueError", "message": "no"}, "on_failure": TELL}


class FailureContract:
    def test_a_failure_makes_the_run_that_is_asked_for_with_the_failed_one_as_its_payload(self, store: Store) -> None:
        failing = a_claimed_run(store, queue="mail", priority=3)

        store.finish([a_transition(failing, RunState.FAILED, **FAILED)])

        [made] = made_by(store, failing.id)
        assert (made.job, made.handler, made.source) == (None, "alerts:tell", Source.ENQUEUE)
        assert (made.state, made.queue, made.priority, made.max_attempts) == (RunState.PENDING, "mail", 3, 4)
        assert made.payload == run_as_json(the_run(store, failing.id))
        assert (made.payload["state"], made.payload["error"]) == ("failed", [FAILED["error"]])

    def test_it_can_be_claimed_at_once_with_its_own_number_of_attempts(self, store: Store) -> None:
        failing = a_claimed_run(store)
        store.finish(
            [a_transition(failing, RunState.FAILED, **FAILED | {"on_failure": OnFailure(ShellHandler("x"), 0)})]
        )

        [claimed] = claim(store, a_node(store))

        assert (claimed.handler, claimed.max_attempts, claimed.job) == ('{"shell":"x"}', 1, None)

    def test_what_does_not_fail_makes_none(self, store: Store) -> None:
        store.enqueue([a_run()] * 4)
        won, retried, back, cancelled = claim(store, a_node(store))

        store.finish(
            [
                a_transition(won, on_failure=TELL),
                a_retry(retried, START + MINUTE, on_failure=TELL),
                given_back(back, on_failure=TELL),
                a_transition(cancelled, RunState.CANCELLED, reason=Reason.CANCELLED, on_failure=TELL),
            ]
        )

        assert made_by(store, won.id, retried.id, back.id, cancelled.id) == []
        assert len(runs(store)) == 4

    def test_each_failure_of_a_batch_makes_its_own(self, store: Store) -> None:
        store.enqueue([a_run()] * 3)
        told, untold, told_too = claim(store, a_node(store))

        store.finish(
            [
                a_transition(told, RunState.FAILED, **FAILED),
                a_transition(untold, RunState.FAILED, reason=Reason.ERROR),
                a_transition(told_too, RunState.FAILED, **FAILED),
            ]
        )

        made = made_by(store, told.id, untold.id, told_too.id)
        assert sorted(run.payload["id"] for run in made) == [told.id, told_too.id]

    def test_a_failure_that_is_written_twice_makes_one(self, store: Store) -> None:
        transition = a_transition(a_claimed_run(store), RunState.FAILED, **FAILED)

        store.finish([transition])
        again = store.finish([transition]).keys()

        assert again == set()
        assert len(made_by(store, transition.id)) == 1

    def test_a_node_that_has_lost_the_run_makes_none(self, store: Store) -> None:
        failing = a_claimed_run(store)

        store.finish([a_transition(failing, RunState.FAILED, **FAILED | {"claim_no": failing.claim_no + 1})])

        assert made_by(store, failing.id) == []
        assert the_run(store, failing.id).state is RunState.RUNNING

    def test_a_retry_that_fails_because_its_job_is_gone_makes_one(self, store: Store) -> None:
        job = a_free_job(on_failure=TELL)
        given_jobs(store, job)
        store.enqueue([a_trigger(job)])
        [failing] = claim(store, a_node(store))
        given_removed(store, job.name)

        store.finish([a_retry(failing, START + MINUTE, on_failure=TELL)])

        [made] = made_by(store, failing.id)
        assert (made.payload["job"], made.payload["state"]) == (job.name, "failed")

    def test_a_retry_of_a_run_that_was_cancelled_makes_none(self, store: Store) -> None:
        failing = a_claimed_run(store)
        store.cancel([failing.id])

        store.finish([a_retry(failing, START + MINUTE, on_failure=TELL)])

        assert the_run(store, failing.id).state is RunState.CANCELLED
        assert made_by(store, failing.id) == []

    def test_a_run_that_fails_again_after_a_requeue_makes_another(self, store: Store) -> None:
        failing = a_claimed_run(store)
        store.finish([a_transition(failing, RunState.FAILED, **FAILED)])
        store.requeue([failing.id])
        [again] = [one for one in claim(store, a_node(store)) if one.id == failing.id]

        store.finish([a_transition(again, RunState.FAILED, **FAILED)])

        assert [run.payload["attempt"] for run in made_by(store, failing.id)] == [2, 1]

    def test_what_is_too_large_for_a_payload_is_cut_and_named(self, store: Store) -> None:
        failing = a_claimed_run(store, payload={"text": "x" * (1024 * 1024 - 20)})

        store.finish([a_transition(failing, RunState.FAILED, **FAILED)])

        [made] = made_by(store, failing.id)
        assert (made.payload["id"], "payload" in made.payload["cut"]) == (failing.id, True)
        assert made.payload["error"] == [FAILED["error"]]


def a_claimed_run(store: Store, **fields: Any) -> Any:
    store.enqueue([a_run(**fields)])
    [claimed] = claim(store, a_node(store))
    return claimed


def made_by(store: Store, *failed: int) -> list[Run]:
    """Newest first."""
    return store.runs(RunFilter(failures_of=failed))
