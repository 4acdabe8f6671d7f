"""Features that meet: the cells of the table in docs/runs.md that no other test holds."""

import threading
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from jobsched import Context
from jobsched.model.handler import CommandHandler, ShellHandler
from jobsched.model.job import Concurrency, Retries, Timeout
from jobsched.model.run import Reason, RunState
from jobsched.testing.builders import claim

if TYPE_CHECKING:
    from pathlib import Path

    from tests.runner.conftest import Bench

AT_ONCE = Retries(max=1, delay=timedelta(0))
SHORT = Timeout(timedelta(milliseconds=300), kill_after=timedelta(milliseconds=300))


def test_an_attempt_that_ran_out_of_time_is_retried_with_a_full_timeout(bench: "Bench", tmp_path: "Path") -> None:
    marker = tmp_path / "second"
    script = f"if [ -e {marker} ]; then exit 0; fi; touch {marker}; sleep 600"
    bench.declare("slow", performs=ShellHandler(script), timeout=Timeout(timedelta(seconds=3)), retries=AT_ONCE)
    bench.node()

    run = bench.ended(bench.trigger("slow"))

    assert (run.state, run.attempt) == (RunState.SUCCEEDED, 2)
    assert [error["reason"] for error in run.error] == [Reason.TIMEOUT]


def test_a_waiting_run_keeps_its_payload_and_gets_the_edited_timeout(bench: "Bench") -> None:
    told = []

    @bench.handler
    def slow(ctx: Context, name: str) -> None:
        told.append((name, ctx.deadline is not None))

    bench.declare("slow", payload={"name": "before"})
    waiting = bench.trigger("slow")

    bench.declare("slow", payload={"name": "after"}, timeout=Timeout(timedelta(minutes=1)))
    bench.node()
    bench.ended(waiting)

    assert told == [("before", True)]


def test_a_running_attempt_ends_by_the_definition_it_began_with(bench: "Bench") -> None:
    begun, let = threading.Event(), threading.Event()

    @bench.handler
    def held(ctx: Context) -> bool:
        begun.set()
        let.wait(20)
        return ctx.deadline is None

    bench.declare("held")
    node = bench.node()
    run_id = bench.trigger("held")
    assert begun.wait(20)

    bench.declare("held", timeout=SHORT, performs=CommandHandler(("false",)))
    node.definitions.refresh()
    let.set()

    run = bench.ended(run_id)
    assert (run.state, run.result) == (RunState.SUCCEEDED, True)


def test_a_suspended_job_runs_when_triggered_and_finishes_what_waits(bench: "Bench") -> None:
    bench.declare(
        "ticks", performs=CommandHandler(("true",)), cron=("0 * * * *",), concurrency=Concurrency("forbid", 1)
    )
    waiting = bench.trigger("ticks")

    bench.declare(
        "ticks",
        performs=CommandHandler(("true",)),
        cron=("0 * * * *",),
        concurrency=Concurrency("forbid", 1),
        suspend=True,
    )
    triggered = bench.trigger("ticks")
    bench.node()

    assert [bench.ended(run).state for run in (waiting, triggered)] == [RunState.SUCCEEDED] * 2


@pytest.mark.parametrize("removed", [False, True])
def test_a_lost_run_of_a_removed_job_fails(bench: "Bench", *, removed: bool) -> None:
    store = bench.client.store
    bench.declare("lost", performs=CommandHandler(("true",)))
    run_id = bench.trigger("lost")
    dead = store.register(host="gone", pid=1, version="0", namespaces=["default"], lease=timedelta(seconds=2), info={})
    assert [claimed.id for claimed in claim(store, dead, 1, generations={"default": 1})] == [run_id]
    if removed:
        bench.undeclare("lost")

    bench.node()

    run = bench.ended(run_id)
    expected = (RunState.FAILED, Reason.LOST, 1) if removed else (RunState.SUCCEEDED, None, 2)
    assert (run.state, run.reason, run.attempt) == expected
