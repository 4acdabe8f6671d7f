import asyncio
import contextvars
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from jobsched.errors import (
    Cancel,
    HandlerCancelledError,
    HandlerExitError,
    HandlerTimeoutError,
    PayloadError,
    ResultError,
    Retry,
    Snooze,
    UnknownHandlerError,
)
from jobsched.handlers.call import current_log
from jobsched.handlers.context import Context
from jobsched.model.handler import PythonHandler

from .conftest import Bench

InThread = Callable[[Callable[[], Any]], Callable[[], Any]]


def test_the_payload_becomes_the_keyword_arguments(bench: Bench) -> None:
    def add(a: int, b: int = 2) -> int:
        return a + b

    assert bench.python(add, {"a": 40}) == 42


def test_a_handler_that_asks_for_it_gets_its_context_first(bench: Bench) -> None:
    def told(ctx: Context, a: int) -> list[Any]:
        return [ctx.run_id, ctx.namespace, ctx.job, ctx.attempt, ctx.max_attempts, dict(ctx.payload), a]

    assert bench.python(told, {"a": 1}, attempt=2) == [7, "default", "nightly", 2, 3, {"a": 1}, 1]


def test_the_idempotency_key_is_that_of_the_run_not_of_the_attempt(bench: Bench) -> None:
    def key(ctx: Context) -> str:
        return ctx.idempotency_key

    assert bench.python(key, attempt=1) == bench.python(key, attempt=2) == "jobsched-7"


def test_the_deadline_is_an_instant(bench: Bench) -> None:
    bench.cancel.deadline = bench.cancel._clock.monotonic() + 60

    def left(ctx: Context) -> bool:
        assert ctx.deadline is not None
        return timedelta(seconds=50) < ctx.deadline - ctx.started_at <= timedelta(seconds=60)

    assert bench.python(left) is True


def test_without_a_timeout_there_is_no_deadline(bench: Bench) -> None:
    def deadline(ctx: Context) -> bool:
        return ctx.deadline is None

    assert bench.python(deadline) is True


