"""What becomes of attempts: results, errors, retries, wishes of handlers, timeouts."""

import asyncio
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from jobsched import Cancel, Context, Retry, Snooze
from jobsched.errors import HandlerTimeoutError
from jobsched.model.handler import CommandHandler, ShellHandler
from jobsched.model.job import Concurrency, Retries, Timeout
from jobsched.model.run import Reason, RunState

if TYPE_CHECKING:
    from tests.runner.conftest import Bench

    from jobsched.handlers.call import Call
    from jobsched.handlers.cancel import CancelReason

AT_ONCE = Retries(max=2, delay=timedelta(milliseconds=10))


def test_the_payload_becomes_keyword_arguments_and_the_result_is_kept(bench: "Bench") -> None:
    @bench.handler
    def add(a: int, b: int = 1) -> dict[str, int]:
        return {"sum": a + b}

    bench.declare("add", payload={"a": 1, "b": 2})
    bench.node()

    assert bench.ended(bench.trigger("add")).result == {"sum": 3}
    assert bench.ended(bench.trigger("add", a=5)).result == {"sum": 6}


def test_the_cause_of_an_error_is_kept_before_it(bench: "Bench") -> None:
    @bench.handler
    def fail() -> None:
        try:
            dict[str, int]()["customer"]
        except KeyError as error:
            raise ValueError("no such customer") from error

    bench.declare("fail")
    bench.node()

    [entry] = bench.ended(bench.trigger("fail")).error

    assert entry["message"] == "no such customer"
    before, _, after = entry["traceback"].partition("KeyError: 'customer'\n\nand then:\n\n")
    assert '["customer"]' in before
    assert "raise ValueError" in after


def test_a_context_tells_what_the_handler_is_run_for(bench: "Bench") -> None:
    @bench.handler
    def tell(ctx: Context) -> dict[str, object]:
        return {"id": ctx.run_id, "job": ctx.job, "attempt": ctx.attempt}

    bench.declare("tell")
    bench.node()

    run = bench.ended(bench.trigger("tell"))

    assert run.result == {"id": run.id, "job": "tell", "attempt": 1}


def test_a_coroutine_is_a_handler_too(bench: "Bench") -> None:
    @bench.handler
    async def wait_a_little() -> str:
        await asyncio.sleep(0)
        return "done"

    bench.declare("wait_a_little")
    bench.node()

    assert bench.ended(bench.trigger("wait_a_little")).result == "done"


def test_what_a_handler_prints_and_logs_is_kept_with_its_run(bench: "Bench") -> None:
    @bench.handler
    def talk(ctx: Context) -> None:
        print("printed")
        ctx.log.warning("logged")

    bench.declare("talk")
    bench.node()

    run = bench.ended(bench.trigger("talk"))

    printed, logged = bench.log(run.id)
    assert printed == "printed"
    assert "logged" in logged


def test_an_error_is_retried_with_each_attempt_on_record_until_attempts_are_used_up(bench: "Bench") -> None:
    @bench.handler
    def fail(ctx: Context) -> None:
        raise ValueError(f"attempt {ctx.attempt}")

    bench.declare("fail", retries=AT_ONCE)
    bench.node()

    run = bench.ended(bench.trigger("fail"))

    assert (run.state, run.reason, run.attempt, run.max_attempts) == (RunState.FAILED, Reason.ERROR, 3, 3)
    assert [entry["message"] for entry in run.error] == ["attempt 1", "attempt 2", "attempt 3"]
    assert {entry["type"] for entry in run.error} == {"ValueError"}
    assert "raise ValueError" in run.error[0]["traceback"]


class BusyError(ConnectionError):
    """An error of a handler's own module."""


