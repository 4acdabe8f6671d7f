"""Runs and generations as JSON: the form that `-o json`, HTTP and `on_failure` show (DESIGN §2)."""

import json
from dataclasses import fields
from datetime import datetime
from typing import Any

from jobsched.model.durations import format_duration
from jobsched.model.instants import format_instant
from jobsched.model.run import Lack, Run
from jobsched.model.state import Generation

#: The names that `run_as_json` gives, in its order.
RUN_FIELDS = tuple(field.name for field in fields(Run))


def run_as_json(run: Run) -> dict[str, Any]:
    """The fields in their documented order; instants RFC 3339 in UTC; a handler that is no name as an object."""
    return {
        "id": run.id,
        "namespace": run.namespace,
        "job": run.job,
        "handler": json.loads(run.handler) if run.handler.startswith("{") else run.handler,
        "source": str(run.source),
        "queue": run.queue,
        "priority": run.priority,
        "state": str(run.state),
        "reason": str(run.reason) if run.reason else None,
        "attempt": run.attempt,
        "max_attempts": run.max_attempts,
        "scheduled_at": _instant(run.scheduled_at),
        "available_at": _instant(run.available_at),
        "started_at": _instant(run.started_at),
        "finished_at": _instant(run.finished_at),
        "node": run.node,
        "generation": run.generation,
        "payload": dict(run.payload),
        "result": run.result,
        "error": [dict(entry) for entry in run.error] or None,
        "covers": run.covers
        and {"first": _instant(run.covers.first), "last": _instant(run.covers.last), "count": run.covers.count},
        "created_at": _instant(run.created_at),
        "tags": list(run.tags),
        "batch": run.batch,
        "timeout": None if run.timeout is None else format_duration(run.timeout),
        "unique_key": run.unique_key,
        "unique_until": _instant(run.unique_until),
    }


def generation_as_json(generation: Generation) -> dict[str, Any]:
    """The fields in their documented order, without the namespace, which is said beside it."""
    return {
        "number": generation.number,
        "hash": generation.content_hash,
        "commit": generation.commit,
        "applied_at": format_instant(generation.applied_at),
        "applied_by": generation.applied_by,
        "summary": generation.summary,
    }


def _instant(value: datetime | None) -> str | None:
    return None if value is None else format_instant(value)


def lack_as_json(lack: Lack) -> dict[str, Any]:
    """What a blocked run waits for; `per` as in jobs.yaml."""
    return {
        "kind": lack.kind,
        "name": lack.name,
        "limit": lack.limit,
        "held": lack.held,
        "per": None if lack.per is None else format_duration(lack.per),
        "until": _instant(lack.until),
    }
