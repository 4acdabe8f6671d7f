"""`on_failure`: what a node makes of failures, and how the run that tells of them is performed."""

import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from jobsched import Cancel, Context
from jobsched.errors import StoreError
from jobsched.model.handler import PythonHandler, ShellHandler
from jobsched.model.job import OnFailure, Retries, Timeout
from jobsched.model.run import Run, RunState
from jobsched.testing.builders import a_node, claim

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.runner.conftest import Bench

    from jobsched.model.run import Transition

TELL = OnFailure(PythonHandler("tell"), retries=0)
AT_ONCE = Retries(max=2, delay=timedelta(milliseconds=10))


def failure_run_of(bench: "Bench", run_id: int) -> Run:
    """The one run that this failure made, ended."""
    [made] = bench.client.failure_runs([run_id])
    return bench.ended(made.id)


def tells(bench: "Bench") -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = []

    @bench.handler
    def tell(**run: Any) -> None:
        told.append(run)

    return told


def test_a_run_that_used_up_its_retries_is_told_of_once_with_all_its_errors(bench: "Bench") -> None:
    told = tells(bench)

    @bench.handler
    def fail(ctx: Context, *, invoice: int) -> None:
        raise ValueError(f"attempt {ctx.attempt} of {invoice}")

    bench.declare("fail", retries=AT_ONCE, on_failure=TELL)
    bench.node()

    run = bench.ended(bench.trigger("fail", invoice=7))

    assert failure_run_of(bench, run.id).state is RunState.SUCCEEDED
    [payload] = told
    assert (payload["id"], payload["job"], payload["reason"]) == (run.id, "fail", "error")
    assert payload["payload"] == {"invoice": 7}
    assert [error["message"] for error in payload["error"]] == [f"attempt {number} of 7" for number in (1, 2, 3)]


def test_a_command_gets_the_failed_run_on_stdin(bench: "Bench") -> None:
    bench.declare("fail", performs=ShellHandler("exit 3"), on_failure=OnFailure(ShellHandler("cat")))
    bench.node()

    run = bench.ended(bench.trigger("fail"))

    made = failure_run_of(bench, run.id)
    assert '"state":"failed"' in "".join(bench.log(made.id))


def refuse_seven(finish: "Callable[..., Any]", transitions: "list[Transition]") -> Any:
    if any(one.result == 7 for one in transitions):
        raise StoreError("not that one")
    return finish(transitions)


def test_what_succeeds_is_cancelled_or_retried_makes_none(bench: "Bench") -> None:
    told = tells(bench)

    @bench.handler
    def cancels() -> None:
        raise Cancel("not today")

    @bench.handler
    def second_time(ctx: Context) -> None:
        if ctx.attempt == 1:
            raise ValueError("not yet")

    bench.declare("cancels", on_failure=TELL)
    bench.declare("second_time", retries=AT_ONCE, on_failure=TELL)
    bench.node()

    ended = [bench.ended(bench.trigger(name)) for name in ("cancels", "second_time")]

    assert [run.state for run in ended] == [RunState.CANCELLED, RunState.SUCCEEDED]
    assert bench.client.failure_runs([run.id for run in ended]) == []
    assert told == []


def test_a_failure_of_what_tells_of_failures_is_retried_and_makes_no_other(bench: "Bench") -> None:
    @bench.handler
    def fail(**_: Any) -> None:
        raise ValueError("no")

    bench.declare("fail", on_failure=OnFailure(PythonHandler("fail"), retries=0))
    bench.node()

    run = bench.ended(bench.trigger("fail"))

    made = failure_run_of(bench, run.id)
    assert (made.state, made.job) == (RunState.FAILED, None)
    assert bench.client.failure_runs([made.id]) == []


def test_a_thread_that_is_given_up_at_its_timeout_is_told_of(bench: "Bench") -> None:
    told, let = tells(bench), threading.Event()

    @bench.handler
    def stuck() -> None:
        let.wait(60)

    timeout = Timeout(timedelta(milliseconds=100), kill_after=timedelta(milliseconds=100))
    bench.declare("stuck", timeout=timeout, on_failure=TELL)
    bench.node()

    run = bench.ended(bench.trigger("stuck"))
    failure_run_of(bench, run.id)
    let.set()

    assert [payload["reason"] for payload in told] == ["timeout"]


def test_a_handler_that_no_node_knows_is_told_of(bench: "Bench") -> None:
    told = tells(bench)
    bench.declare("odd", handler="no_such_module_at_all:run", on_failure=TELL)
    bench.node(unknown_handler_patience=timedelta(0))

    run = bench.ended(bench.trigger("odd"))
    failure_run_of(bench, run.id)

    assert told[0]["error"][0]["type"] == "UnknownHandlerError"


def test_a_result_that_the_store_refuses_is_told_of(bench: "Bench") -> None:
    told = tells(bench)

    @bench.handler
    def work() -> int:
        return 7

    bench.declare("work", on_failure=TELL)
    bench.store.on("finish", refuse_seven)
    bench.node()

    run = bench.ended(bench.trigger("work"))
    failure_run_of(bench, run.id)

    assert "could not be stored" in told[0]["error"][0]["message"]


def test_a_run_that_is_lost_with_its_node_for_good_is_told_of(bench: "Bench") -> None:
    told = tells(bench)
    bench.declare("lost", on_crash="fail", on_failure=TELL)
    run_id = bench.trigger("lost")
    dead = a_node(bench.client.store, lease=timedelta(seconds=1))
    assert [claimed.id for claimed in claim(bench.client.store, dead)] == [run_id]
    bench.node()

    run = bench.ended(run_id)

    failure_run_of(bench, run.id)
    assert [payload["reason"] for payload in told] == ["lost"]


def test_the_import_path_of_an_on_failure_may_be_performed(bench: "Bench") -> None:
    bench.declare(
        "fail",
        performs=ShellHandler("exit 1"),
        on_failure=OnFailure(PythonHandler("tests.runner.test_on_failure:noted")),
    )
    bench.node()

    run = bench.ended(bench.trigger("fail"))

    assert failure_run_of(bench, run.id).result == run.id


def noted(ctx: Context, **run: Any) -> int:
    failed: int = run["id"]
    return failed


@pytest.mark.parametrize("told_well", [True, False])
def test_until_idle_waits_for_what_tells_of_failures(bench: "Bench", *, told_well: bool) -> None:
    script = ShellHandler("true" if told_well else "exit 1")
    bench.declare("fail", performs=ShellHandler("exit 1"), on_failure=OnFailure(script, retries=0))
    run_id = bench.trigger("fail")
    node = bench.node(once=True)

    failed = node.wait_until_idle()

    [made] = bench.client.failure_runs([run_id])
    assert made.state.final
    assert failed == ([run_id] if told_well else [run_id, made.id])
