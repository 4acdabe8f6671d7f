"""What people and the runner ask: runs, jobs, counts."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, func, or_, select, text, union_all
from sqlalchemy.engine import Row

from jobsched.model.backfill import SlotRow
from jobsched.model.run import Covers, Glance, Reason, Run, RunFilter, RunState, Source
from jobsched.model.state import StoredJob
from jobsched_sql.dialect import Dialect
from jobsched_sql.sync import stored_job
from jobsched_sql.tables import UNFINISHED, generations, in_state, run_tags
from jobsched_sql.tables import jobs as jobs_table
from jobsched_sql.tables import runs as runs_table
from jobsched_sql.types import Instant

_CHUNK = 500
_FEW = 500
_COUNTED = (RunState.SCHEDULED, RunState.PENDING, RunState.BLOCKED, RunState.RUNNING)


def namespaces(connection: Connection) -> list[str]:
    return sorted(connection.execute(select(generations.c.namespace).distinct()).scalars())


def jobs(connection: Connection, namespace: str, names: Sequence[str] | None) -> list[StoredJob]:
    """Jobs by name (None: all), sorted by name."""
    statement = select(jobs_table).where(jobs_table.c.namespace == namespace)
    if names is None:
        return [stored_job(row) for row in connection.execute(statement.order_by(jobs_table.c.name))]
    wanted = sorted(set(names))
    found = []
    for start in range(0, len(wanted), _CHUNK):
        chosen = statement.where(jobs_table.c.name.in_(wanted[start : start + _CHUNK]))
        found += [stored_job(row) for row in connection.execute(chosen)]
    return sorted(found, key=lambda stored: stored.job.name)


def run(connection: Connection, run_id: int) -> Run | None:
    row = connection.execute(select(runs_table).where(runs_table.c.id == run_id)).one_or_none()
    return None if row is None else run_of(row)


def runs(connection: Connection, wanted: RunFilter) -> list[Run]:
    """Runs, newest first."""
    statement = _filtered(wanted)
    if len(wanted.states) == 1 and wanted.states[0] in _COUNTED and wanted.ids is None:
        few = _few_in(connection, wanted.states[0], wanted.namespace)
        # Neither has SQLite the idea of looking for few among all that there are, nor of sorting a million for the newest.
        if few is not None:
            statement = _filtered(replace(wanted, ids=tuple(few)))
        else:
            statement = _filtered(replace(wanted, states=())).where(runs_table.c.state == wanted.states[0].value)
    return [run_of(row) for row in connection.execute(statement)]


def _few_in(connection: Connection, state: RunState, namespace: str | None) -> list[int] | None:
    """The unfinished runs that are in a state, from its index alone; None: they are many, and so soon found."""
    statement = select(runs_table.c.id).where(in_state(state)).limit(_FEW + 1)
    if namespace is not None:
        statement = statement.where(runs_table.c.namespace == namespace)
    found = list(connection.execute(statement).scalars())
    return found if len(found) <= _FEW else None


def _filtered(wanted: RunFilter) -> Select[Any]:
    if wanted.batch is None:
        return _chosen(select(runs_table), wanted)
    # The index of batches goes by state, then id: a step down it for each state, however large the batch is.
    c = runs_table.c
    parts = [
        _chosen(select(c.id), replace(wanted, states=(state,))).where(c.batch.is_not(None), c.batch == wanted.batch)
        for state in wanted.states or RunState
    ]
    ids = union_all(*(select(part.subquery().c.id) for part in parts))
    return select(runs_table).where(c.id.in_(ids)).order_by(c.id.desc()).limit(wanted.limit)


def _chosen(selected: Select[Any], wanted: RunFilter) -> Select[Any]:
    c = runs_table.c
    statement = selected.order_by(c.id.desc()).limit(wanted.limit)
    if wanted.tag is not None:
        statement = _tagged(statement, wanted)
    same = (
        (c.namespace, wanted.namespace),
        (c.job, wanted.job),
        (c.handler, wanted.handler),
        (c.queue, wanted.queue),
    )
    statement = statement.where(*(column == value for column, value in same if value is not None))
    if len(wanted.states) == 1:
        statement = statement.where(in_state(wanted.states[0]))
    elif wanted.states:
        statement = statement.where(c.state.in_([state.value for state in wanted.states]))
    if wanted.since is not None:
        statement = statement.where(c.created_at >= wanted.since)
    if wanted.ids is not None:
        statement = statement.where(c.id.in_(wanted.ids))
    if wanted.failures_of:
        statement = statement.where(c.failure_of.is_not(None), c.failure_of.in_(wanted.failures_of))
    if wanted.before_id is not None:
        statement = statement.where(c.id < wanted.before_id)
    if wanted.from_id is not None:
        statement = statement.where(c.id >= wanted.from_id)
    return statement


def _tagged(statement: Select[Any], wanted: RunFilter) -> Select[Any]:
    """In the order of the index of tags, which is that of the ids."""
    t = run_tags.c
    statement = statement.join(run_tags, t.run_id == runs_table.c.id).where(t.tag == wanted.tag)
    if wanted.namespace is not None:
        statement = statement.where(t.namespace == wanted.namespace)
    if wanted.before_id is not None:
        statement = statement.where(t.run_id < wanted.before_id)
    return statement.order_by(None).order_by(t.run_id.desc())


def slot_rows(
    connection: Connection, namespace: str, job: str, first: datetime | None, last: datetime, limit: int
) -> list[Run]:
    """Rows of slots that are, or cover, an instant from `first` to `last`, newest slot first."""
    c = runs_table.c
    statement = (
        select(runs_table)
        .where(c.namespace == namespace, c.job == job, c.scheduled_at.is_not(None))
        .where(func.coalesce(c.covers_first, c.scheduled_at, type_=Instant) <= last)
        .order_by(c.scheduled_at.desc())
        .limit(limit)
    )
    if first is not None:
        statement = statement.where(c.scheduled_at >= first)
    return [run_of(row) for row in connection.execute(statement)]


def slot_states(connection: Connection, namespace: str, job: str, slots: Sequence[datetime]) -> list[SlotRow]:
    """Rows of just these slots, and of ranges that meet the time they span."""
    if not slots:
        return []
    c = runs_table.c
    statement = select(c.id, c.scheduled_at, c.state, c.covers_first, c.covers_last, c.covers_count).where(
        c.namespace == namespace, c.job == job, c.scheduled_at.is_not(None)
    )
    chunks = [slots[start : start + _CHUNK] for start in range(0, len(slots), _CHUNK)]
    wanted = [statement.where(c.scheduled_at.in_(chunk)) for chunk in chunks]
    wanted.append(statement.where(c.scheduled_at >= slots[0], c.covers_first <= slots[-1]))
    rows = {row.id: row for chosen in wanted for row in connection.execute(chosen)}
    return [SlotRow(row.id, row.scheduled_at, RunState(row.state), _covers(row)) for row in rows.values()]


def last_runs(connection: Connection, namespace: str) -> dict[str, Run]:
    """The newest run of each job that has one; one step down the index for each job."""
    c = runs_table.c
    newest = (
        select(func.max(c.id))
        .where(c.namespace == jobs_table.c.namespace, c.job == jobs_table.c.name, c.state != RunState.SKIPPED.value)
        .correlate(jobs_table)
        .scalar_subquery()
    )
    ids = select(newest).where(jobs_table.c.namespace == namespace)
    return {
        row.job: run_of(row)
        for row in connection.execute(select(runs_table).where(c.id.in_(ids)))
        if row.job is not None
    }


def recent_runs(
    connection: Connection, dialect: Dialect, namespace: str, jobs: Sequence[str], count: int
) -> dict[str, list[Glance]]:
    """The newest of each job; some steps down the index for each."""
    c = runs_table.c
    typed = text(dialect.recent_runs).columns(c.job, c.id, c.state, c.reason, c.created_at, c.started_at, c.finished_at)
    found: dict[str, list[Glance]] = {}
    asked = {"namespace": namespace, "jobs": json.dumps(list(jobs)), "count": count}
    for job, id_, state, reason, created_at, started_at, finished_at in connection.execute(typed, asked):
        found.setdefault(job, []).append(
            Glance(
                id=id_,
                state=RunState(state),
                reason=None if reason is None else Reason(reason),
                created_at=created_at,
                started_at=started_at,
                finished_at=finished_at,
            )
        )
    return {name: sorted(glances, key=lambda glance: -glance.id) for name, glances in found.items()}


def jobs_with_history(connection: Connection, namespace: str) -> list[str]:
    """Jobs that have finished runs; one step down the index for each job, and none through its history."""
    c = runs_table.c
    finished = select(c.id).where(
        c.namespace == jobs_table.c.namespace, c.job == jobs_table.c.name, c.finished_at.is_not(None)
    )
    statement = (
        select(jobs_table.c.name)
        .where(jobs_table.c.namespace == namespace, finished.exists())
        .order_by(jobs_table.c.name)
    )
    return list(connection.execute(statement).scalars())


def counts(connection: Connection, namespaces: Sequence[str]) -> dict[tuple[str, RunState], int]:
    """Unfinished runs by queue and state; a state has an index of its own, which alone is read."""
    found: dict[tuple[str, RunState], int] = {}
    c = runs_table.c
    for state in _COUNTED:
        statement = (
            select(c.queue, func.count()).where(in_state(state), c.namespace.in_(list(namespaces))).group_by(c.queue)
        )
        found |= {(queue, state): count for queue, count in connection.execute(statement)}
    return found


def batch_counts(connection: Connection, namespace: str, batch: str) -> dict[RunState, int]:
    """The runs of a batch by state; the index of batches alone is read, and of it only this batch."""
    c = runs_table.c
    of_batch = select(c.state, func.count()).where(c.namespace == namespace, c.batch == batch, c.batch.is_not(None))
    return {RunState(state): count for state, count in connection.execute(of_batch.group_by(c.state))}


def is_batch_done(connection: Connection, namespace: str, batch: str) -> bool:
    """Whether all its runs are over: a step down the index for each state, in one statement, or a retry could pass between two."""
    c = runs_table.c
    of_batch = select(c.id).where(c.namespace == namespace, c.batch == batch, c.batch.is_not(None))
    unfinished = or_(*(of_batch.where(in_state(state)).exists() for state in _COUNTED))
    return not connection.execute(select(unfinished)).scalar_one()


def oldest_pending(connection: Connection, namespace: str) -> dict[str, datetime]:
    """The earliest `available_at` of each queue's pending runs; their index alone is read."""
    c = runs_table.c
    statement = (
        select(c.queue, func.min(c.available_at))
        .where(in_state(RunState.PENDING), c.namespace == namespace)
        .group_by(c.queue)
    )
    return {row[0]: row[1] for row in connection.execute(statement)}