@pytest.mark.parametrize(
    ("retries", "attempts"),
    [
        (replace(AT_ONCE, retry_on=("ConnectionError",)), 3),
        (replace(AT_ONCE, retry_on=("tests.runner.test_attempts.BusyError",)), 3),
        (replace(AT_ONCE, retry_on=("ValueError",)), 1),
        (replace(AT_ONCE, no_retry_on=("BusyError",)), 1),
        (replace(AT_ONCE, retry_on=("BusyError",), no_retry_on=("OSError",)), 1),
    ],
)
def test_retry_on_and_no_retry_on_name_the_errors_that_are_tried_again(
    bench: "Bench", retries: Retries, attempts: int
) -> None:
    @bench.handler
    def fail() -> None:
        raise BusyError

    bench.declare("fail", retries=retries)
    bench.node()

    run = bench.ended(bench.trigger("fail"))

    assert (run.state, run.attempt) == (RunState.FAILED, attempts)


def test_a_handler_that_asks_for_a_retry_gets_it_whatever_is_listed(bench: "Bench") -> None:
    @bench.handler
    def again() -> None:
        raise Retry(after=0)

    bench.declare("again", retries=replace(AT_ONCE, retry_on=("ValueError",)))
    bench.node()

    assert bench.ended(bench.trigger("again")).attempt == 3


@pytest.mark.parametrize(("code", "attempts"), [(64, 1), (75, 3)])
def test_a_commands_exit_code_says_whether_it_is_tried_again(bench: "Bench", code: int, attempts: int) -> None:
    retries = replace(AT_ONCE, no_retry_on=("exit 64",))
    bench.declare("ends", performs=ShellHandler(f"exit {code}"), retries=retries)
    bench.node()

    assert bench.ended(bench.trigger("ends")).attempt == attempts


def test_an_attempt_that_ran_out_of_time_is_a_handler_timeout_error(bench: "Bench") -> None:
    retries = replace(AT_ONCE, no_retry_on=("HandlerTimeoutError",))
    timeout = Timeout(timedelta(milliseconds=100), kill_after=timedelta(milliseconds=100))
    bench.declare("long", performs=ShellHandler("sleep 600"), retries=retries, timeout=timeout)
    bench.node()

    run = bench.ended(bench.trigger("long"))

    assert (run.state, run.reason, run.attempt) == (RunState.FAILED, Reason.TIMEOUT, 1)


def test_a_retry_that_succeeds_makes_the_run_succeed(bench: "Bench") -> None:
    @bench.handler
    def second_time(ctx: Context) -> int:
        if ctx.attempt == 1:
            raise RuntimeError("not yet")
        return ctx.attempt

    bench.declare("second_time", retries=AT_ONCE)
    bench.node()

    run = bench.ended(bench.trigger("second_time"))

    assert (run.state, run.result, len(run.error)) == (RunState.SUCCEEDED, 2, 1)


def test_retry_says_when_and_uses_up_an_attempt(bench: "Bench") -> None:
    @bench.handler
    def again() -> None:
        raise Retry(after=0.01)

    bench.declare("again", retries=Retries(max=1, delay=timedelta(hours=1)))
    bench.node()

    run = bench.ended(bench.trigger("again"))

    assert (run.state, run.attempt) == (RunState.FAILED, 2)


def test_snooze_comes_back_without_using_up_an_attempt(bench: "Bench") -> None:
    seen = []

    @bench.handler
    def later(ctx: Context) -> str:
        seen.append(ctx.attempt)
        if len(seen) < 3:
            raise Snooze(until=0.01)
        return "now"

    bench.declare("later")
    bench.node()

    run = bench.ended(bench.trigger("later"))

    assert (run.state, run.attempt, seen) == (RunState.SUCCEEDED, 1, [1, 1, 1])


def test_cancel_ends_the_run_without_retry(bench: "Bench") -> None:
    @bench.handler
    def not_needed() -> None:
        raise Cancel("nothing to do")

    bench.declare("not_needed", retries=AT_ONCE)
    bench.node()

    run = bench.ended(bench.trigger("not_needed"))

    assert (run.state, run.reason, run.attempt) == (RunState.CANCELLED, Reason.CANCELLED, 1)
    assert run.error[0]["message"] == "nothing to do"


