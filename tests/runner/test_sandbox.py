"""What programs' tests stand on: runs performed in the thread of the test, and time that it moves."""

import asyncio
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from jobsched import Client, Context, Retry
from jobsched.errors import PayloadError, RemoteError
from jobsched.handlers.call import Call
from jobsched.handlers.registry import Registry
from jobsched.model.queue import QueueLimits, Rate
from jobsched.model.run import RunState
from jobsched.testing import Runs, Sandbox, drain, enqueued, inline, perform
from jobsched.testing.builders import a_change
from jobsched.testing.plugin import pytest_assertrepr_compare


def test_runs_are_performed_in_this_thread_by_priority_with_what_they_enqueue(
    sandbox: Sandbox, registry: Registry
) -> None:
    threads = set()

    @registry.handler("work")
    def work(n: int) -> int:
        threads.add(threading.get_ident())
        if n == 1:
            sandbox.client.enqueue("work", {"n": 3}, priority=-1)
        return n

    for n in (1, 2):
        work.enqueue(sandbox.client, n=n)

    assert sandbox.drain().results == [1, 3, 2]
    assert sandbox.drain() == []
    assert threads == {threading.get_ident()}


def test_runs_start_at_the_rate_of_their_queue_as_time_is_moved(sandbox: Sandbox, registry: Registry) -> None:
    begun = []

    @registry.handler("work")
    def work() -> None:
        begun.append(sandbox.clock.now())

    sandbox.client.store.apply(a_change(queues={"mail": QueueLimits(rate=Rate(1, timedelta(minutes=1)))}))
    for _ in range(4):
        sandbox.client.enqueue("work", queue="mail")

    at_once = len(sandbox.drain())
    sandbox.run_for("2m")

    minutes = [round((one - begun[0]) / timedelta(minutes=1), 1) for one in begun]
    assert (at_once, minutes) == (1, [0, 1, 2])


def test_what_a_handler_raises_is_raised_once_its_run_says_so(sandbox: Sandbox, registry: Registry) -> None:
    @registry.handler("work")
    def work(n: int) -> int:
        return 1 // n

    for n in (0, 1):
        work.enqueue(sandbox.client, n=n)
    with pytest.raises(ZeroDivisionError) as caught:
        sandbox.drain()

    assert sandbox.enqueued().states == ["failed", "pending"]
    assert caught.traceback[-1].name == "work"
    assert Path(caught.traceback[-2].path).name == "inline.py"  # none of the frames between is shown
    assert sandbox.drain().results == [1]


def test_what_ends_a_test_ends_it_from_within_a_handler_too(sandbox: Sandbox, registry: Registry) -> None:
    @registry.handler("work")
    def work(interrupted: bool) -> None:
        if interrupted:
            raise KeyboardInterrupt
        pytest.fail("no such thing")

    work.enqueue(sandbox.client, interrupted=True)
    with pytest.raises(KeyboardInterrupt):
        sandbox.drain(raises=False)
    work.enqueue(sandbox.client, interrupted=False)
    with pytest.raises(pytest.fail.Exception, match="no such thing"):
        sandbox.drain()


def test_an_unknown_handler_is_raised_and_no_wish_is(sandbox: Sandbox, registry: Registry) -> None:
    @registry.handler("work")
    def work() -> None:
        raise Retry(after=60)

    sandbox.client.enqueue("work", max_attempts=2)
    assert sandbox.drain().states == ["scheduled"]

    sandbox.client.enqueue("nobody's")
    with pytest.raises(RemoteError, match='unknown handler "nobody\'s": nothing is registered under this name'):
        sandbox.drain()
    assert sandbox.drain() == []


FILE = """
version: 1
namespace: shop
settings: {queues: {narrow: {limit: 1}}}
jobs:
  flaky: {handler: "sandboxed:flaky", retries: {max: 1, delay: 1m, jitter: 0}, on_failure: {handler: "sandboxed:failed"}}
  apart: {handler: "sandboxed:apart", executor: process}
  said: {command: [cat]}
  hourly: {handler: "sandboxed:hourly", every: 1h, queue: narrow}
"""
MODULE = """
import os

def flaky():
    raise LookupError("not there")

def failed(**run):
    return run["error"][-1]["type"]

def apart():
    return os.getpid()

def hourly():
    return None
"""


@pytest.fixture
def loaded(sandbox: Sandbox, tmp_path: Path) -> Iterator[Sandbox]:
    (tmp_path / "jobs.yaml").write_text(FILE)
    (tmp_path / "sandboxed.py").write_text(MODULE)
    sandbox.load(tmp_path / "jobs.yaml")
    yield sandbox
    sys.modules.pop("sandboxed", None)


def test_limits_retries_pauses_and_failures_are_real(loaded: Sandbox) -> None:
    client = loaded.client
    assert client.namespace == "shop"
    client.trigger("flaky")
    client.pause(queue="narrow", duration=timedelta(minutes=90))

    assert loaded.run_for("1m", raises=False).states == ["failed", "succeeded"]
    assert loaded.enqueued().results[-1] == "LookupError"
    assert loaded.run_for("88m") == []

    [held] = loaded.run_for("1m")
    assert (held.job, held.scheduled_at, held.started_at) == (
        "hourly",
        loaded.clock.now() - timedelta(minutes=30),
        loaded.clock.now(),
    )


def test_commands_and_processes_are_performed_too(loaded: Sandbox) -> None:
    loaded.client.trigger("said", {"a": 1})
    loaded.client.trigger("apart")

    said, apart = loaded.drain()

    assert [line.text for line in loaded.client.log(said.id)] == ['{"a":1}']
    assert apart.state is RunState.SUCCEEDED