def pending_queues(connection: Connection, namespaces: Sequence[str]) -> list[tuple[str, str]]:
    """(namespace, queue) of the queues that have pending runs: one step down the index for each, however many runs it has."""
    found: list[tuple[str, str]] = []
    c = runs_table.c
    for namespace in namespaces:
        waiting = select(c.queue).where(in_state(RunState.PENDING), c.namespace == namespace).order_by(c.queue).limit(1)
        queue = connection.execute(waiting).scalar_one_or_none()
        while queue is not None:
            found.append((namespace, queue))
            queue = connection.execute(waiting.where(c.queue > queue)).scalar_one_or_none()
    return found


def unfinished(connection: Connection, run_ids: Sequence[int]) -> set[int]:
    """Which of these runs are not in a final state."""
    found: set[int] = set()
    for start in range(0, len(run_ids), _CHUNK):
        chosen = runs_table.c.id.in_(run_ids[start : start + _CHUNK])
        found |= set(connection.execute(select(runs_table.c.id).where(chosen, UNFINISHED)).scalars())
    return found


def run_of(row: Row[*tuple[Any, ...]]) -> Run:
    return Run(
        id=row.id,
        namespace=row.namespace,
        job=row.job,
        handler=row.handler,
        source=Source(row.source),
        queue=row.queue,
        priority=row.priority,
        state=RunState(row.state),
        reason=None if row.reason is None else Reason(row.reason),
        attempt=row.attempt,
        max_attempts=row.max_attempts,
        scheduled_at=row.scheduled_at,
        available_at=row.available_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        node=row.node,
        generation=row.generation,
        payload=row.payload,
        result=row.result,
        error=tuple(row.error or ()),
        covers=_covers(row),
        created_at=row.created_at,
        tags=tuple(row.tags or ()),
        batch=row.batch,
        timeout=None if row.timeout_ms is None else timedelta(milliseconds=row.timeout_ms),
        unique_key=row.unique_key,
        unique_until=row.unique_until,
    )


def _covers(row: Row[*tuple[Any, ...]]) -> Covers | None:
    if row.covers_first is None:
        return None
    return Covers(first=row.covers_first, last=row.covers_last, count=row.covers_count)
