"""Runs that waited for their time: scheduled becomes pending, or blocked and then admitted if there is a place."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, case, func, literal_column, select, update

from jobsched.model.run import RunState
from jobsched.store.port import Promoted
from jobsched_sql.admission import admit, admit_locked
from jobsched_sql.dialect import Dialect, Key
from jobsched_sql.tables import in_state, runs

_CHUNK = 500


def promote(dialect: Dialect, namespaces: Sequence[str], limit: int) -> Promoted:
    """Up to `limit` of them. Nothing is locked, or written, while none is due."""
    # One small question is all that an idle node asks each second.
    next_at, has_come = dialect.read(lambda connection: _next(connection, dialect, namespaces))
    if not has_come:
        return Promoted(0, next_at)
    due = dialect.read(lambda connection: _due(connection, dialect, namespaces, limit))
    count = dialect.write(lambda connection: _release(connection, dialect, due)) if due else 0
    if keys := sorted({key.key for _, key in due if key is not None}):
        admit(dialect, namespaces, keys)  # once more: a holder may have finished since it was counted
    next_at, _ = dialect.read(lambda connection: _next(connection, dialect, namespaces))
    return Promoted(count, next_at)


def _due(
    connection: Connection, dialect: Dialect, namespaces: Sequence[str], limit: int
) -> list[tuple[int, Key | None]]:
    c = runs.c
    found = []
    for namespace in namespaces:
        statement = (
            select(c.available_at, c.id, c.concurrency_key)
            .where(in_state(RunState.SCHEDULED), c.namespace == namespace, c.available_at <= dialect.now_expression())
            .order_by(c.available_at, c.id)
            .limit(limit)
        )
        found += [
            (row.available_at, row.id, None if row.concurrency_key is None else Key(namespace, row.concurrency_key))
            for row in connection.execute(statement)
        ]
    return [(id_, key) for _, id_, key in sorted(found, key=lambda one: one[:2])[:limit]]


def _release(connection: Connection, dialect: Dialect, due: Sequence[tuple[int, Key | None]]) -> int:
    keys = sorted({key for _, key in due if key is not None})
    limits = dialect.lock_keys(connection, keys) if keys else {}
    count = 0
    for start in range(0, len(due), _CHUNK):
        ids = sorted(id_ for id_, _ in due[start : start + _CHUNK])
        state = case((runs.c.concurrency_key.is_(None), _literal(RunState.PENDING)), else_=_literal(RunState.BLOCKED))
        # The state is asked again: since we looked, a run may have been cancelled, or promoted by another node.
        statement = update(runs).where(runs.c.id.in_(ids), in_state(RunState.SCHEDULED)).values(state=state)
        count += connection.execute(statement).rowcount
    admit_locked(connection, dialect, limits)
    return count


def _literal(state: RunState) -> ColumnElement[str]:
    return literal_column(f"'{state.value}'")


def _next(connection: Connection, dialect: Dialect, namespaces: Sequence[str]) -> tuple[datetime | None, bool]:
    """The earliest time that a run waits for, and whether it has come for any, by the store's clock."""
    earliest = func.min(runs.c.available_at)
    statement = select(earliest, earliest <= dialect.now_expression()).where(in_state(RunState.SCHEDULED))
    found = [connection.execute(statement.where(runs.c.namespace == namespace)).one() for namespace in namespaces]
    return min((row[0] for row in found if row[0] is not None), default=None), any(row[1] for row in found)
