"""What `@handler(…)` says of runs: frozen where they are enqueued, or read where they are performed."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jobsched import Context
from jobsched.handlers.registry import Registry, default_registry
from jobsched.model.job import Retries, Timeout
from jobsched.model.options import declared_options
from jobsched.model.run import Reason, Run, RunState

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


def test_an_enqueued_run_has_the_timeout_it_was_enqueued_with(either_bench: "Bench") -> None:
    @either_bench.handler
    def left(ctx: Context) -> bool:
        return ctx.deadline is not None

    either_bench.node()
    made = [either_bench.client.enqueue("left", timeout=timeout) for timeout in ("1h", None)]

    assert [either_bench.ended(one.id).result for one in made] == [True, False]
    assert [either_bench.client.run(one.id).timeout for one in made] == [timedelta(hours=1), None]


def test_a_timeout_that_a_run_was_enqueued_with_goes_before_the_decorators(bench: "Bench", declared: Registry) -> None:
    let = threading.Event()

    @declared.handler("slow", timeout={"after": "1h", "kill_after": 0.1})
    def slow() -> None:
        let.wait(60)

    bench.node()

    run = bench.ended(bench.client.enqueue("slow", timeout=0.1).id)
    let.set()

    assert (run.state, run.reason) == (RunState.FAILED, Reason.TIMEOUT)
    assert "its timeout of 0.1 s" in run.error[0]["message"]


def failing(**options: Any) -> Registry:
    """The code of a node: a handler that fails, and says which attempts it was told of, and whether it has a timeout."""
    registry = Registry()

    @registry.handler("work", **options)
    def work(ctx: Context) -> None:
        raise ValueError(ctx.attempt, ctx.max_attempts, ctx.deadline is not None)

    return registry


def told(run: Run) -> list[str]:
    return [entry["message"] for entry in run.error]


def test_a_job_that_is_silent_goes_by_its_handlers_decorator_and_the_row_shows_it(either_bench: "Bench") -> None:
    either_bench.declare("work")
    either_bench.node(failing(retries={"max": 2, "delay": 0}, timeout=60))

    run = either_bench.ended(either_bench.trigger("work"))

    assert (run.state, run.attempt, run.max_attempts) == (RunState.FAILED, 3, 3)
    assert told(run) == ["(1, 3, True)", "(2, 3, True)", "(3, 3, True)"]


def test_what_a_job_says_itself_goes_before_the_decorator_part_by_part(bench: "Bench") -> None:
    own = frozenset({"retries.max", "timeout.after", "timeout.kill_after"})
    bench.declare("work", retries=Retries(1, delay=timedelta(days=1)), given=own)
    bench.node(failing(retries={"max": 5, "delay": 0}, timeout=60))

    run = bench.ended(bench.trigger("work"))

    assert (run.attempt, run.max_attempts, told(run)) == (2, 2, ["(1, 2, False)", "(2, 2, False)"])


def test_the_decorator_goes_before_what_comes_from_the_defaults(bench: "Bench") -> None:
    bench.declare("work", retries=Retries(5, delay=timedelta(days=1)), timeout=Timeout(timedelta(days=1)))
    bench.node(failing(retries={"max": 3, "delay": 0}, no_retry_on=[ValueError]))

    run = bench.ended(bench.trigger("work"))

    assert (run.attempt, run.max_attempts, told(run)) == (1, 4, ["(1, 4, True)"])


def test_queue_and_priority_of_a_job_are_those_of_its_file(bench: "Bench", declared: Registry) -> None:
    declared.handler("work", queue="mail", priority=-3)(lambda: None)
    bench.declare("work", queue="night")

    run = bench.client.run(bench.trigger("work"))

    assert (run.queue, run.priority) == ("night", 0)


def test_of_two_nodes_with_different_code_that_of_the_performer_holds(bench: "Bench") -> None:
    bench.declare("work")
    first = bench.node(failing(retries={"max": 9, "delay": "1s", "jitter": 0}))
    run_id = bench.trigger("work")
    assert bench.eventually(run_id, RunState.SCHEDULED).max_attempts == 10
    first.stop()
    first.shut_down()

    bench.node(failing(retries=1))

    run = bench.ended(run_id)
    assert (run.state, run.max_attempts) == (RunState.FAILED, 2)


def test_a_requeued_run_is_granted_anew_what_the_decorator_says(bench: "Bench") -> None:
    bench.declare("work")
    bench.node(failing(retries={"max": 1, "delay": 0}))
    run_id = bench.trigger("work")
    bench.ended(run_id)

    bench.client.requeue(run_id)

    run = bench.ended(run_id)
    assert (run.attempt, run.max_attempts) == (4, 4)


def test_a_handler_in_a_process_of_its_own_goes_by_its_decorator_too(
    bench: "Bench", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = f"decorated_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{module}.py").write_text(APART)
    monkeypatch.syspath_prepend(tmp_path)
    bench.declare("work", f"{module}:work", executor="process")
    bench.node(default_registry)

    run = bench.ended(bench.trigger("work"))

    assert (run.state, run.attempt, run.max_attempts) == (RunState.SUCCEEDED, 2, 3)
    assert run.result == [2, 3, True]


APART = """
from jobsched import Context, handler

@handler(retries={"max": 2, "delay": 0}, timeout=60)
def work(ctx: Context):
    if ctx.attempt == 1:
        raise ValueError("not yet")
    return [ctx.attempt, ctx.max_attempts, ctx.deadline is not None]
"""
