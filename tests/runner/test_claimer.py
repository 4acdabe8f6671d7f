"""A program that claims runs and says itself what became of each."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from tests.runner.conftest import PATIENCE, Bench

from jobsched import Claimer
from jobsched.errors import OutcomeUnknownError, ResultError, StoreUnavailableError
from jobsched.model.job import Retries
from jobsched.model.run import RunState
from jobsched.observe.events import RunSucceeded
from jobsched.runner.claimer import Claimed

NO_TIME = timedelta(0)


def claimed_by(claimer: Claimer) -> Claimed:
    claimed = claimer.claim(wait=PATIENCE)
    assert claimed is not None
    return claimed


def test_a_program_completes_what_it_has_claimed(either_bench: Bench) -> None:
    client = either_bench.client
    first = client.enqueue("mail.send", {"to": "ana"}, queue="mail", priority=-1)
    other = client.enqueue("pdf.make", queue="pdf")

    with Claimer(client, ["mail"]) as claimer:
        claimed = claimed_by(claimer)
        running = client.run(first.id)
        done = claimed.complete({"sent": True})
        empty = claimer.claim()

    assert (claimed.id, claimed.handler, claimed.payload, claimed.attempt) == (first.id, "mail.send", {"to": "ana"}, 1)
    assert (running.state, running.node) == (RunState.RUNNING, claimer.node)
    assert (done, empty) == (True, None)
    assert (client.run(first.id).state, client.run(first.id).result) == (RunState.SUCCEEDED, {"sent": True})
    assert client.run(other.id).state is RunState.PENDING


def test_what_a_program_fails_is_tried_again_as_its_attempts_allow(either_bench: Bench) -> None:
    client = either_bench.client
    made = client.enqueue("mail.send", queue="mail", max_attempts=2)

    with Claimer(client, ["mail"]) as claimer:
        first = claimed_by(claimer).fail("no answer", retry_after=NO_TIME)
        second = claimed_by(claimer).fail(OSError("no route"))

    run = client.run(made.id)
    assert (first, second, run.state, run.attempt) == (True, True, RunState.FAILED, 2)
    assert [(entry["type"], entry["message"]) for entry in run.error] == [
        ("Failed", "no answer"),
        ("OSError", "no route"),
    ]


def test_a_permanent_failure_is_not_tried_again(either_bench: Bench) -> None:
    client = either_bench.client
    made = client.enqueue("mail.send", queue="mail", max_attempts=5)

    with Claimer(client, ["mail"]) as claimer:
        claimed_by(claimer).fail("no such address", permanent=True)

    assert (client.run(made.id).state, client.run(made.id).attempt) == (RunState.FAILED, 1)


def test_what_is_claimed_and_not_finished_goes_back_when_the_claimer_ends(either_bench: Bench) -> None:
    client = either_bench.client
    made = client.enqueue("mail.send", queue="mail")

    with Claimer(client, ["mail"]) as claimer:
        claimed = claimed_by(claimer)
        given_back = claimed.give_back()
        again = claimed_by(claimer)

    assert (given_back, again.attempt) == (True, 1)
    run = client.run(made.id)
    assert (run.state, run.attempt, client.nodes()) == (RunState.PENDING, 0, [])
    assert again.complete() is False


def test_who_lost_the_lease_completes_nothing_any_more(bench: Bench) -> None:
    client = bench.client
    made = client.enqueue("mail.send", queue="mail")

    with Claimer(client, ["mail"], lease=timedelta(seconds=1)) as late:
        claimed, first = claimed_by(late), late.node

        def heartbeat(real: Callable[..., Any], node: int, info: object) -> Any:
            if node == first:
                raise StoreUnavailableError("the heartbeats of the first do not arrive")
            return real(node, info)

        bench.store.on("heartbeat", heartbeat)
        with Claimer(client, ["mail"], lease=timedelta(seconds=2)) as successor:
            assert claimed_by(successor).complete("by the successor") is True

        assert (claimed.complete("too late"), claimed.cancelled) == (False, True)

    assert client.run(made.id).result == "by the successor"


def test_a_job_is_tried_again_as_its_file_says_and_told_of_as_any_other(bench: Bench) -> None:
    client = bench.client
    bench.declare("nightly", queue="mail", retries=Retries(max=1, delay=NO_TIME), timeout=None)
    made = bench.trigger("nightly")
    heard = threading.Event()

    with Claimer(client, ["mail"]) as claimer:
        claimer.on(RunSucceeded, lambda _: heard.set())
        claimed_by(claimer).fail("not yet")
        second = claimed_by(claimer)
        second.complete()
        assert heard.wait(PATIENCE.total_seconds())

    assert (second.job, second.attempt, client.run(made).state) == ("nightly", 2, RunState.SUCCEEDED)


def test_a_claimed_run_that_is_cancelled_says_so_and_ends_as_cancelled(bench: Bench) -> None:
    client = bench.client
    made = client.enqueue("mail.send", queue="mail", max_attempts=3)

    with Claimer(client, ["mail"]) as claimer:
        claimed = claimed_by(claimer)
        client.cancel(made.id)
        never = threading.Event()
        while not claimed.cancelled:
            never.wait(0.01)
        claimed.fail("stopped")

    assert client.run(made.id).state is RunState.CANCELLED


def test_a_result_that_is_no_json_leaves_the_run_with_the_program(bench: Bench) -> None:
    client = bench.client
    made = client.enqueue("mail.send", queue="mail")

    with Claimer(client, ["mail"]) as claimer:
        claimed = claimed_by(claimer)
        with pytest.raises(ResultError):
            claimed.complete(object())
        assert claimed.complete("as text") is True

    assert client.run(made.id).result == "as text"


def test_what_became_of_a_claimed_run_may_be_said_again_while_the_database_was_away(bench: Bench) -> None:
    client = bench.client
    made = client.enqueue("mail.send", queue="mail")

    with Claimer(client, ["mail"]) as claimer:
        claimed = claimed_by(claimer)
        bench.store.on("finish", away)
        with pytest.raises(StoreUnavailableError):
            claimed.complete("sent")
        bench.store.clear()

        assert claimed.complete("sent") is True
        assert claimed.complete("sent") is True
        assert (claimed.complete("another"), claimed.fail("no")) == (False, False)

    assert client.run(made.id).result == "sent"


@pytest.mark.parametrize("say", [lambda it: it.complete(1), lambda it: it.fail("no"), lambda it: it.give_back()])
def test_what_a_commit_without_an_answer_had_written_is_found_when_it_is_said_again(
    bench: Bench, say: Callable[[Claimed], bool]
) -> None:
    client = bench.client
    client.enqueue("mail.send", queue="mail", max_attempts=2)

    def unanswered(real: Callable[..., Any], *args: Any) -> Any:
        bench.store.on("finish", away)
        real(*args)
        raise OutcomeUnknownError("the answer was lost")

    with Claimer(client, ["mail"]) as claimer:
        claimed = claimed_by(claimer)
        bench.store.on("finish", unanswered)
        with pytest.raises(StoreUnavailableError):
            say(claimed)
        bench.store.clear()

        assert say(claimed) is True


def away(*_: Any) -> Any:
    raise StoreUnavailableError("the database is away")


@pytest.mark.parametrize("queues", [[], "mail"])
def test_a_claimer_names_its_queues(bench: Bench, queues: list[str]) -> None:
    with pytest.raises(ValueError, match="name the queues"):
        Claimer(bench.client, queues)
