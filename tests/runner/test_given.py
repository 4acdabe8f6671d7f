"""What a caller gives a client by mistake: the same answer from either database, and one that says what to give instead."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from jobsched import Client, Enqueue, Runner
from jobsched.errors import DatabaseUrlError, UnknownRunError
from jobsched.handlers.registry import Registry
from jobsched.model.run import Refusal


@pytest.fixture
def client(database_url: str) -> Iterator[Client]:
    with Client(database_url) as client:
        yield client


_OF_A_RUN: dict[str, Callable[[Client, Any], object]] = {
    "run": lambda client, run: client.run(run),
    "wait": lambda client, run: client.wait(run, 0),
    "log": lambda client, run: client.log(run),
    "lacks": lambda client, run: client.lacks(run),
    "requeue": lambda client, run: client.requeue(run),
    "cancel_all": lambda client, run: client.cancel_all([run]),
    "delete_all": lambda client, run: client.delete_all([run]),
    "runs_of": lambda client, run: client.runs_of([run]),
}


def test_what_is_no_id_of_a_run_is_refused_with_what_to_give(client: Client) -> None:
    made = client.enqueue("work")

    for ask in _OF_A_RUN.values():
        with pytest.raises(TypeError, match=r"is no id of a run: give its id, as made\.id"):
            ask(client, made)
        for wrong in ("1", None, 1.0, True, [made.id]):
            with pytest.raises(TypeError, match="is no id of a run, which is a whole number"):
                ask(client, wrong)

    assert [run.id for run in client.runs(state="pending")] == [made.id]


def test_what_is_no_list_of_ids_is_refused(client: Client) -> None:
    for wrong in (7, None, "12"):
        with pytest.raises(TypeError, match="is no list of ids of runs"):
            client.cancel_all(wrong)  # type: ignore[arg-type]


def test_many_runs_may_be_named_by_whatever_can_be_gone_through(client: Client) -> None:
    made = client.enqueue_many([Enqueue("work")] * 3)

    answers = client.cancel_all(one.id for one in made)

    assert [(answer.id, answer.refused) for answer in answers] == [(one.id, None) for one in made]


@pytest.mark.parametrize("impossible", [-1, 2**63, 2**70])
def test_a_number_that_no_run_can_have_is_that_of_none(client: Client, impossible: int) -> None:
    with pytest.raises(UnknownRunError):
        client.wait(impossible, 0)

    assert [*client.log(impossible), *client.lacks(impossible), *client.runs_of([impossible])] == []
    assert [answer.refused for answer in client.delete_all([impossible])] == [Refusal.UNKNOWN]


@pytest.mark.parametrize("timeout", [timedelta(0), 0, 0.0, "0s"])
def test_how_long_to_wait_is_a_timedelta_seconds_or_text(client: Client, timeout: timedelta | float | str) -> None:
    made = client.enqueue("work", batch="b")

    with pytest.raises(TimeoutError, match=f"run {made.id} is still pending after 0s"):
        client.wait(made.id, timeout)
    with pytest.raises(TimeoutError, match="after 0s batch b: 1 of 1 runs are not over"):
        client.batch("b").wait(timeout)


def test_what_is_no_duration_is_not_waited_for(client: Client) -> None:
    with pytest.raises(ValueError, match="timeout='soon': 'soon' is no duration"):
        client.wait(client.enqueue("work").id, "soon")


@pytest.mark.parametrize("limit", [-1, None, "5", True, 2**63])
def test_a_limit_that_is_no_number_of_runs_is_refused(client: Client, limit: Any) -> None:
    with pytest.raises(ValueError, match=r"limit=.* is no whole number from 0"):
        client.runs(limit=limit)


def test_a_list_goes_on_after_any_number(client: Client) -> None:
    made = client.enqueue("work")

    assert [run.id for run in client.runs(before_id=2**70)] == [made.id]
    assert client.runs(before_id=-(2**70)) == []


@pytest.mark.parametrize("name", ["job", "handler", "queue", "tag", "batch"])
def test_what_a_list_is_asked_for_is_a_text(client: Client, name: str) -> None:
    for wrong in (["a"], 7, print):
        with pytest.raises(TypeError, match=f"^{name}=.* is no text: give one name"):
            client.runs(**{name: wrong})  # type: ignore[arg-type]

    for impossible in ("a\0b", "\ud800"):
        assert client.runs(**{name: impossible}) == []  # type: ignore[arg-type]


def test_one_state_where_a_list_of_them_is_wanted_is_named(client: Client) -> None:
    with pytest.raises(ValueError, match="states='failed': give a list of them, or one as state='failed'"):
        client.runs(states="failed")


def test_what_can_be_the_name_of_no_batch_has_no_runs(client: Client) -> None:
    assert client.batch("a\0b").wait(0).total == 0
    with pytest.raises(TypeError, match="batch=7 is no text"):
        client.batch(7)  # type: ignore[arg-type]


@pytest.mark.parametrize("at", ["10m", None, timedelta(1), 5])
def test_what_is_no_instant_moves_no_run(client: Client, at: Any) -> None:
    made = client.enqueue("work")

    with pytest.raises(ValueError, match="is no datetime: give one with a zone"):
        client.reschedule(made.id, at)

    assert client.run(made.id).available_at == client.run(made.id).created_at


@pytest.mark.parametrize("database", [None, Path("jobs.db")])
def test_what_is_no_url_is_refused_when_the_client_is_made(database: Any) -> None:
    with pytest.raises(DatabaseUrlError, match=r"must be a URL like sqlite:///jobs\.db, or an open store, not "):
        Client(database)


def test_a_handler_that_is_enqueued_without_a_client_says_so() -> None:
    @Registry().handler("send")
    def send(to: str) -> None: ...

    with pytest.raises(TypeError, match="'ana' is no client: give one first, then the arguments of 'send'"):
        send.enqueue("ana", to="bob")  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", ["", "A B", "a\0b", "-x", "x" * 101, None, 5])
def test_a_namespace_that_no_file_can_name_is_refused_since_no_node_would_serve_it(
    database_url: str, wrong: Any
) -> None:
    with pytest.raises(ValueError, match=r"^namespace=.* is no name: use letters"):
        Client(database_url, namespace=wrong)


_OF_A_JOB: dict[str, Callable[[Client, Any], object]] = {
    "job": lambda client, job: client.job(job),
    "jobs": lambda client, job: client.jobs([job]),
    "trigger": lambda client, job: client.trigger(job),
    "why": lambda client, job: client.why(job),
    "pause": lambda client, job: client.pause(job),
    "recent_runs": lambda client, job: client.recent_runs([job]),
    "create_job": lambda client, job: client.create_job(job, {"handler": "a.b"}),
    "delete_job": lambda client, job: client.delete_job(job),
}


@pytest.mark.parametrize("ask", _OF_A_JOB.values(), ids=_OF_A_JOB)
def test_what_is_no_name_of_a_job_is_refused_as_the_function_that_it_runs(
    client: Client, ask: Callable[[Client, Any], object]
) -> None:
    for wrong in (test_many_runs_may_be_named_by_whatever_can_be_gone_through, None, 7):
        with pytest.raises(TypeError, match=r"is no name of a job: give it as it stands in jobs\.yaml"):
            ask(client, wrong)


def test_one_name_is_no_list_of_names(client: Client) -> None:
    with pytest.raises(TypeError, match="is no list of names of jobs"):
        client.jobs("nightly")


def test_a_run_that_is_named_twice_is_changed_once(client: Client) -> None:
    made = client.enqueue("work")

    answers = client.cancel_all([made.id, made.id])

    assert [(answer.id, answer.refused) for answer in answers] == [(made.id, None)]


def test_a_time_is_a_timedelta_seconds_or_text_wherever_one_is_given(client: Client) -> None:
    minutes: dict[str, timedelta | float | str] = {"a": timedelta(minutes=1), "b": 60, "c": "1m"}
    for queue, minute in minutes.items():
        [pause] = client.pause(queue=queue, duration=minute)
        assert pause.until is not None
        assert pause.until - pause.since == timedelta(minutes=1)
        assert client.upcoming(minute) == []

    with pytest.raises(ValueError, match="duration='soon': 'soon' is no duration; write 200ms"):
        client.pause(queue="mail", duration="soon")
    with pytest.raises(ValueError, match="within='soon': 'soon' is no duration"):
        client.upcoming("soon")


def test_a_runner_is_given_a_client_and_threads_to_perform_with(client: Client) -> None:
    with pytest.raises(
        TypeError, match=r"a Runner is given a Client, not 'sqlite:///jobs.db': Runner\(Client\(URL\)\)"
    ):
        Runner("sqlite:///jobs.db")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="threads=0 is no whole number from 1"):
        Runner(client, threads=0)
    for wrong in ("mail", [], ["a b"]):
        with pytest.raises(ValueError, match="give a list of names of queues, or leave it out for all"):
            Runner(client, queues=wrong)


def test_a_runner_serves_the_queues_that_it_is_told(client: Client) -> None:
    registry = Registry()
    registry.handler("work")(lambda: None)
    other, mail = client.enqueue("work", queue="other"), client.enqueue("work", queue="mail")

    with Runner(client, queues=["mail"], registry=registry):
        assert client.wait(mail.id, "20s").state == "succeeded"

    assert client.run(other.id).state == "pending"
