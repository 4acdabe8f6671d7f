"""Acts in words."""

from datetime import UTC, datetime
from typing import Any

import pytest

from jobsched.model.audit import Action, AuditRow, Via
from jobsched.model.audit_text import details_text, target_text


def a_row(action: Action, **fields: Any) -> AuditRow:
    defaults: dict[str, Any] = {"job": None, "queue": None, "run": None, "count": 1, "details": {}}
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return AuditRow(id=1, namespace="n", at=at, by="a", via=Via.CLI, action=action, **{**defaults, **fields})


@pytest.mark.parametrize(
    ("row", "target"),
    [
        (a_row(Action.CANCEL, run=7, job="nightly"), "run 7 of nightly"),
        (a_row(Action.ENQUEUE, run=7, queue="mail"), "run 7"),
        (a_row(Action.TRIGGER, run=7, job="nightly"), "run 7 of nightly"),
        (a_row(Action.DELETE, count=1200, job="nightly"), "1,200 runs of nightly"),
        (a_row(Action.DELETE, count=2, queue="mail"), "2 runs in queue mail"),
        (a_row(Action.REQUEUE, count=2), "2 runs"),
        (a_row(Action.BACKFILL, job="nightly", count=3), "job nightly, 3 slots"),
        (a_row(Action.BACKFILL, job="nightly", run=7), "run 7 of nightly"),
        (a_row(Action.PAUSE, job="nightly"), "job nightly"),
        (a_row(Action.RESUME, queue="mail"), "queue mail"),
        (a_row(Action.PAUSE), "everything"),
    ],
)
def test_an_act_says_what_it_was_done_to(row: AuditRow, target: str) -> None:
    assert target_text(row) == target


def test_its_details_end_with_the_reason() -> None:
    row = a_row(Action.PAUSE, details={"reason": "a move", "until": "2026-01-01T01:00:00.479043Z", "run_at": "x"})

    assert details_text(row) == "until 2026-01-01T01:00:00Z, run at x, reason: a move"
    assert details_text(a_row(Action.CANCEL)) == ""