def test_ctx_log_writes_to_the_log_of_the_run_alone(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    def logs(ctx: Context) -> None:
        ctx.log.debug("details of %s", "it")
        try:
            1 / 0  # noqa: B018
        except ZeroDivisionError:
            ctx.log.exception("failed")

    bench.python(logs)

    assert bench.log.text("log").startswith("DEBUG details of it\nERROR failed\nTraceback")
    assert caplog.records == []


@pytest.mark.parametrize(
    ("fraction", "text", "line"), [(0.256, "rows", "26% rows\n"), (7, "", "100%\n"), (-1, "", "0%\n")]
)
def test_progress_is_a_line_of_the_log(bench: Bench, fraction: float, text: str, line: str) -> None:
    def progress(ctx: Context) -> None:
        ctx.progress(fraction, text)

    bench.python(progress)

    assert bench.log.written == [("progress", line)]


def test_progress_is_one_line_and_the_same_is_not_said_twice(bench: Bench) -> None:
    def progress(ctx: Context) -> None:
        for row in range(1000):
            ctx.progress(row / 100_000, "first\nsecond")

    bench.python(progress)

    assert bench.log.written == [("progress", "0% first second\n"), ("progress", "1% first second\n")]


def test_a_payload_that_does_not_fit_is_refused_before_the_call(bench: Bench) -> None:
    called: list[int] = []

    with pytest.raises(PayloadError, match="'b' is unexpected"):
        bench.python(lambda: called.append(1), {"b": 1})

    assert called == []


def test_a_type_error_of_the_handler_itself_is_its_own(bench: Bench) -> None:
    def broken() -> Any:
        return len(3)  # type: ignore[arg-type]

    with pytest.raises(TypeError, match="has no len"):
        bench.python(broken)


def test_an_unknown_handler_says_so(bench: Bench) -> None:
    with pytest.raises(UnknownHandlerError):
        bench.perform(PythonHandler("nobody"))


@pytest.mark.parametrize("raised", [Retry(5, "later"), Cancel("no"), Snooze(60), KeyError("x"), StopIteration(1)])
def test_what_a_handler_raises_comes_out_untouched(bench: Bench, raised: Exception) -> None:
    def raises() -> None:
        raise raised

    with pytest.raises(type(raised)) as found:
        bench.python(raises)

    assert found.value is raised


class OwnBaseException(BaseException):
    pass


@pytest.mark.parametrize(
    "raised",
    [
        SystemExit(0),
        KeyboardInterrupt(),
        GeneratorExit(),
        asyncio.CancelledError(),
        OwnBaseException("mine"),
    ],
)
@pytest.mark.parametrize("kind", ["function", "coroutine"])
def test_what_is_no_exception_becomes_one_with_its_name(bench: Bench, raised: BaseException, kind: str) -> None:
    def raises() -> None:
        raise raised

    async def raises_later() -> None:
        raise raised

    with pytest.raises(HandlerExitError, match=type(raised).__name__) as found:
        bench.python(raises if kind == "function" else raises_later)

    assert found.value.type_name == type(raised).__name__


def test_a_result_that_json_cannot_hold_is_refused(bench: Bench) -> None:
    with pytest.raises(ResultError, match="result is of type object"):
        bench.python(object)


def test_a_coroutine_function_runs_in_a_loop_of_its_own(bench: Bench) -> None:
    async def add(ctx: Context, a: int) -> int:
        await asyncio.sleep(0)
        return a + ctx.attempt

    assert bench.python(add, {"a": 1}) == 2


def test_a_function_that_returns_a_coroutine_is_awaited(bench: Bench) -> None:
    async def later() -> int:
        return 3

    assert bench.python(lambda a: later(), {"a": 1}) == 3


def test_the_tasks_a_coroutine_leaves_behind_end_with_it(bench: Bench) -> None:
    ended: list[str] = []

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("task")

    async def leaves() -> None:
        task = asyncio.create_task(forever())
        await asyncio.sleep(0)
        assert not task.done()

    bench.python(leaves)

    assert ended == ["task"]


@pytest.mark.parametrize(("reason", "error"), [("timeout", HandlerTimeoutError), ("cancelled", HandlerCancelledError)])
def test_a_coroutine_is_cancelled_from_another_thread(
    bench: Bench, in_thread: InThread, reason: Any, error: type[Exception]
) -> None:
    started, cleaned = threading.Event(), threading.Event()

    async def waits() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.set()

    result = in_thread(lambda: bench.python(waits))
    assert started.wait(30)

    bench.cancel.cancel(reason)

    with pytest.raises(error):
        result()
    assert cleaned.is_set()


def test_a_coroutine_that_swallows_its_cancellation_ends_with_its_result(bench: Bench, in_thread: InThread) -> None:
    started = threading.Event()

    async def swallows() -> str:
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "finished all the same"
        return "never"

    result = in_thread(lambda: bench.python(swallows))
    assert started.wait(30)

    bench.cancel.cancel("timeout")

    assert result() == "finished all the same"


def test_a_cancel_after_the_coroutine_has_ended_harms_nothing(bench: Bench) -> None:
    async def quick() -> None: ...

    bench.python(quick)

    assert bench.cancel.cancel("timeout")


def test_what_is_cancelled_before_it_begins_is_not_begun(bench: Bench) -> None:
    called: list[int] = []
    bench.cancel.cancel("shutdown")

    with pytest.raises(HandlerCancelledError):
        bench.python(lambda: called.append(1))

    assert called == []


def test_a_function_asks_its_context_whether_to_stop(bench: Bench, in_thread: InThread) -> None:
    started = threading.Event()

    def loops(ctx: Context) -> None:
        started.set()
        while not ctx.cancelled:
            ctx.wait(3600)
        ctx.check()

    result = in_thread(lambda: bench.python(loops))
    assert started.wait(30)

    bench.cancel.cancel("timeout")

    with pytest.raises(HandlerTimeoutError):
        result()


def test_while_a_handler_runs_its_log_is_the_current_one(bench: Bench) -> None:
    found: list[Any] = []

    bench.python(lambda: found.append(current_log.get()))

    assert found == [bench.log]
    assert current_log.get() is None


def test_in_a_coroutine_and_the_threads_it_uses_the_log_is_the_current_one_too(bench: Bench) -> None:
    found: list[Any] = []

    async def looks() -> None:
        found.append(current_log.get())
        found.append(await asyncio.to_thread(current_log.get))

    bench.python(looks)

    assert found == [bench.log, bench.log]


def test_after_a_handler_that_failed_no_log_is_the_current_one(bench: Bench) -> None:
    with pytest.raises(ZeroDivisionError):
        bench.python(lambda: 1 / 0)

    assert contextvars.copy_context().get(current_log) is None
