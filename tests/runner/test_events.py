"""What a node says of its runs to those who listen."""

import logging
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.runner.conftest import QUICK
from tests.runner.test_on_failure import refuse_seven

from jobsched import Context, Snooze
from jobsched.model.job import Retries
from jobsched.model.run import RunState
from jobsched.observe.events import (
    Event,
    NodeStarted,
    NodeStopped,
    RunEvent,
    RunFailed,
    RunLost,
    RunRetrying,
    RunSnoozed,
    RunStarted,
    RunSucceeded,
)
from jobsched.runner.runner import Runner
from jobsched.testing.builders import a_node, claim

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.runner.conftest import Bench

ONE_MORE = Retries(max=1, delay=timedelta(milliseconds=10))


def test_a_run_is_told_of_from_its_start_to_its_end_in_order(bench: "Bench") -> None:
    heard: list[RunEvent] = []

    @bench.handler
    def fail(ctx: Context) -> None:
        raise ValueError(f"attempt {ctx.attempt}\nand more")

    bench.declare("fail", retries=ONE_MORE)
    node = bench.node()
    node.on(RunEvent, heard.append)

    bench.ended(bench.trigger("fail"))
    node.shut_down()

    assert [(event.name, event.attempt) for event in heard] == [
        ("run_started", 1),
        ("run_retrying", 1),
        ("run_started", 2),
        ("run_failed", 2),
    ]
    assert str(heard[-1]).endswith("failed: ValueError: attempt 2")


def test_an_attempt_is_told_of_with_how_late_it_began_and_how_long_it_took(bench: "Bench") -> None:
    heard: list[RunEvent] = []

    @bench.handler
    def work(ctx: Context) -> None:
        if ctx.attempt == 1:
            raise ValueError("no")

    bench.declare("work", every=timedelta(seconds=1), retries=ONE_MORE)
    succeeded = threading.Event()
    node = bench.node()
    node.on(RunEvent, heard.append)
    node.on(RunSucceeded, lambda _: succeeded.set())
    assert succeeded.wait(20)
    node.shut_down()

    first, failed, second, ended = heard[:4]
    assert isinstance(first, RunStarted)
    assert isinstance(second, RunStarted)
    assert first.late_seconds is not None
    assert (first.queue, first.late_seconds >= first.waited_seconds >= 0) == ("default", True)
    assert second.late_seconds is None
    assert isinstance(failed, RunRetrying)
    assert isinstance(ended, RunSucceeded)
    assert 0 < (failed.seconds or 0) < 20
    assert 0 < (ended.seconds or 0) < 20


def test_a_run_that_begins_by_hand_is_late_for_nothing(bench: "Bench") -> None:
    heard: list[RunStarted] = []

    @bench.handler
    def work() -> None: ...

    bench.declare("work", queue="mail")
    node = bench.node()
    node.on(RunStarted, heard.append)
    bench.ended(bench.trigger("work"))
    node.shut_down()

    assert [(event.late_seconds, event.queue) for event in heard] == [(None, "mail")]


def test_a_long_error_is_cut_in_the_event_and_kept_with_the_run(bench: "Bench") -> None:
    heard: list[RunFailed] = []

    @bench.handler
    def fail() -> None:
        raise ValueError("x" * 8_000)

    node = bench.node()
    node.on(RunFailed, heard.append)
    run = bench.ended(bench.client.enqueue("fail", max_attempts=1).id)
    node.shut_down()

    [failed] = heard
    assert (len(failed.error), failed.error[:14], failed.error[-2:]) == (2000, "ValueError: xx", "x…")
    assert len(run.error[-1]["message"]) == 8_000


def test_a_node_tells_of_its_own_start_and_end(bench: "Bench") -> None:
    heard: list[Event] = []
    runner = Runner(bench.client, options=QUICK, registry=bench.registry, namespaces=["default"])
    runner.on(Event, heard.append)

    with runner:
        number = runner.heartbeat.node

    assert [type(event) for event in heard] == [NodeStarted, NodeStopped]
    assert heard[1] == NodeStopped(node=number)


