"""What a node looks for by itself, step by step: time, nodes and refusals moved by hand, on a real store."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from jobsched.errors import StoreError, StoreUnavailableError
from jobsched.model.alert import FOR_PEOPLE, SLA_FIELDS, AlertKind, Alerts, Notifier, Ping, Sla
from jobsched.model.handler import ShellHandler
from jobsched.model.job import Job
from jobsched.model.run import NewRun, Reason, RunFilter, RunState
from jobsched.runner.alerts import AlertWatch
from jobsched.runner.definitions import Definitions
from jobsched.runner.heartbeat import Heartbeat
from jobsched.store.open import open_store
from jobsched.store.port import Store
from jobsched.testing.builders import (
    MINUTE,
    NAMESPACE,
    START,
    a_change,
    a_firing,
    a_job,
    a_node,
    a_pause,
    a_skipped_slot,
    a_slot,
    a_transition,
    a_trigger,
    claim,
    given_jobs,
    newest_number,
)
from jobsched.testing.clock import FakeClock

OPS = Notifier("ops", ShellHandler("cat"))


class Fit:
    """What is asked of the heartbeat."""

    fit = True


class Desk:
    """A store, and what watches it."""

    def __init__(self, store: Store, clock: FakeClock) -> None:
        self.store, self.clock = store, clock
        self.refusal: tuple[str, datetime] | None = None
        self.definitions = Definitions(store, [NAMESPACE])
        self.watch = self.another()

    def another(self) -> AlertWatch:
        """As of another node."""
        return AlertWatch(self.store, self.clock, self.definitions, cast("Heartbeat", Fit()), lambda: self.refusal)

    def alerting(self, *when: AlertKind, **sla: timedelta) -> None:
        given_jobs(self.store, a_job("a", alerts=Alerts((OPS,), when, Sla(**sla))))
        self.definitions.refresh()

    def look(self, watch: AlertWatch | None = None) -> float | None:
        self.clock.advance(20)
        return (watch or self.watch).step()

    def told(self) -> list[str]:
        """The kinds of the messages, oldest first."""
        runs = self.store.runs(RunFilter(queue="alerts"))
        return [run.payload["alert"] for run in reversed(runs)]

    def open(self) -> list[str]:
        return [str(breach.kind) for breach in self.store.open_breaches(NAMESPACE)]


@pytest.fixture
def desk(sqlite_url: str) -> Iterator[Desk]:
    clock = FakeClock()
    store = open_store(sqlite_url, clock=clock)
    yield Desk(store, clock)
    store.close()


def test_while_no_job_has_alerts_it_sleeps_and_asks_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    given_jobs(desk.store, a_job("a"))
    desk.definitions.refresh()
    assert desk.look() is None

    def never(*_: object) -> None:
        raise AssertionError("asked")

    for asked in ("watched_jobs", "untold", "open_breaches", "nodes", "sla_facts", "missed"):
        monkeypatch.setattr(desk.store, asked, never)

    assert desk.look() is None


def test_it_is_woken_by_another_generation_alone(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    woken: list[bool] = []
    monkeypatch.setattr(desk.watch, "wake", lambda: woken.append(True))
    desk.alerting(AlertKind.FAILURE)

    desk.watch.noticed()
    desk.look()
    desk.watch.noticed()

    assert woken == [True]


def test_a_node_that_is_lost_is_told_of_and_one_that_lives_or_is_long_forgotten_is_not(desk: Desk) -> None:
    desk.alerting(AlertKind.NODE_LOST)
    long_gone = a_node(desk.store, lease=timedelta(seconds=1))
    desk.clock.advance(2 * 3600)
    lost = a_node(desk.store, lease=timedelta(seconds=1))
    a_node(desk.store, lease=timedelta(hours=1))
    a_node(desk.store, lease=timedelta(seconds=1), namespaces=["other"])

    desk.look()
    desk.look(desk.another())

    [run] = desk.store.runs(RunFilter(queue="alerts"))
    assert [breach["node"] for breach in run.payload["breaches"]] == [lost]
    assert long_gone != lost


def test_files_that_are_refused_are_told_of_once_and_over_when_they_are_applied(desk: Desk) -> None:
    desk.alerting(AlertKind.SYNC_REFUSED)
    desk.refusal = ("jobs.yaml:3:1: error: no", START)
    other = desk.another()

    for watch in (desk.watch, other, desk.watch):
        desk.look(watch)
    refused = desk.open()
    desk.store.apply(a_change(seen=newest_number(desk.store), content_hash="1" * 64))
    desk.definitions.refresh()
    desk.refusal = None
    desk.look(desk.another())

    assert (refused, desk.open(), desk.told()) == (["sync_refused"], [], ["sync_refused"])


def test_files_that_are_made_as_they_were_end_a_refusal_too(desk: Desk) -> None:
    desk.alerting(AlertKind.SYNC_REFUSED)
    desk.refusal = ("jobs.yaml:3:1: error: no", START)
    desk.look()

    desk.refusal = None
    desk.look(desk.another())
    still = desk.open()
    desk.look()

    assert (still, desk.open()) == (["sync_refused"], [])


def late(desk: Desk) -> None:
    """A slot that nobody begins."""
    desk.alerting(AlertKind.LATE, late_after=MINUTE)
    [stored] = desk.store.jobs(NAMESPACE, ["a"])
    desk.store.fire([a_firing(stored, a_slot(stored.job, START))])


def test_a_slot_is_late_until_it_begins(desk: Desk) -> None:
    late(desk)
    desk.look()
    before = desk.open()
    desk.clock.advance(60)
    desk.look()
    during = desk.open()
    claim(desk.store, a_node(desk.store))
    desk.look()

    assert (before, during, desk.open(), desk.told()) == ([], ["late"], [], ["late"])


@pytest.mark.parametrize("held", [("job", "a"), ("queue", "default"), ("all", "")])
def test_what_is_paused_is_not_late(desk: Desk, held: tuple[str, str]) -> None:
    late(desk)
    desk.store.pause([a_pause(*held)])  # type: ignore[arg-type]
    desk.clock.advance(120)

    desk.look()

    assert desk.open() == []


def finished(desk: Desk, *states: RunState) -> None:
    """Runs of the job that end so, one after the other."""
    [stored] = desk.store.jobs(NAMESPACE, ["a"])
    for state in states:
        desk.store.enqueue([a_trigger(stored.job)])
        [claimed] = claim(desk.store, a_node(desk.store))
        noted: dict[str, Any] = {"alerts": stored.job.noted_at_the_end}
        if state is RunState.FAILED:
            noted |= {"reason": Reason.ERROR, "error": {"type": "ValueError", "message": "no"}}
        desk.store.finish([a_transition(claimed, state, **noted)])


def slot(desk: Desk, make: Callable[[Job, datetime], NewRun]) -> None:
    [stored] = desk.store.jobs(NAMESPACE, ["a"])
    desk.store.fire([a_firing(stored, make(stored.job, START))])


def begun(desk: Desk) -> None:
    slot(desk, a_slot)
    claim(desk.store, a_node(desk.store, lease=timedelta(hours=1)))


def refused(desk: Desk) -> None:
    desk.refusal = ("jobs.yaml:3:1: error: no", START)


#: What brings each kind about, within some minutes.
CAUSES: dict[AlertKind, Callable[[Desk], object]] = {
    AlertKind.FINAL_FAILURE: lambda desk: finished(desk, RunState.FAILED),
    AlertKind.FAILURE: lambda desk: finished(desk, RunState.FAILED),
    AlertKind.RECOVERY: lambda desk: finished(desk, RunState.FAILED, RunState.SUCCEEDED),
    AlertKind.LATE: lambda desk: slot(desk, a_slot),
    AlertKind.MISSED: lambda desk: slot(desk, a_skipped_slot),
    AlertKind.STUCK: begun,
    AlertKind.NO_SUCCESS: lambda _: None,
    AlertKind.SYNC_REFUSED: refused,
    AlertKind.NODE_LOST: lambda desk: a_node(desk.store, lease=timedelta(seconds=1)),
}
SLAS = dict.fromkeys(SLA_FIELDS.values(), MINUTE)


def brought_about(desk: Desk, kind: AlertKind) -> list[str]:
    CAUSES[kind](desk)
    desk.clock.advance(120)
    desk.look()
    return desk.told()


@pytest.mark.parametrize("kind", FOR_PEOPLE)
def test_every_kind_that_when_may_list_is_told(desk: Desk, kind: AlertKind) -> None:
    desk.alerting(kind, **{SLA_FIELDS[kind]: MINUTE} if kind in SLA_FIELDS else {})

    assert brought_about(desk, kind) == ([] if kind is AlertKind.RECOVERY else [kind])


def test_a_recovery_is_told_after_a_final_failure(desk: Desk) -> None:
    desk.alerting(AlertKind.FINAL_FAILURE, AlertKind.RECOVERY)

    assert sorted(brought_about(desk, AlertKind.RECOVERY)) == ["final_failure", "recovery"]


@pytest.mark.parametrize("kind", FOR_PEOPLE)
def test_a_kind_that_when_does_not_list_is_not_told(desk: Desk, kind: AlertKind) -> None:
    desk.alerting(*(other for other in FOR_PEOPLE if other is not kind), **SLAS)

    assert kind not in brought_about(desk, kind)


def test_within_the_throttle_it_looks_again_when_that_has_passed(desk: Desk) -> None:
    desk.alerting(AlertKind.NODE_LOST)
    a_node(desk.store, lease=timedelta(seconds=1))
    desk.look()
    a_node(desk.store, lease=timedelta(seconds=1))
    waits: list[float | None] = [desk.look()]
    desk.clock.advance(570)
    waits.append(desk.look())

    assert (waits[0], desk.told()) == (15.0, ["node_lost", "node_lost"])


def test_two_nodes_that_tell_at_once_make_one_message(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.alerting(AlertKind.NODE_LOST)
    a_node(desk.store, lease=timedelta(seconds=1))
    real: Callable[..., bool] = desk.store.tell
    answers: list[bool] = []

    def after_the_other(*args: object) -> bool:
        answers.extend((real(*args), real(*args)))
        return answers[-1]

    monkeypatch.setattr(desk.store, "tell", after_the_other)
    desk.look()

    assert (answers, desk.told()) == ([True, False], ["node_lost"])


def test_beginnings_that_the_store_refuses_are_said_once_and_hold_no_other_alert_up(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    desk.alerting(AlertKind.FAILURE)
    asked: list[int] = []

    def refuse(fences: list[tuple[int, int]]) -> int:
        asked.append(len(fences))
        raise StoreError("no such table")

    monkeypatch.setattr(desk.store, "note_beginnings", refuse)
    desk.watch.begins(a_beginning())
    desk.look()
    desk.watch.begins(a_beginning())
    desk.look()
    desk.look()

    assert asked == [1, 1]
    assert [record.message for record in caplog.records if "not pinged" in record.message] == [
        "beginnings of runs are not pinged: no such table"
    ]


def test_while_the_store_is_away_beginnings_wait_in_their_order_but_not_without_end(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.alerting(AlertKind.FAILURE)
    monkeypatch.setattr("jobsched.runner.alerts.MOST_BEGUN", 3)
    watch, noted = desk.another(), list[tuple[int, int]]()

    def away(_: object) -> int:
        raise StoreUnavailableError("away")

    monkeypatch.setattr(desk.store, "note_beginnings", away)
    for number in range(5):
        watch.begins(a_beginning(number))
        with pytest.raises(StoreUnavailableError):
            desk.look(watch)
    monkeypatch.setattr(desk.store, "note_beginnings", noted.extend)
    desk.look(watch)

    assert noted == [(2, 1), (3, 1), (4, 1)]


def a_beginning(number: int = 1) -> Any:
    """What is asked of a held run."""
    job = a_job("a", ping=Ping(start="http://localhost/start"))
    return SimpleNamespace(job=job, fence=(number, 1))