@pytest.mark.parametrize("raised", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
def test_a_handler_that_tries_to_end_the_process_fails_its_run_only(bench: "Bench", raised: BaseException) -> None:
    @bench.handler
    def leave() -> None:
        raise raised

    @bench.handler
    def stay() -> str:
        return "here"

    bench.declare("leave")
    bench.declare("stay")
    bench.node(threads=1)

    run = bench.ended(bench.trigger("leave"))

    assert run.state is RunState.FAILED
    assert type(raised).__name__ in run.error[0]["message"]
    assert bench.ended(bench.trigger("stay")).result == "here"


@pytest.mark.parametrize(
    ("value", "shown"),
    [("nul \x00", "nul \\u0000"), ("lone \ud800", "lone \\ud800")],
)
def test_text_that_no_database_takes_is_escaped(bench: "Bench", value: str, shown: str) -> None:
    @bench.handler
    def odd() -> str:
        print(value)
        return value

    bench.declare("odd")
    bench.node()

    run = bench.ended(bench.trigger("odd"))

    assert (run.state, run.result) == (RunState.SUCCEEDED, shown)
    assert bench.log(run.id) == [shown]


@pytest.mark.parametrize("value", [float("nan"), object(), {"deep": {1, object()}}, "x" * 2_000_000])
def test_a_result_that_is_no_json_fails_the_run_without_retry(bench: "Bench", value: object) -> None:
    @bench.handler
    def strange() -> object:
        return value

    bench.declare("strange", retries=AT_ONCE)
    bench.node()

    run = bench.ended(bench.trigger("strange"))

    assert (run.state, run.attempt, run.error[0]["type"]) == (RunState.FAILED, 1, "ResultError")


def test_a_payload_that_does_not_fit_fails_without_retry_and_says_what_is_wrong(bench: "Bench") -> None:
    @bench.handler
    def needs(a: int) -> int:
        return a

    bench.declare("needs", retries=AT_ONCE)
    bench.node()

    run = bench.ended(bench.trigger("needs", b=1))

    assert (run.state, run.attempt, run.error[0]["type"]) == (RunState.FAILED, 1, "PayloadError")


def test_an_unknown_handler_is_left_to_others_and_fails_when_nobody_knew_it(bench: "Bench") -> None:
    bench.declare("odd", handler="no_such_module_at_all:run")
    bench.node(unknown_handler_patience=timedelta(0))

    run = bench.ended(bench.trigger("odd"))

    assert run.state is RunState.FAILED
    assert "no_such_module_at_all" in run.error[0]["message"]


def test_a_node_that_does_not_know_a_handler_leaves_its_run_pending(bench: "Bench") -> None:
    bench.declare("odd", handler="no_such_module_at_all:run")
    node = bench.node()
    left = threading.Event()
    leave = node.dispatcher.leave_to_others
    node.dispatcher.leave_to_others = lambda handler: (leave(handler), left.set())  # type: ignore[method-assign,func-returns-value,assignment]

    run_id = bench.trigger("odd")

    assert left.wait(20)
    assert bench.eventually(run_id, RunState.PENDING).attempt == 0


def test_a_command_fails_with_its_exit_code_and_last_words(bench: "Bench") -> None:
    bench.declare("bad", performs=ShellHandler("echo going; echo wrong >&2; exit 3"))
    bench.node()

    run = bench.ended(bench.trigger("bad"))

    assert run.state is RunState.FAILED
    assert "3" in run.error[0]["message"]
    assert sorted(bench.log(run.id)) == ["going", "wrong"]


def test_a_command_is_killed_at_its_timeout_with_its_children(bench: "Bench") -> None:
    bench.declare(
        "long",
        performs=CommandHandler(("sh", "-c", "sleep 600 & sleep 600")),
        timeout=Timeout(timedelta(milliseconds=200), kill_after=timedelta(milliseconds=200)),
    )
    bench.node()

    run = bench.ended(bench.trigger("long"))

    assert (run.state, run.reason) == (RunState.FAILED, Reason.TIMEOUT)


def test_a_handler_that_heeds_its_context_ends_at_the_timeout(bench: "Bench") -> None:
    @bench.handler
    def patient(ctx: Context) -> None:
        while True:
            ctx.check()

    bench.declare("patient", timeout=Timeout(timedelta(milliseconds=100)))
    node = bench.node()

    run = bench.ended(bench.trigger("patient"))

    assert (run.state, run.reason, node.pool.abandoned) == (RunState.FAILED, Reason.TIMEOUT, 0)


def test_a_handler_that_ignores_its_timeout_fails_and_its_thread_is_replaced(bench: "Bench") -> None:
    let = threading.Event()

    @bench.handler
    def stuck() -> str:
        let.wait(60)
        return "too late"

    @bench.handler
    def other() -> str:
        return "ran"

    bench.declare("stuck", timeout=Timeout(timedelta(milliseconds=100), kill_after=timedelta(milliseconds=100)))
    bench.declare("other")
    node = bench.node(threads=1, max_abandoned=2)

    run = bench.ended(bench.trigger("stuck"))
    abandoned = node.pool.abandoned
    other_run = bench.ended(bench.trigger("other"))
    let.set()

    assert (run.state, run.reason, run.result) == (RunState.FAILED, Reason.TIMEOUT, None)
    assert abandoned == 1
    assert other_run.result == "ran"
    assert bench.client.run(run.id).result is None


def test_the_retry_of_a_stuck_attempt_waits_until_its_thread_has_ended(bench: "Bench") -> None:
    let, running = threading.Event(), []

    @bench.handler
    def stuck(ctx: Context) -> str:
        running.append(ctx.attempt)
        if ctx.attempt == 1:
            let.wait(60)
        return "second"

    bench.declare(
        "stuck",
        timeout=Timeout(timedelta(milliseconds=100), kill_after=timedelta(milliseconds=100)),
        retries=AT_ONCE,
    )
    node = bench.node()
    run_id = bench.trigger("stuck")
    never = threading.Event()
    while not node.pool.abandoned:
        never.wait(0.01)

    state = bench.client.run(run_id).state
    let.set()
    run = bench.ended(run_id)

    assert state is RunState.RUNNING
    assert (run.state, run.result, running) == (RunState.SUCCEEDED, "second", [1, 2])


def test_the_runs_of_a_limited_job_never_overlap_and_wait_their_turn(bench: "Bench") -> None:
    lock, worst = threading.Lock(), []

    @bench.handler
    def alone() -> None:
        worst.append(lock.acquire(blocking=False))
        lock.release()

    bench.declare("alone", concurrency=Concurrency("forbid", 1))
    bench.node()
    bench.node()

    runs = [bench.trigger("alone") for _ in range(20)]

    assert {bench.ended(run).state for run in runs} == {RunState.SUCCEEDED}
    assert all(worst)


def test_an_ad_hoc_run_performs_a_registered_handler_and_retries_by_its_own_attempts(bench: "Bench") -> None:
    @bench.handler
    def fail(ctx: Context) -> None:
        raise ValueError(str(ctx.job))

    bench.node()
    made = bench.client.enqueue("fail", max_attempts=1)

    run = bench.ended(made.id)

    assert (run.state, run.job, run.error[0]["message"]) == (RunState.FAILED, None, "None")


def test_an_ad_hoc_run_may_not_name_an_import_path_that_no_job_declares(bench: "Bench") -> None:
    bench.node(unknown_handler_patience=timedelta(0))

    run = bench.ended(bench.client.enqueue("os:getcwd").id)

    assert run.state is RunState.FAILED
    assert run.error[0]["type"] == "UnknownHandlerError"


def test_the_shipped_prune_deletes_what_ended_before_an_age_and_nothing_else(bench: "Bench", sqlite_url: str) -> None:
    bench.declare("fine", performs=CommandHandler(("true",)))
    bench.declare("prune", handler="jobsched.handlers.maintenance:prune", payload={"database": sqlite_url})
    bench.node()
    old = bench.ended(bench.trigger("fine"))

    kept = bench.ended(bench.trigger("prune", database=sqlite_url, older_than="1h"))
    pruned = bench.ended(bench.trigger("prune", database=sqlite_url, older_than=0))

    assert kept.result == {"pruned": 0}
    assert pruned.result == {"pruned": 2}
    assert old.id not in [run.id for run in bench.client.runs()]


class UnspeakableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    ("wish", "type_name"),
    [
        (lambda: Snooze(until=datetime(2026, 1, 1)), "ValueError"),
        (lambda: Snooze(until=timedelta.max), None),
        (lambda: Retry(after="5m"), "TypeError"),  # type: ignore[arg-type]
        (UnspeakableError, "UnspeakableError"),
    ],
)
def test_no_wish_or_error_of_a_handler_leaves_its_run_running(
    bench: "Bench", wish: Callable[[], Exception], type_name: str | None
) -> None:
    @bench.handler
    def wishes() -> None:
        raise wish()

    bench.declare("wishes")
    node = bench.node()
    run_id = bench.trigger("wishes")

    if type_name is None:
        assert bench.eventually(run_id, RunState.SCHEDULED).attempt == 0
    else:
        run = bench.ended(run_id)
        assert (run.state, run.error[0]["type"]) == (RunState.FAILED, type_name)
    never = threading.Event()
    while len(node.held):
        never.wait(0.01)


