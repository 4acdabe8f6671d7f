"""Cancelling by hand, as the node at work sees it."""

import asyncio
import threading
from datetime import timedelta
from typing import TYPE_CHECKING

from jobsched import Context, Retry
from jobsched.model.handler import CommandHandler
from jobsched.model.job import Retries
from jobsched.model.run import Reason, RunState

if TYPE_CHECKING:
    from tests.runner.conftest import Bench

CANCELLED = (RunState.CANCELLED, Reason.CANCELLED)
AT_ONCE = Retries(max=5, delay=timedelta(0))


def cancelled(bench: "Bench", job: str) -> tuple[RunState, Reason | None]:
    """How a run of this job ends that is cancelled while it runs."""
    run_id = bench.trigger(job)
    bench.eventually(run_id, RunState.RUNNING)
    bench.client.cancel(run_id)
    run = bench.ended(run_id)
    return run.state, run.reason


def test_a_command_is_ended_and_not_retried(bench: "Bench") -> None:
    bench.declare("sleep", performs=CommandHandler(("sleep", "600")), retries=AT_ONCE)
    bench.node()

    assert cancelled(bench, "sleep") == CANCELLED


def test_a_coroutine_is_cancelled(bench: "Bench") -> None:
    @bench.handler
    async def forever() -> None:
        await asyncio.Event().wait()

    bench.declare("forever", retries=AT_ONCE)
    bench.node()

    assert cancelled(bench, "forever") == CANCELLED


def test_a_function_that_asks_its_context_is_cancelled(bench: "Bench") -> None:
    @bench.handler
    def watchful(ctx: Context) -> None:
        never = threading.Event()
        while True:
            ctx.check()
            never.wait(0.01)

    bench.declare("watchful", retries=AT_ONCE)
    bench.node()

    assert cancelled(bench, "watchful") == CANCELLED


def test_the_wish_for_a_retry_does_not_count_after_it(bench: "Bench") -> None:
    @bench.handler
    def stubborn(ctx: Context) -> None:
        never = threading.Event()
        while not ctx.cancelled:
            never.wait(0.01)
        raise Retry(after=0)

    bench.declare("stubborn", retries=AT_ONCE)
    bench.node()

    assert cancelled(bench, "stubborn") == CANCELLED


def test_a_function_that_ends_all_the_same_has_succeeded(bench: "Bench") -> None:
    never, begun = threading.Event(), threading.Event()

    @bench.handler
    def deaf(ctx: Context) -> str:
        begun.set()
        while not ctx.cancelled:
            never.wait(0.01)
        return "done"

    bench.declare("deaf")
    bench.node()

    run_id = bench.trigger("deaf")
    assert begun.wait(20)  # running is what the claim says, a moment before: cancelled then, it would not begin
    bench.client.cancel(run_id)

    assert bench.ended(run_id).result == "done"


def test_a_node_that_stops_still_hears_of_it(bench: "Bench") -> None:
    bench.declare("sleep", performs=CommandHandler(("sleep", "600")))
    node = bench.node(grace=timedelta(minutes=10))
    run_id = bench.trigger("sleep")
    bench.eventually(run_id, RunState.RUNNING)

    stopping = threading.Thread(target=node.shut_down)
    stopping.start()
    bench.client.cancel(run_id)

    run = bench.ended(run_id)
    stopping.join(30)
    assert (run.state, run.reason, stopping.is_alive()) == (*CANCELLED, False)


def test_a_cancelled_run_can_be_requeued(bench: "Bench") -> None:
    @bench.handler
    def second_time(ctx: Context) -> int:
        never = threading.Event()
        while ctx.attempt == 1:
            ctx.check()
            never.wait(0.01)
        return ctx.attempt

    bench.declare("second_time")
    bench.node()
    run_id = bench.trigger("second_time")
    bench.eventually(run_id, RunState.RUNNING)
    bench.client.cancel(run_id)
    bench.ended(run_id)

    bench.client.requeue(run_id)

    assert bench.ended(run_id).result == 2
