"""What the store holds as JSON: the form that `-o json`, HTTP and `on_failure` show (DESIGN §2)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from jobsched.model.alert import Breach
from jobsched.model.audit import AuditRow
from jobsched.model.batch import BatchCounts
from jobsched.model.definition import definition
from jobsched.model.durations import format_duration
from jobsched.model.instants import format_instant
from jobsched.model.pause import Pause, Pauses
from jobsched.model.run import Answer, Lack, LogLine, Run, RunState
from jobsched.model.state import Generation, Node, StoredJob
from jobsched.model.stats import Stats

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


def job_as_json(stored: StoredJob, last: Run | None, pause: Pause | None = None) -> dict[str, Any]:
    """A job with its definition as in jobs.yaml, its next slot, what holds it and its last run."""
    return {
        "namespace": stored.job.namespace,
        "name": stored.job.name,
        "definition": definition(stored.job),
        "suspended": stored.job.suspend,
        "pause": pause_as_json(pause),
        "next_at": _instant(stored.next_at),
        "generation": stored.generation,
        "origin": str(stored.origin),
        "last_run": None if last is None else run_as_json(last),
    }


def slot_as_json(slot: datetime, zone: ZoneInfo) -> dict[str, str]:
    """A slot in the zone that it is reckoned in, and in UTC."""
    return {"scheduled_at": slot.astimezone(zone).isoformat(), "utc": format_instant(slot)}


def pause_as_json(pause: Pause | None) -> dict[str, Any] | None:
    """What is held since when, by whom and why."""
    if pause is None:
        return None
    return {
        "scope": str(pause.scope),
        "name": pause.name or None,
        "since": format_instant(pause.since),
        "by": pause.by,
        "reason": pause.reason,
        "until": _instant(pause.until),
    }


def queues_as_json(counts: Mapping[tuple[str, RunState], int], pauses: Sequence[Pause]) -> list[dict[str, Any]]:
    """Unfinished runs by queue and state, with what holds the queue."""
    standing = Pauses(pauses)
    return [
        {"queue": queue, "state": str(state), "runs": count, "pause": pause_as_json(standing.of_queue(queue))}
        for (queue, state), count in sorted(counts.items())
    ]


def stats_as_json(namespace: str, stats: Stats, pauses: Sequence[Pause] = ()) -> dict[str, Any]:
    """The unfinished by queue and state, the finished by job and state."""
    return {
        "namespace": namespace,
        "since": format_instant(stats.since),
        "queues": queues_as_json(stats.unfinished, pauses),
        "jobs": [{"job": job, **counts} for job, counts in stats.by_job()],
    }


def batch_as_json(namespace: str, batch: BatchCounts) -> dict[str, Any]:
    """How many of its runs there are in each state."""
    return {
        "namespace": namespace,
        "batch": batch.name,
        "total": batch.total,
        "done": batch.done,
        "states": {str(state): batch.counts.get(state, 0) for state in RunState},
    }


def node_as_json(node: Node) -> dict[str, Any]:
    """What is known of a node, and what it tells of itself."""
    return {
        "id": node.id,
        "host": node.host,
        "pid": node.pid,
        "version": node.version,
        "alive": node.alive,
        "started_at": format_instant(node.started_at),
        "heartbeat_at": format_instant(node.heartbeat_at),
        "namespaces": list(node.namespaces),
        **node.info,
    }


def line_as_json(line: LogLine) -> dict[str, Any]:
    """A line of a run's log."""
    return {
        "run": line.run_id,
        "attempt": line.attempt,
        "seq": line.seq,
        "at": format_instant(line.at),
        "stream": line.stream,
        "text": line.text,
    }


def breach_as_json(breach: Breach) -> dict[str, Any]:
    """Something that people are, or will be, alerted of."""
    return {
        "id": breach.id,
        "namespace": breach.namespace,
        "job": breach.job,
        "kind": str(breach.kind),
        "subject": breach.subject,
        "opened_at": format_instant(breach.opened_at),
        "told_at": _instant(breach.told_at),
        "details": breach.details,
    }


def audit_as_json(row: AuditRow) -> dict[str, Any]:
    """Who did what to what, when and by which way."""
    return {
        "id": row.id,
        "namespace": row.namespace,
        "at": format_instant(row.at),
        "by": row.by,
        "via": str(row.via),
        "action": str(row.action),
        "job": row.job,
        "queue": row.queue,
        "run": row.run,
        "count": row.count,
        "details": dict(row.details),
    }


def answer_as_json(answer: Answer) -> dict[str, Any]:
    """What asking something of one run led to."""
    return {
        "id": answer.id,
        "state": None if answer.state is None else str(answer.state),
        "refused": None if answer.refused is None else str(answer.refused),
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