def test_middleware_is_around_commands_and_processes_too(loaded: Sandbox) -> None:
    seen = []

    def note(call: Call, perform: Callable[[], Any]) -> Any:
        seen.append((call.job, threading.get_ident()))
        return perform()

    loaded.use(note)
    for job in ("said", "apart"):
        loaded.client.trigger(job)
    loaded.drain()

    assert seen == [("said", threading.get_ident()), ("apart", threading.get_ident())]


def test_a_folder_is_taken_off_the_path_in_the_end(tmp_path: Path) -> None:
    (tmp_path / "jobs.yaml").write_text("version: 1\njobs: {}\n")
    with Sandbox() as sandbox:
        sandbox.load(tmp_path)
        assert sys.path[0] == str(tmp_path)

    assert str(tmp_path) not in sys.path


def test_time_that_passes_fires_each_slot_at_its_instant(loaded: Sandbox) -> None:
    runs = loaded.run_for("3h")

    assert [run.started_at == run.scheduled_at for run in runs] == [True] * 3
    assert [run.job for run in runs] == ["hourly"] * 3

    loaded.clock.advance("3h")
    assert len(loaded.drain()) == 1  # missed, and caught up with once


def test_a_timeout_passes_while_the_handler_waits(sandbox: Sandbox, registry: Registry) -> None:
    @registry.handler("patient", timeout="30s")
    def patient(ctx: Context) -> None:
        assert not ctx.wait(10)
        assert ctx.wait(60)
        ctx.check()

    began = sandbox.clock.now()
    patient.enqueue(sandbox.client)

    [run] = sandbox.drain(raises=False)
    assert (run.state, run.reason) == ("failed", "timeout")
    assert sandbox.clock.now() - began == timedelta(seconds=30)


def test_what_a_handler_prints_and_logs_is_the_tests_output(
    sandbox: Sandbox, registry: Registry, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    @registry.handler("chatty")
    def chatty(ctx: Context) -> None:
        print("printed")
        logging.getLogger("shop").warning("logged")
        ctx.log.info("kept")

    made = chatty.enqueue(sandbox.client)
    sandbox.drain()

    assert capsys.readouterr().out == "printed\n"
    assert "logged" in caplog.messages
    assert [line.text for line in sandbox.client.log(made.id)] == ["INFO kept"]


def test_handlers_that_enqueue_themselves_are_stopped(
    sandbox: Sandbox, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    @registry.handler("again")
    def again() -> None:
        sandbox.client.enqueue("again")

    again.enqueue(sandbox.client)
    monkeypatch.setattr(inline, "MOST_RUNS", 3)

    with pytest.raises(RuntimeError, match="3 runs were performed, and more are due"):
        sandbox.drain()


def test_middleware_is_around_each_attempt(sandbox: Sandbox, registry: Registry) -> None:
    def doubled(_: Call, perform: Callable[[], Any]) -> Any:
        return 2 * perform()

    registry.handler("work")(lambda: 4)
    sandbox.use(doubled)
    sandbox.client.enqueue("work")

    assert sandbox.drain().results == [8]


def test_a_running_event_loop_is_refused_and_a_thread_is_not(sandbox: Sandbox, registry: Registry) -> None:
    @registry.handler("work")
    async def work() -> str:
        await asyncio.sleep(0)
        return "done"

    async def main() -> Runs:
        work.enqueue(sandbox.client)
        with pytest.raises(RuntimeError, match=r"say: await asyncio.to_thread\(…\)"):
            sandbox.drain()
        return await asyncio.to_thread(sandbox.drain)

    assert asyncio.run(main()).results == ["done"]


def test_any_database_can_be_drained(database_url: str, registry: Registry) -> None:
    @registry.handler("work")
    def work(n: int) -> int:
        return n + 1

    with Client(database_url) as client:
        work.enqueue(client, n=1)
        work.options(delay="1h").enqueue(client, n=2)

        assert drain(client, registry=registry).results == [2]
        assert enqueued(client, "work").states == ["succeeded", "scheduled"]
        assert client.nodes() == []


def test_a_list_of_runs_says_what_became_of_each(sandbox: Sandbox, registry: Registry) -> None:
    @registry.handler("work")
    def work(n: int) -> float:
        return 1 / n

    for n in (1, 0):
        work.enqueue(sandbox.client, n=n)
    sandbox.drain(raises=False)
    sandbox.client.enqueue("work", {"n": 2, "text": "x" * 200}, queue="other")

    assert repr(sandbox.enqueued(queue="default")) == (
        '[<run 1 of work {"n": 1}: succeeded, 1.0>, '
        '<run 2 of work {"n": 0}: failed, ZeroDivisionError: division by zero>]'
    )
    assert repr(sandbox.enqueued(queue="other")).endswith("xxx…: pending>]")
    with pytest.raises(ValueError, match="is registered under no name: decorate it with @handler"):
        sandbox.enqueued(print)


def test_a_comparison_that_failed_shows_a_line_a_run(sandbox: Sandbox) -> None:
    sandbox.client.enqueue("work", {"n": 1})
    found = sandbox.enqueued()

    assert pytest_assertrepr_compare("==", found, []) == ["a list of 1 == []", 'run 1 of work {"n": 1}: pending']
    assert pytest_assertrepr_compare("==", [1], found) is None


def test_a_handler_alone_has_its_payload_as_json_and_its_result_too() -> None:
    def work(ctx: Context, pair: list[int]) -> Any:
        assert not ctx.wait(3600)
        return (ctx.attempt, pair, timedelta(seconds=1))

    assert perform(work, {"pair": (1, 2)}, attempt=3) == [3, [1, 2], "PT1S"]
    assert perform(work, {"pair": []}, use=[lambda call, perform: call.job], job="nightly") == "nightly"
    with pytest.raises(PayloadError, match="'pair' is missing"):
        perform(work)
