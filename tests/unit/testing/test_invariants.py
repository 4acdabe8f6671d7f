"""The checker finds each kind of violation, and nothing in an orderly record."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, Literal, cast

import pytest

from jobsched.handlers.context import Context
from jobsched.model.run import Covers, Reason, Run, RunState, Source
from jobsched.testing.invariants import MOST_LINES, Record, violations
from jobsched.testing.journal import Entry, Journal, result_of

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
LOST = {"type": "NodeLost", "reason": "lost", "message": "node 1 died"}


def a_row(number: int = 1, **fields: Any) -> Run:
    """A run that succeeded at its first attempt."""
    defaults: dict[str, Any] = {
        "id": number,
        "namespace": "default",
        "job": "nightly",
        "handler": "tests:handle",
        "source": Source.TRIGGER,
        "queue": "default",
        "priority": 0,
        "state": RunState.SUCCEEDED,
        "reason": None,
        "attempt": 1,
        "max_attempts": 1,
        "scheduled_at": None,
        "available_at": NOON,
        "started_at": NOON,
        "finished_at": NOON,
        "node": 1,
        "generation": 1,
        "payload": {},
        "result": result_of(number, fields.get("attempt", 1)),
        "error": (),
        "covers": None,
        "created_at": NOON,
    }
    return Run(**{**defaults, **fields})


def entry(
    what: Literal["begins", "ends", "interrupted", "gone"], run: int = 0, attempt: int = 1, pid: int = 1
) -> Entry:
    return Entry(what=what, pid=pid, run=run, attempt=attempt if run else 0)


def once(run: int = 1, attempt: int = 1, pid: int = 1) -> list[Entry]:
    return [entry("begins", run, attempt, pid), entry("ends", run, attempt, pid)]


def said(**fields: Any) -> dict[str, Any]:
    return {"at": "2026-01-01T12:00:00.000Z", "message": "said", **fields}


TAKEN_OVER = a_row(attempt=2, error=(LOST,))
KILLED = [entry("begins", 1), entry("gone")]

ORDERLY: Mapping[str, Record] = {
    "nothing": Record(runs=[]),
    "a run": Record(runs=[a_row()], journal=once(), acknowledged=[1], limits={"nightly": 1}),
    "a takeover": Record(runs=[TAKEN_OVER], journal=[*KILLED, *once(1, 2, 2)], limits={"nightly": 1}),
    "a node that comes back late": Record(
        runs=[TAKEN_OVER], journal=[entry("begins", 1), *once(1, 2, 2), entry("ends", 1)], limits={"nightly": 1}
    ),
    "one that was asked to stop while it noted its end": Record(
        runs=[a_row()], journal=[*once(), entry("interrupted", 1), *once(1, 1, 2)]
    ),
    "a node that slept and begins what others have finished": Record(
        runs=[TAKEN_OVER, a_row(2)],
        journal=[
            *once(1, 2, 2),
            entry("begins", 2, 1, 2),
            entry("begins", 1),
            entry("ends", 1),
            entry("ends", 2, 1, 2),
        ],
        limits={"nightly": 1},
    ),
    "given back, and begun again under its number": Record(
        runs=[a_row()], journal=[entry("begins", 1), entry("interrupted", 1), *once(1, 1, 2)]
    ),
    "killed, with a place for the next": Record(
        runs=[a_row(1, state=RunState.FAILED, reason=Reason.LOST, error=(LOST,)), a_row(2)],
        journal=[*KILLED, *once(2)],
        limits={"nightly": 1},
    ),
    "owned by a node that lives": Record(runs=[a_row(state=RunState.RUNNING, node=3)], alive=[3]),
    "slots with rows and in a range": Record(
        runs=[
            a_row(1, scheduled_at=NOON),
            a_row(
                2,
                state=RunState.SKIPPED,
                scheduled_at=NOON + SECOND,
                covers=Covers(NOON + SECOND, NOON + 3 * SECOND, 3),
            ),
        ],
        slots={"nightly": [NOON + n * SECOND for n in range(4)]},
    ),
    "requeued, and failed again": Record(
        runs=[a_row()],
        requeued=[1],
        logs={"node": [said(event="run_failed", run=1), said(event="run_succeeded", run=1)]},
    ),
    "much said of runs": Record(runs=[], logs={"node": [said(run=1)] * (MOST_LINES + 1)}),
}

VIOLATED: Mapping[str, tuple[Record, str]] = {
    "lost": (Record(runs=[a_row(1)], acknowledged=[1, 2]), "run 2 was acknowledged and is lost"),
    "two rows of a slot": (
        Record(runs=[a_row(1, scheduled_at=NOON), a_row(2, scheduled_at=NOON)]),
        "slot 2026-01-01 12:00:00+00:00 of nightly has 2 rows",
    ),
    "a slot lost in silence": (
        Record(runs=[a_row(scheduled_at=NOON)], slots={"nightly": [NOON, NOON + SECOND]}),
        "slot 2026-01-01 12:00:01+00:00 of nightly has no row",
    ),
    "an attempt without an account": (
        Record(runs=[a_row(attempt=3, error=(LOST,))]),
        "run 1 is at attempt 3, and only 1 have failed or were lost",
    ),
    "an attempt done twice": (
        Record(runs=[a_row()], journal=[entry("begins", 1), *once(1, 1, 2), entry("ends", 1)]),
        "attempt 1 of run 1 ends though it had ended",
    ),
    "an attempt begun after its end": (
        Record(runs=[a_row()], journal=[*once(), entry("begins", 1), entry("gone")]),
        "attempt 1 of run 1 begins though it had ended",
    ),
    "an attempt that the store does not know": (
        Record(runs=[a_row()], journal=[*once(), *once(1, 2)]),
        "run 1 is at attempt 1, and attempt 2 was performed",
    ),
    "beyond the limit": (
        Record(
            runs=[a_row(1), a_row(2)],
            journal=[entry("begins", 1), *once(2, 1, 2), entry("ends", 1)],
            limits={"nightly": 1},
        ),
        "runs [1, 2] of nightly were under way at once, and its limit is 1",
    ),
    "left waiting": (Record(runs=[a_row(state=RunState.PENDING, node=None)]), "run 1 of nightly is pending"),
    "stuck as running": (
        Record(runs=[a_row(state=RunState.RUNNING, node=2)], alive=[3]),
        "run 1 of nightly is running on node 2, which is dead",
    ),
    "the result of a lost attempt": (
        Record(runs=[a_row(attempt=2, error=(LOST,), result=result_of(1, 1))], journal=[*KILLED, *once(1, 2, 2)]),
        "run 1 ended with attempt 2, and its result is 'run 1, attempt 1'",
    ),
    "finished twice": (
        Record(
            runs=[a_row()],
            logs={"one": [said(event="run_succeeded", run=1)], "two": [said(event="run_failed", run=1)]},
        ),
        "run 1 ended 2 times",
    ),
    "a log that spins": (
        Record(runs=[], logs={"node-1": [said(message="away")] * (MOST_LINES + 1)}),
        f"node-1 said {MOST_LINES + 1} things within 0:00:10, the last of them 'away'",
    ),
}


@pytest.mark.parametrize("case", ORDERLY)
def test_nothing_is_found_in_an_orderly_record(case: str) -> None:
    assert violations(ORDERLY[case]) == []


@pytest.mark.parametrize("case", VIOLATED)
def test_each_kind_of_violation_is_found_and_said(case: str) -> None:
    record, sentence = VIOLATED[case]

    assert violations(record) == [sentence]


def test_a_node_that_says_a_thing_each_second_does_not_spin() -> None:
    lines = [said(at=(NOON + n * SECOND).isoformat()) for n in range(10 * MOST_LINES)]

    assert violations(Record(runs=[], logs={"node": lines})) == []


@pytest.mark.parametrize(("cancelled", "what"), [(False, "ends"), (True, "interrupted")])
def test_a_handler_journals_its_attempt_whatever_becomes_of_it(
    monkeypatch: pytest.MonkeyPatch, cancelled: bool, what: str
) -> None:
    written: list[Entry] = []
    monkeypatch.setattr(Journal, "write", lambda _, entry: written.append(entry))
    context = cast("Context", SimpleNamespace(run_id=7, attempt=2, cancelled=cancelled))

    def handle() -> None:
        with Journal("unused").attempt(context):
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - its own
        handle()

    assert [(one.what, one.run, one.attempt) for one in written] == [("begins", 7, 2), (what, 7, 2)]


def test_a_handler_that_is_asked_to_stop_while_it_notes_its_end_was_interrupted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written: list[str] = []
    context = SimpleNamespace(run_id=7, attempt=2, cancelled=False)

    def write(_: Journal, entry: Entry) -> None:
        written.append(entry.what)
        context.cancelled = entry.what == "ends"

    monkeypatch.setattr(Journal, "write", write)

    with Journal("unused").attempt(cast("Context", context)):
        pass

    assert written == ["begins", "ends", "interrupted"]
