"""What people do to single runs: requeue, cancel, delete. Whatever is refused is answered with the reason, and hinders no other."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, case, literal_column, select, tuple_, update
from sqlalchemy import delete as delete_from
from sqlalchemy.engine import Row
from sqlalchemy.exc import IntegrityError

from jobsched.model.definition import job_from_definition
from jobsched.model.run import Answer, Reason, Refusal, RunState
from jobsched_sql import queues, unique_keys
from jobsched_sql.admission import admit_locked, lock_limits
from jobsched_sql.dialect import Dialect, Key, Queue
from jobsched_sql.tables import in_limited_queue, in_state, jobs, run_logs, runs
from jobsched_sql.types import HIGHEST_ID

#: Runs that one transaction changes.
AT_ONCE = 500
_AnyRow = Row[*tuple[Any, ...]]
_JobName = tuple[str, str]


class NewPlace(NamedTuple):
    """What a run leaves to others that held it, or waited for it."""

    namespace: str
    key: str | None
    queue: str


def requeue(connection: Connection, dialect: Dialect, run_ids: Sequence[int]) -> list[Answer]:
    """Runs that are over, and can be run again, wait again. The locks are taken in the order of the whole store."""
    seen = _rows(connection, run_ids)
    attempts = _attempts_of_jobs(connection, {(row.namespace, row.job) for row in seen.values() if row.job is not None})
    keys = sorted({Key(row.namespace, row.concurrency_key) for row in seen.values() if row.concurrency_key is not None})
    limits = lock_limits(connection, dialect, keys)
    holders = unique_keys.holders(
        connection, dialect, {(row.namespace, row.unique_key) for row in seen.values() if row.unique_key is not None}
    )
    over = [holder.run.id for holder in holders.values() if holder.is_over]
    now, rows = dialect.now(connection), locked_rows(connection, [*run_ids, *over])
    unique_keys.release(connection, dialect, over)
    taken = {key: holder.run.id for key, holder in holders.items() if not holder.is_over}
    refused: dict[int, Refusal] = {}
    for id_ in sorted(set(run_ids)):
        row = rows.get(id_)
        refusal = _hinders_requeue(row, attempts, taken)
        if refusal is not None:
            refused[id_] = refusal
            continue
        assert row is not None  # or it had been refused
        granted = attempts.get((row.namespace, row.job))
        if row.unique_key is None:
            _put_back(connection, row, granted, now)
        elif _put_back_unless_taken(connection, row, granted, now):
            taken[row.namespace, row.unique_key] = id_
        else:
            refused[id_] = Refusal.UNIQUE_KEY
    waiting = {Queue(row.namespace, row.queue) for row in rows.values() if row.concurrency_key is None}
    admit_locked(
        connection, dialect, limits, waiting & queues.limits(connection, {one.namespace for one in waiting}).keys()
    )
    return _answers(connection, run_ids, refused)


def cancel(connection: Connection, dialect: Dialect, run_ids: Sequence[int]) -> tuple[list[Answer], list[NewPlace]]:
    """Waiting runs end, of running ones it is noted that they shall; also where there may be a free place now."""
    now, rows = dialect.now(connection), locked_rows(connection, run_ids)
    refused = {id_: Refusal.UNKNOWN for id_ in run_ids if id_ not in rows}
    refused |= {row.id: Refusal.FINISHED for row in rows.values() if row.finished_at is not None}
    waiting = stop(connection, [row for row in rows.values() if row.finished_at is None], Reason.CANCELLED, now)
    freed = [NewPlace(row.namespace, row.concurrency_key, row.queue) for row in waiting]
    return _answers(connection, run_ids, refused), freed


def reschedule(connection: Connection, run_ids: Sequence[int], at: datetime) -> tuple[list[Answer], list[NewPlace]]:
    """Waiting runs are scheduled for `at`; also where there may be a free place now."""
    rows = locked_rows(connection, run_ids)
    refused = {id_: hinders_change(rows.get(id_)) for id_ in dict.fromkeys(run_ids)}
    waiting = [rows[id_] for id_, refusal in refused.items() if refusal is None]
    for ids in _chunks([row.id for row in waiting]):
        moved = update(runs).where(runs.c.id.in_(ids))
        connection.execute(moved.values(state=RunState.SCHEDULED.value, available_at=at, start_by=None))
    freed = [NewPlace(row.namespace, row.concurrency_key, row.queue) for row in waiting]
    return _answers(
        connection, run_ids, {id_: refusal for id_, refusal in refused.items() if refusal is not None}
    ), freed


def hinders_change(row: _AnyRow | None) -> Refusal | None:
    """Only what waits can be changed."""
    if row is None:
        return Refusal.UNKNOWN
    if row.finished_at is not None:
        return Refusal.FINISHED
    return Refusal.RUNNING if row.state == RunState.RUNNING.value else None


def stop(connection: Connection, rows: Sequence[_AnyRow], why: Reason, now: datetime) -> Sequence[_AnyRow]:
    """Of these locked, unfinished runs those that wait are cancelled, and returned; of the others their nodes are asked.

    Why a running run is asked stands on it as its reason: whoever ends it writes that, or what became of it.
    """
    running = [row.id for row in rows if row.state == RunState.RUNNING.value]
    waiting = [row for row in rows if row.state != RunState.RUNNING.value]
    for ids in _chunks(running):
        asked = update(runs).where(runs.c.id.in_(ids), runs.c.cancel_requested_at.is_(None))
        connection.execute(asked.values(cancel_requested_at=now, reason=why.value))
    for ids in _chunks([row.id for row in waiting]):
        ended = update(runs).where(runs.c.id.in_(ids))
        connection.execute(ended.values(state=RunState.CANCELLED.value, reason=why.value, finished_at=now))
    return waiting


def cancel_requests(connection: Connection, node: int) -> dict[tuple[int, int], Reason]:
    """(id, claim_no) of running runs of this node that it is asked to stop, and why."""
    c = runs.c
    statement = select(c.id, c.claim_no, c.reason).where(
        in_state(RunState.RUNNING), c.node == node, c.cancel_requested_at.is_not(None)
    )
    return {(row.id, row.claim_no): Reason(row.reason) for row in connection.execute(statement)}


def delete(connection: Connection, dialect: Dialect, run_ids: Sequence[int]) -> list[Answer]:
    """Rows and logs of runs that are over."""
    now, rows = dialect.now(connection), locked_rows(connection, run_ids)
    refused = {id_: _hinders_deletion(rows.get(id_), now) for id_ in dict.fromkeys(run_ids)}
    gone = [id_ for id_, refusal in refused.items() if refusal is None]
    connection.execute(delete_from(run_logs).where(run_logs.c.run_id.in_(gone)))
    connection.execute(delete_from(runs).where(runs.c.id.in_(gone)))
    return _answers(connection, run_ids, {id_: refusal for id_, refusal in refused.items() if refusal is not None})


def _hinders_deletion(row: _AnyRow | None, now: datetime) -> Refusal | None:
    if row is None:
        return Refusal.UNKNOWN
    if row.finished_at is None:
        return Refusal.UNFINISHED
    if row.unique_until is not None and row.unique_until > now:
        return Refusal.UNIQUE_FOR
    return None if row.abandoned_by is None else Refusal.ABANDONED


def locked_rows(connection: Connection, run_ids: Sequence[int]) -> dict[int, _AnyRow]:
    """Runs by id, locked in the order of their ids."""
    return _rows(connection, run_ids, lock=True)


def _rows(connection: Connection, run_ids: Sequence[int], *, lock: bool = False) -> dict[int, _AnyRow]:
    """Runs by id, without those that cannot exist: a database refuses to compare with what is no id."""
    found: dict[int, _AnyRow] = {}
    for possible in _chunks(sorted({id_ for id_ in run_ids if 0 < id_ <= HIGHEST_ID})):
        statement = select(runs).where(runs.c.id.in_(possible)).order_by(runs.c.id)
        rows = connection.execute(statement.with_for_update() if lock else statement)
        found |= {row.id: row for row in rows}
    return found


def _chunks(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(ids), AT_ONCE):
        yield ids[start : start + AT_ONCE]


def _attempts_of_jobs(connection: Connection, names: set[_JobName]) -> dict[_JobName, int]:
    """How many attempts these jobs grant now. Held until the end, so that a sync which removes one finds the run waiting."""
    if not names:
        return {}
    statement = (
        select(jobs.c.namespace, jobs.c.name, jobs.c.definition)
        .where(tuple_(jobs.c.namespace, jobs.c.name).in_(sorted(names)))
        .order_by(jobs.c.namespace, jobs.c.name)
        .with_for_update(read=True, key_share=True)
    )
    return {
        (row.namespace, row.name): job_from_definition(row.namespace, row.name, row.definition).max_attempts
        for row in connection.execute(statement)
    }


def _hinders_requeue(
    row: _AnyRow | None, attempts: Mapping[_JobName, int], taken: Mapping[tuple[str, str | None], int]
) -> Refusal | None:
    """`taken`: unique keys, and which run has each."""
    if row is None:
        return Refusal.UNKNOWN
    if row.finished_at is None:
        return Refusal.UNFINISHED
    if row.state == RunState.SUCCEEDED.value:
        return Refusal.SUCCEEDED
    if row.covers_first is not None:
        return Refusal.COVERS
    if row.abandoned_by is not None:
        return Refusal.ABANDONED
    if row.job is not None and (row.namespace, row.job) not in attempts:
        return Refusal.JOB_GONE
    has_key = taken.get((row.namespace, row.unique_key), row.id)
    return Refusal.UNIQUE_KEY if has_key != row.id else None


def _put_back(connection: Connection, row: _AnyRow, granted: int | None, now: datetime) -> None:
    """A run that is due, and needs a place, is blocked until it is admitted. An ad-hoc one is granted what it was made with."""
    later = row.available_at > now
    free = and_(runs.c.concurrency_key.is_(None), ~in_limited_queue())
    due = case((free, literal_column(f"'{RunState.PENDING}'")), else_=literal_column(f"'{RunState.BLOCKED}'"))
    attempts = row.max_attempts - row.attempts_before if granted is None else granted
    connection.execute(
        update(runs)
        .where(runs.c.id == row.id)
        .values(
            state=RunState.SCHEDULED.value if later else due,
            reason=None,
            result=None,
            node=None,
            finished_at=None,
            cancel_requested_at=None,
            available_at=row.available_at if later else now,
            # Whoever asks for it knows that it is late.
            start_by=None,
            # Losses are forgiven too: otherwise a run lost three times would fail again at its first one.
            losses=0,
            attempts_before=row.attempt,
            max_attempts=row.attempt + attempts,
        )
    )


def _put_back_unless_taken(connection: Connection, row: _AnyRow, granted: int | None, now: datetime) -> bool:
    """False if since we looked somebody has made a run with its unique key."""
    connection.exec_driver_sql("savepoint putting_back")
    try:
        _put_back(connection, row, granted, now)
    except IntegrityError:
        connection.exec_driver_sql("rollback to savepoint putting_back")
        return False
    connection.exec_driver_sql("release savepoint putting_back")
    return True


def _answers(connection: Connection, run_ids: Sequence[int], refused: Mapping[int, Refusal]) -> list[Answer]:
    rows = _rows(connection, run_ids)
    return [
        Answer(id_, RunState(rows[id_].state) if id_ in rows else None, refused.get(id_))
        for id_ in dict.fromkeys(run_ids)
    ]
