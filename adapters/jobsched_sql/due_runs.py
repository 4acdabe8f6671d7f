"""Runs whose time has come: scheduled becomes pending, or blocked and then admitted; what was to start by now is skipped."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from sqlalchemy import (
    ColumnElement,
    Connection,
    ScalarSelect,
    Select,
    TextClause,
    and_,
    case,
    func,
    literal_column,
    select,
    update,
)

from jobsched.model.run import Created, Reason, RunState
from jobsched.store.port import Promoted
from jobsched_sql.admission import admit, admit_locked, lock_limits
from jobsched_sql.dialect import Dialect, Key, Queue
from jobsched_sql.tables import NAMESPACE, TO_START, in_limited_queue, in_state, runs

_CHUNK = 500
#: So much later it is looked again for runs whose key somebody held.
_LOOK_AGAIN = timedelta(milliseconds=50)


def promote(dialect: Dialect, namespaces: Sequence[str], limit: int) -> Promoted:
    """Up to `limit` of them. Nothing is locked, or written, while none is due."""
    next_at, has_come = dialect.read(lambda connection: _next(connection, dialect, namespaces))
    if not has_come:
        return Promoted(0, next_at)
    due, late = dialect.read(lambda connection: _whose_time_has_come(connection, dialect, namespaces, limit))
    released = dialect.write(lambda connection: _release(connection, dialect, due)) if due else _Released(0, [])
    missed, freed = dialect.write(lambda connection: _miss(connection, dialect, late)) if late else ((), [])
    # Of those due once more: a holder may have finished since it was counted.
    if due or late:
        keys = {key.key for key in released.keys} | {key for key, _ in freed if key is not None}
        admit(
            dialect, namespaces, sorted(keys), sorted({one.queue.queue for one in due} | {queue for _, queue in freed})
        )
    next_at, _ = dialect.read(lambda connection: _next(connection, dialect, namespaces))
    if released.left_out:
        next_at = dialect.read(dialect.now) + _LOOK_AGAIN
    return Promoted(released.number, next_at, missed)


@dataclass(frozen=True, slots=True)
class _Due:
    """A scheduled run whose time has come, and what it needs a place of."""

    at: datetime
    id: int
    key: Key | None
    queue: Queue


def _whose_time_has_come(
    connection: Connection, dialect: Dialect, namespaces: Sequence[str], limit: int
) -> tuple[list[_Due], list[int]]:
    return _due(connection, dialect, namespaces, limit), _late(connection, dialect, namespaces, limit)


def _due(connection: Connection, dialect: Dialect, namespaces: Sequence[str], limit: int) -> list[_Due]:
    c = runs.c
    found: list[_Due] = []
    for namespace in namespaces:
        statement = (
            select(c.available_at, c.id, c.concurrency_key, c.queue)
            .where(in_state(RunState.SCHEDULED), c.namespace == namespace, c.available_at <= dialect.now_expression())
            .order_by(c.available_at, c.id)
            .limit(limit)
        )
        for row in connection.execute(statement):
            key = None if row.concurrency_key is None else Key(namespace, row.concurrency_key)
            found.append(_Due(row.available_at, row.id, key, Queue(namespace, row.queue)))
    return sorted(found, key=lambda one: (one.at, one.id))[:limit]


def _late(connection: Connection, dialect: Dialect, namespaces: Sequence[str], limit: int) -> list[int]:
    """Slots that were to start by now, and did not."""
    c = runs.c
    late: list[int] = []
    for namespace in namespaces:
        statement = (
            select(c.id)
            .where(TO_START, c.namespace == namespace, c.start_by <= dialect.now_expression())
            .order_by(c.start_by, c.id)
            .limit(limit)
        )
        late += connection.execute(statement).scalars()
    return sorted(late)


def _miss(
    connection: Connection, dialect: Dialect, late: Sequence[int]
) -> tuple[tuple[Created, ...], list[tuple[str | None, str]]]:
    """Skip them, unless they were claimed since we looked; also the keys and queues that may have a free place now."""
    c, now = runs.c, dialect.now(connection)
    missed: list[Created] = []
    freed: list[tuple[str | None, str]] = []
    for start in range(0, len(late), _CHUNK):
        statement = (
            update(runs)
            .where(c.id.in_(late[start : start + _CHUNK]), TO_START)
            .values(state=_literal(RunState.SKIPPED), reason=Reason.MISFIRE.value, finished_at=now)
            .returning(c.id, c.namespace, c.job, c.scheduled_at, c.concurrency_key, c.queue)
        )
        for row in connection.execute(statement).fetchall():
            missed.append(Created(row.id, row.namespace, row.job, row.scheduled_at, RunState.SKIPPED, Reason.MISFIRE))
            freed.append((row.concurrency_key, row.queue))
    return tuple(missed), freed


class _Released(NamedTuple):
    """How many, of which keys; and whether some were left out, whose keys somebody else holds."""

    number: int
    keys: Collection[Key]
    left_out: bool = False


def _release(connection: Connection, dialect: Dialect, found: Sequence[_Due]) -> _Released:
    """A key is not waited for: a node that is frozen may hold it for long, and whoever promotes fires slots too."""
    keys = sorted({one.key for one in found if one.key is not None})
    limits = lock_limits(connection, dialect, keys, patient=False)
    due = [one for one in found if one.key is None or one.key in limits]
    count = 0
    for start in range(0, len(due), _CHUNK):
        ids = sorted(one.id for one in due[start : start + _CHUNK])
        free = and_(runs.c.concurrency_key.is_(None), ~in_limited_queue())
        state = case((free, _literal(RunState.PENDING)), else_=_literal(RunState.BLOCKED))
        # The state is asked again: since we looked, a run may have been cancelled, or promoted by another node.
        statement = update(runs).where(runs.c.id.in_(ids), in_state(RunState.SCHEDULED)).values(state=state)
        count += connection.execute(statement).rowcount
    admit_locked(connection, dialect, limits)
    return _Released(count, limits, left_out=len(due) < len(found))


def _literal(state: RunState) -> ColumnElement[str]:
    return literal_column(f"'{state.value}'")


def _next(connection: Connection, dialect: Dialect, namespaces: Sequence[str]) -> tuple[datetime | None, bool]:
    """The earliest time that a run waits for, and whether one has come, by the store's clock."""
    instants: list[datetime] = []
    has_come = False
    statement = _look(dialect)
    for namespace in namespaces:
        row: Sequence[Any] = connection.execute(statement, {"namespace": namespace}).one()
        instants += [instant for instant in row[:2] if instant is not None]
        has_come = has_come or any(row[2:])
    return min(instants, default=None), has_come


def _earliest(instant: ColumnElement[datetime], condition: ColumnElement[bool] | TextClause) -> ScalarSelect[datetime]:
    return select(func.min(instant)).where(condition, runs.c.namespace == NAMESPACE).scalar_subquery()


NEXT_SCHEDULED = _earliest(runs.c.available_at, in_state(RunState.SCHEDULED))
NEXT_TO_START = _earliest(runs.c.start_by, TO_START)
#: Put together once for each store: that takes longer than asking.
_LOOKS: WeakKeyDictionary[Dialect, Select[datetime, datetime, bool, bool]] = WeakKeyDictionary()


def _look(dialect: Dialect) -> Select[datetime, datetime, bool, bool]:
    if dialect not in _LOOKS:
        now = dialect.now_expression()
        _LOOKS[dialect] = select(NEXT_SCHEDULED, NEXT_TO_START, now >= NEXT_SCHEDULED, now >= NEXT_TO_START)
    return _LOOKS[dialect]
