"""What `@handler(…)` says of runs that are enqueued: frozen where they are made, or read where they are performed."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from jobsched import Context
from jobsched.handlers.registry import Registry
from jobsched.model.job import Retries
from jobsched.model.options import declared_options
from jobsched.model.run import Reason, RunState

if TYPE_CHECKING:
    from tests.runner.conftest import Bench


@pytest.fixture
def declared(bench: "Bench") -> Iterator[Registry]:
    """The bench's registry notes options for clients, as the default one does."""
    before = dict(declared_options)
    bench.registry = Registry(options=declared_options)
    yield bench.registry
    declared_options.clear()
    declared_options.update(before)


def test_queue_priority_and_attempts_of_an_enqueued_run_are_those_of_the_decorator(
    bench: "Bench", declared: Registry
) -> None:
    declared.handler("send", queue="mail", priority=-3, retries=4)(lambda: None)

    run = bench.client.run(bench.client.enqueue("send").id)
    other = bench.client.run(bench.client.enqueue("send", queue="other", priority=0, max_attempts=1).id)

    assert (run.queue, run.priority, run.max_attempts) == ("mail", -3, 5)
    assert (other.queue, other.priority, other.max_attempts) == ("other", 0, 1)


def test_a_program_that_does_not_know_the_handler_goes_by_what_is_built_in(bench: "Bench") -> None:
    run = bench.client.run(bench.client.enqueue("unheard.of").id)

    assert (run.queue, run.priority, run.max_attempts) == ("default", 0, 1)


def test_an_enqueued_run_is_retried_as_the_decorator_says(bench: "Bench", declared: Registry) -> None:
    @declared.handler("send", retries={"max": 5, "delay": "10ms"}, no_retry_on=[KeyError])
    def send(ctx: Context) -> None:
        raise KeyError("no such address") if ctx.attempt == 3 else ValueError("not yet")

    bench.node()

    run = bench.ended(bench.client.enqueue("send").id)

    assert (run.state, run.attempt, run.max_attempts) == (RunState.FAILED, 3, 6)


def test_an_enqueued_run_has_the_timeout_of_the_decorator(bench: "Bench", declared: Registry) -> None:
    let = threading.Event()

    @declared.handler("slow", timeout={"after": 0.1, "kill_after": 0.1})
    def slow() -> None:
        let.wait(60)

    bench.node()

    run = bench.ended(bench.client.enqueue("slow").id)
    let.set()

    assert (run.state, run.reason) == (RunState.FAILED, Reason.TIMEOUT)
    assert "its timeout of 0.1 s" in run.error[0]["message"]


def test_a_job_goes_by_its_declaration_alone(bench: "Bench", declared: Registry) -> None:
    @declared.handler("work", retries={"max": 5, "delay": 0}, timeout=60, queue="mail")
    def work(ctx: Context) -> None:
        raise ValueError(ctx.deadline)

    bench.declare("work", retries=Retries(1, delay=timedelta(milliseconds=10)))
    bench.node()

    run = bench.ended(bench.trigger("work"))

    assert (run.queue, run.attempt, run.error[0]["message"]) == ("default", 2, "None")