def test_a_snooze_is_no_failure(bench: "Bench") -> None:
    snoozed = threading.Event()

    @bench.handler
    def later() -> None:
        raise Snooze(3600)

    bench.declare("later")
    node = bench.node()
    node.on(RunSnoozed, lambda _: snoozed.set())

    run_id = bench.trigger("later")

    assert snoozed.wait(20)
    assert bench.client.run(run_id).state is RunState.SCHEDULED


def test_a_listener_that_raises_or_blocks_harms_neither_a_run_nor_the_end_of_the_node(bench: "Bench") -> None:
    let = threading.Event()

    @bench.handler
    def work() -> str:
        return "done"

    def fail(event: Event) -> None:
        raise ValueError(event.name)

    bench.declare("work")
    node = bench.node()
    node.on(Event, fail)
    node.on(Event, lambda _: let.wait(60))

    results = [bench.ended(bench.trigger("work")).result for _ in range(3)]
    saved = node.shut_down()
    let.set()

    assert (results, saved) == (["done"] * 3, True)


def test_a_run_that_is_lost_is_told_of_by_who_finds_it(bench: "Bench") -> None:
    heard: list[Event] = []

    @bench.handler
    def work() -> None: ...

    bench.declare("work")
    run_id = bench.trigger("work")
    dead = a_node(bench.client.store, lease=timedelta(seconds=1))
    assert [claimed.id for claimed in claim(bench.client.store, dead)] == [run_id]
    node = bench.node()
    node.on(Event, heard.append)

    bench.ended(run_id)
    node.shut_down()

    [lost] = [event for event in heard if isinstance(event, RunLost)]
    assert (lost.run, lost.job, lost.node, lost.failed) == (run_id, "work", dead, False)
    assert [event.attempt for event in heard if isinstance(event, RunSucceeded)] == [2]


def test_a_retry_that_the_store_made_a_failure_is_told_of_as_one(bench: "Bench") -> None:
    assert told_of_a_retry(bench, lambda _: bench.undeclare("fail")) == ["run_started", "run_failed"]


def test_a_retry_of_a_run_that_was_cancelled_meanwhile_is_told_of_as_cancelled(bench: "Bench") -> None:
    assert told_of_a_retry(bench, bench.client.cancel) == ["run_started", "run_cancelled"]


def told_of_a_retry(bench: "Bench", meanwhile: "Callable[[int], object]") -> list[str]:
    """The events of a run's attempt that fails and would be tried again, while this happens before it is stored."""
    heard: list[RunEvent] = []

    @bench.handler
    def fail() -> None:
        raise ValueError("no")

    def finish(real: "Callable[..., Any]", transitions: Any) -> Any:
        meanwhile(transitions[0].id)
        bench.store.clear()
        return real(transitions)

    bench.declare("fail", retries=Retries(max=3, delay=timedelta(hours=1)))
    bench.store.on("finish", finish)
    node = bench.node()
    node.on(RunEvent, heard.append)
    bench.ended(bench.trigger("fail"))
    node.shut_down()
    return [event.name for event in heard]


def test_a_result_that_could_not_be_stored_is_told_of_as_a_failure(bench: "Bench") -> None:
    heard: list[RunEvent] = []

    @bench.handler
    def work() -> int:
        return 7

    bench.declare("work")
    bench.store.on("finish", refuse_seven)
    node = bench.node()
    node.on(RunEvent, heard.append)

    bench.ended(bench.trigger("work"))
    node.shut_down()

    assert [event.name for event in heard] == ["run_started", "run_failed"]


def test_a_result_that_counts_for_nothing_is_told_of_as_dropped_even_where_successes_are_not_logged(
    bench: "Bench", caplog: pytest.LogCaptureFixture
) -> None:
    dropped = threading.Event()

    @bench.handler
    def work() -> str:
        return "done"

    def lose(_finish: "Callable[..., Any]", _transitions: Any) -> dict[int, Any]:
        dropped.set()
        return {}

    caplog.set_level(logging.INFO, "jobsched")
    bench.store.on("finish", lose)
    node = bench.node()
    bench.client.enqueue("work")
    assert dropped.wait(20)
    bench.store.clear()
    for _ in range(400):
        if any("dropped" in record.getMessage() for record in caplog.records):
            break
        threading.Event().wait(0.05)

    node.shut_down()

    assert [record.event for record in caplog.records if "dropped" in record.message] == ["result_dropped"]  # type: ignore[attr-defined]
