"""Reading and writing a namespace as a whole: its jobs and its generations."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import Connection, Text, cast, delete, func, literal_column, select, update
from sqlalchemy.engine import Row

from jobsched.errors import SyncConflictError
from jobsched.model.definition import job_from_definition
from jobsched.model.run import Reason, RunState
from jobsched.model.state import (
    GENERATIONS_KEPT,
    SUMMARIES_KEPT,
    ActualState,
    Generation,
    JobWrite,
    Origin,
    StoredJob,
    SyncChange,
)
from jobsched.store.faults import fault_point
from jobsched_sql import pausing, queues
from jobsched_sql.dialect import Dialect, Key
from jobsched_sql.insertion import insert_runs
from jobsched_sql.tables import UNFINISHED, WAITING, generations, jobs, runs

_CHUNK = 500
#: Of a generation, what is asked for again and again; what is large beside it only a page reads.
SHOWN = [column for column in generations.c if column.name not in ("changes", "positions")]


def actual(connection: Connection, namespace: str) -> ActualState:
    """All jobs of a namespace, its pauses and its newest generation."""
    rows = connection.execute(select(jobs).where(jobs.c.namespace == namespace).order_by(jobs.c.name))
    found = {row.name: stored_job(row) for row in rows}
    return ActualState(
        namespace=namespace,
        jobs=found,
        generation=next(iter(newest(connection, namespace, 1)), None),
        pauses=tuple(pausing.standing(connection, [namespace])),
        queues=queues.declared(connection, namespace),
    )


def stored_job(row: Row[*tuple[object, ...]]) -> StoredJob:
    return StoredJob(
        job=job_from_definition(row.namespace, row.name, row.definition),
        revision=row.revision,
        schedule_revision=row.schedule_revision,
        cursor=row.cursor_at,
        next_at=row.next_at,
        generation=row.generation,
        origin=Origin(row.origin),
    )


def newest(connection: Connection, namespace: str, limit: int) -> list[Generation]:
    """The newest generations, newest first."""
    statement = (
        select(*SHOWN).where(generations.c.namespace == namespace).order_by(generations.c.number.desc()).limit(limit)
    )
    return [generation_of(row) for row in connection.execute(statement)]


def generation_of(row: Row[*tuple[object, ...]]) -> Generation:
    return Generation(
        namespace=row.namespace,
        number=row.number,
        content_hash=row.content_hash,
        commit=row.git_commit,
        applied_at=row.applied_at,
        applied_by=row.applied_by,
        summary=row.summary,
    )


def forget_old(connection: Connection) -> None:
    """Of each namespace the oldest generations, and what those changed that are merely old: the names of all its jobs, perhaps."""
    c = generations.c
    for namespace, last in connection.execute(select(c.namespace, func.max(c.number)).group_by(c.namespace)).all():
        of_namespace = c.namespace == namespace
        connection.execute(delete(generations).where(of_namespace, c.number <= last - GENERATIONS_KEPT))
        told = cast(c.summary, Text) != "{}"
        old = update(generations).where(of_namespace, c.number <= last - SUMMARIES_KEPT, told)
        connection.execute(old.values(summary={}, changes=None))


def forget_changes(connection: Connection, namespace: str) -> int:
    """All values before and after; of how many generations."""
    c = generations.c
    kept = update(generations).where(c.namespace == namespace, cast(c.changes, Text) != "null")
    return connection.execute(kept.values(changes=None)).rowcount


def apply(connection: Connection, dialect: Dialect, change: SyncChange) -> Generation:
    """Write a whole sync. The locks are taken in the order of the whole store: jobs, keys, queues, runs."""
    generation = _number(connection, dialect, change)
    _check_seen(connection, change)
    _write_jobs(connection, dialect, change, generation.number)
    _remove_jobs(connection, change)
    _declare_keys(connection, dialect, change.writes)
    if change.queues is not None:
        queues.declare(connection, change.namespace, change.queues)
    fault_point("mid_sync")
    slots = [run for write in change.writes for run in write.slots]
    slots += [run for removal in change.removals for run in removal.slots]
    if slots:
        insert_runs(connection, dialect, slots)
    _cancel_waiting(connection, dialect.now(connection), change)
    _grant_attempts(connection, change)
    return generation


def _number(connection: Connection, dialect: Dialect, change: SyncChange) -> Generation:
    """Take the number after the one that was seen. Two syncs want the same one: the primary key lets one have it."""
    seen = next(iter(newest(connection, change.namespace, 1)), None)
    if (seen.number if seen else None) != change.seen_generation:
        raise _moved(change.namespace, "another sync was applied")
    row = {
        "namespace": change.namespace,
        "number": (change.seen_generation or 0) + 1,
        "content_hash": change.content_hash,
        "git_commit": change.commit,
        "applied_at": dialect.now(connection),
        "applied_by": change.applied_by,
        "summary": change.summary,
        "changes": change.changes,
        "positions": change.positions,
    }
    if dialect.insert_unless_known(connection, generations, [row]) == 0:
        raise _moved(change.namespace, "another sync was applied")
    if change.positions is not None:
        _forget_positions(connection, change.namespace, (change.seen_generation or 0) + 1)
    return newest(connection, change.namespace, 1)[0]


def _forget_positions(connection: Connection, namespace: str, number: int) -> None:
    c = generations.c
    older = update(generations).where(c.namespace == namespace, c.number < number, c.positions.is_not(None))
    connection.execute(older.values(positions=None))


def _moved(namespace: str, how: str) -> SyncConflictError:
    return SyncConflictError(f"namespace {namespace!r} has moved since it was read: {how}; read again, plan again")


def _check_seen(connection: Connection, change: SyncChange) -> None:
    """Lock the jobs to be written and compare them with what the plan saw."""
    stored = dict(_locked(connection, change.namespace, [write.job.name for write in change.writes]))
    for write in change.writes:
        name = write.job.name
        if write.seen_revision is None:
            if name in stored:
                raise _moved(change.namespace, f"job {name!r} is there already")
            continue
        revision, cursor = stored.get(name, (None, None))
        if revision != write.seen_revision:
            raise _moved(change.namespace, f"job {name!r} was changed or removed")
        if write.seen_cursor is not None and cursor != write.seen_cursor:
            raise _moved(change.namespace, f"job {name!r} was fired")


def _locked(connection: Connection, namespace: str, names: Sequence[str]) -> Iterator[tuple[str, tuple[int, datetime]]]:
    for chunk in _chunks(sorted(names)):
        statement = (
            select(jobs.c.name, jobs.c.revision, jobs.c.cursor_at)
            .where(jobs.c.namespace == namespace, jobs.c.name.in_(chunk))
            .order_by(jobs.c.name)
            .with_for_update()
        )
        yield from ((row.name, (row.revision, row.cursor_at)) for row in connection.execute(statement))


def _chunks(names: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(names), _CHUNK):
        yield names[start : start + _CHUNK]


def _write_jobs(connection: Connection, dialect: Dialect, change: SyncChange, number: int) -> None:
    keeps_cursor = [write for write in change.writes if write.seen_revision is not None and write.seen_cursor is None]
    whole = [write for write in change.writes if write.seen_revision is None or write.seen_cursor is not None]
    if whole:
        dialect.write_jobs(connection, change.namespace, number, whole)
    if keeps_cursor:
        dialect.write_definitions(connection, change.namespace, number, keeps_cursor)


def _remove_jobs(connection: Connection, change: SyncChange) -> None:
    for names in _chunks(sorted(removal.name for removal in change.removals)):
        connection.execute(delete(jobs).where(jobs.c.namespace == change.namespace, jobs.c.name.in_(names)))


def _declare_keys(connection: Connection, dialect: Dialect, writes: Sequence[JobWrite]) -> None:
    limits = {
        Key(write.job.namespace, key): write.job.concurrency.limit or 1
        for write in writes
        if (key := write.job.concurrency_key) is not None
    }
    if limits:
        dialect.add_keys(connection, limits, replace=True)


def _cancel_waiting(connection: Connection, now: datetime, change: SyncChange) -> None:
    """Runs of removed jobs that have not started; a running one finishes and is not retried."""
    for names in _chunks(sorted(removal.name for removal in change.removals)):
        connection.execute(
            update(runs)
            .where(runs.c.namespace == change.namespace, runs.c.job.in_(names), WAITING)
            .values(state=literal_column(f"'{RunState.CANCELLED}'"), reason=Reason.JOB_REMOVED.value, finished_at=now)
        )


def _grant_attempts(connection: Connection, change: SyncChange) -> None:
    """Runs keep what they were made with, but for the number of attempts: an edit of retries reaches unfinished ones."""
    granted: dict[int, list[str]] = {}
    for write in change.writes:
        if write.max_attempts is not None:
            granted.setdefault(write.max_attempts, []).append(write.job.name)
    for attempts, names in granted.items():
        for chunk in _chunks(sorted(names)):
            connection.execute(
                update(runs)
                .where(runs.c.namespace == change.namespace, runs.c.job.in_(chunk), UNFINISHED)
                .values(max_attempts=runs.c.attempts_before + attempts)
            )