def test_a_module_that_hangs_at_its_import_fails_its_attempt_at_the_timeout(
    bench: "Bench", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hangs_at_import.py").write_text("import gate\ngate.opened.wait()\ndef run(): pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    gate = SimpleNamespace(opened=threading.Event())
    monkeypatch.setitem(sys.modules, "gate", gate)
    soon = Timeout(timedelta(milliseconds=100), kill_after=timedelta(milliseconds=50))
    bench.declare("hangs", "hangs_at_import:run", timeout=soon)
    bench.node()

    run = bench.ended(bench.trigger("hangs"))
    gate.opened.set()

    assert (run.state, run.reason) == (RunState.FAILED, Reason.TIMEOUT)


@pytest.mark.parametrize("reason", ["fenced", "shutdown", "timeout"])
def test_an_error_of_its_own_counts_though_the_node_is_held_up_before_it_is_decided(
    either_bench: "Bench", reason: "CancelReason"
) -> None:
    bench, attempts = either_bench, []

    def held_up(call: "Call", perform: Callable[[], object]) -> object:
        try:
            return perform()
        finally:
            if call.attempt == 1:
                call.cancel.cancel(reason)

    @bench.handler
    def fails_once(ctx: Context) -> None:
        attempts.append(ctx.attempt)
        if ctx.attempt == 1:
            raise LookupError

    bench.declare("fails_once", retries=Retries(max=1, delay=timedelta(0)))
    bench.node().use(held_up)

    run = bench.ended(bench.trigger("fails_once"))

    assert (run.state, attempts) == (RunState.SUCCEEDED, [1, 2])
    assert [(error["type"], error["reason"]) for error in run.error] == [("LookupError", "error")]


def test_an_attempt_that_sees_itself_that_its_time_is_up_has_timed_out(bench: "Bench") -> None:
    @bench.handler
    def looks_at_the_clock() -> None:
        raise HandlerTimeoutError("not answered when the timeout of the attempt passed")

    bench.declare("looks_at_the_clock")
    bench.node()

    assert bench.ended(bench.trigger("looks_at_the_clock")).reason is Reason.TIMEOUT
