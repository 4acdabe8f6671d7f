"""Events: their names, their place in the log and in the docs, and those who listen."""

import json
import logging
import threading
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jobsched.cli.nodelog import JsonLog
from jobsched.model.run import Reason
from jobsched.observe import events as module
from jobsched.observe import listeners
from jobsched.observe.events import (
    AttemptEnded,
    Event,
    NodeStarted,
    RunEvent,
    RunFailed,
    RunRetrying,
    RunStarted,
    RunSucceeded,
)
from jobsched.observe.listeners import Events

PAGE = Path(__file__).parents[3] / "docs" / "events.md"
KINDS = [kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, Event)]
TOLD = [kind for kind in KINDS if kind not in (Event, RunEvent, AttemptEnded)]
RUN = {"run": 7, "namespace": "default", "job": "nightly", "handler": "a:b", "attempt": 1}
FAILED = RunFailed(reason=Reason.ERROR, error="ValueError: no", **RUN)  # type: ignore[arg-type]


def row_of(kind: type[Event]) -> str:
    names = ", ".join(f"`{field.name}`" for field in fields(kind))
    meaning = " ".join((kind.__doc__ or "").split())
    return f"| `{kind.name}` | {meaning} | {names} |"


def test_the_page_of_events_has_a_row_of_each_with_its_fields() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]

    assert rows == [row_of(kind) for kind in TOLD]


def test_an_event_is_named_after_its_class() -> None:
    assert (RunFailed.name, NodeStarted.name) == ("run_failed", "node_started")
    assert len({kind.name for kind in TOLD}) == len(TOLD)


def test_no_field_is_one_that_a_log_record_has_already() -> None:
    taken = {*vars(logging.makeLogRecord({})), "message", "asctime", "at", "level", "event", "traceback"}

    assert not [kind.name for kind in TOLD if taken & {field.name for field in fields(kind)}]


def test_an_event_is_one_line_of_json_with_its_name_and_fields(caplog: pytest.LogCaptureFixture) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    retrying = RunRetrying(reason=None, error="ValueError: a\x1b[31m\nb", max_attempts=3, next_at=at, **RUN)  # type: ignore[arg-type]

    Events().emit(retrying)

    [record] = caplog.records
    line = JsonLog().format(record)
    said = json.loads(line)
    assert "\n" not in line
    assert (said["event"], said["level"], said["run"], said["next_at"]) == (
        "run_retrying",
        "warning",
        7,
        "2026-01-01T00:00:00Z",
    )
    assert "reason" not in said


@pytest.mark.parametrize(("job", "level"), [("nightly", logging.INFO), (None, logging.DEBUG)])
def test_what_comes_by_the_thousand_is_said_quietly(job: str | None, level: int) -> None:
    run = {**RUN, "job": job}

    assert RunStarted(node=1, queue="default", waited_seconds=0.1, **run).level == level  # type: ignore[arg-type]
    assert RunSucceeded(**run).level == level  # type: ignore[arg-type]


def test_a_listener_hears_its_kind_and_what_derives_from_it_in_order() -> None:
    events = Events()
    heard_runs: list[Event] = []
    heard_all: list[Event] = []
    events.on(RunEvent, heard_runs.append)
    events.on(Event, heard_all.append)
    started = NodeStarted(node=1, namespaces=("default",), threads=1, database="x")

    events.emit(started)
    events.emit(FAILED)
    events.close()

    assert (heard_runs, heard_all) == ([FAILED], [started, FAILED])


def test_a_counter_has_counted_when_the_event_is_said_and_harms_nobody() -> None:
    events = Events()
    counted: list[Event] = []

    def fail(event: Event) -> None:
        raise ValueError(event.name)

    events.count(fail)
    events.count(counted.append)
    events.emit(FAILED)

    assert (counted, events.hears(logging.DEBUG)) == ([FAILED], True)


def test_a_listener_that_was_forgotten_hears_nothing_more() -> None:
    events = Events()
    first: list[Event] = []
    second: list[Event] = []
    forget = events.on(Event, first.append)
    events.on(Event, second.append)

    forget()
    events.emit(FAILED)
    events.close()

    assert (first, second) == ([], [FAILED])


def test_a_listener_that_raises_keeps_nobody_from_hearing(caplog: pytest.LogCaptureFixture) -> None:
    events = Events()
    heard: list[Event] = []

    def fail(event: Event) -> None:
        raise SystemExit(f"cannot hear {event.name}")

    events.on(Event, fail)
    events.on(Event, heard.append)

    events.emit(FAILED)
    events.close()

    assert heard == [FAILED]
    assert "a listener failed on run_failed" in caplog.text


def test_what_a_stuck_listener_cannot_hear_is_dropped_and_said_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listeners, "MOST_WAITING", 2)
    events, stuck, let = Events(), threading.Event(), threading.Event()

    def wait(_: Event) -> None:
        stuck.set()
        let.wait(60)

    events.on(Event, wait)
    events.emit(FAILED)
    assert stuck.wait(20)

    for _ in range(10):
        events.emit(FAILED)
    let.set()

    assert caplog.text.count("a listener is stuck") == 1


def test_events_that_nobody_hears_need_not_be_made() -> None:
    events = Events()
    logger = logging.getLogger("jobsched")
    before = logger.level
    logger.setLevel(logging.INFO)
    try:
        unheard = (events.hears(logging.INFO), events.hears(logging.DEBUG))
        events.on(Event, print)
        assert (unheard, events.hears(logging.DEBUG)) == ((True, False), True)
    finally:
        logger.setLevel(before)
