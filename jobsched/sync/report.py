"""Plans and syncs as JSON: the form that `-o json` and HTTP show."""

from datetime import datetime
from typing import Any

from jobsched.model.instants import format_instant
from jobsched.model.report import generation_as_json, pause_as_json
from jobsched.sync.apply import SyncReport
from jobsched.sync.plan import Plan


def plan_as_json(planned: Plan) -> dict[str, Any]:
    """What is to become of jobs and queues."""
    return {
        "namespace": planned.namespace,
        "jobs": [
            {
                "name": item.name,
                "action": item.action,
                "changes": [{"field": change.field, "old": change.old, "new": change.new} for change in item.changes],
                "next_before": _slot(item.next_before),
                "next_after": _slot(item.next_after),
                "pause": pause_as_json(item.pause),
            }
            for item in planned.jobs
        ],
        "queues": [
            {"name": item.queue, "before": item.before.as_json(), "after": item.after.as_json()}
            for item in planned.queues
        ],
        "unchanged": planned.unchanged,
        "paused": planned.paused,
    }


def sync_as_json(report: SyncReport) -> dict[str, Any]:
    """`plan` is what was applied, null if nothing was."""
    applied = report.plan if report.outcome == "applied" else None
    return {
        "namespace": report.namespace,
        "outcome": report.outcome,
        "generation": report.generation and generation_as_json(report.generation),
        "plan": None if applied is None else plan_as_json(applied),
    }


def _slot(instant: datetime | None) -> str | None:
    return None if instant is None else format_instant(instant)
