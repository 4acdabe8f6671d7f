"""`executor: process`, from the slot to the row."""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobsched.model.job import Retries, Timeout
from jobsched.model.run import Reason, RunState

if TYPE_CHECKING:
    from tests.runner.conftest import Bench

SOURCE = """
import os, signal
from jobsched import Context, Retry

def busy():
    print("begun")
    while True:
        pass

def flaky(ctx: Context):
    if ctx.attempt == 1:
        os.kill(os.getpid(), signal.SIGSEGV)
    if ctx.attempt == 2:
        raise LookupError("not there")
    return {"attempt": ctx.attempt}
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"processes_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{name}.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    return name


def test_a_process_that_ignores_its_timeout_is_killed_and_its_thread_serves_on(bench: "Bench", module: str) -> None:
    soon = Timeout(timedelta(milliseconds=300), kill_after=timedelta(milliseconds=50))
    bench.declare("busy", f"{module}:busy", executor="process", timeout=soon)
    node = bench.node()

    run = bench.ended(bench.trigger("busy"))

    assert (run.state, run.reason) == (RunState.FAILED, Reason.TIMEOUT)
    assert node.pool.abandoned == 0


def test_a_process_that_dies_is_an_attempt_that_failed(bench: "Bench", module: str) -> None:
    quick = Retries(max=2, delay=timedelta(0))
    bench.declare("flaky", f"{module}:flaky", executor="process", retries=quick)
    bench.node()

    run = bench.ended(bench.trigger("flaky"))

    assert (run.state, run.result) == (RunState.SUCCEEDED, {"attempt": 3})
    died, raised = run.error
    assert (died["type"], "SIGSEGV" in died["message"]) == ("HandlerProcessError", True)
    assert (raised["type"], raised["message"]) == ("LookupError", "not there")


def test_what_a_shutdown_kills_is_given_back(bench: "Bench", module: str) -> None:
    bench.declare("busy", f"{module}:busy", executor="process")
    node = bench.node(grace=timedelta(0))
    run = bench.trigger("busy")
    bench.eventually(run, RunState.RUNNING)

    node.stop()
    saved = node.shut_down()

    assert saved
    assert bench.client.run(run).state is RunState.PENDING
