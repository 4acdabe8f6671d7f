"""Pauses: putting and ending them, and the condition that keeps a paused job from being due."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, and_, bindparam, case, delete, select, update
from sqlalchemy.engine import Row

from jobsched.model.pause import Pause, PauseScope
from jobsched.model.run import Created
from jobsched.model.state import Resumption
from jobsched_sql import slots
from jobsched_sql.dialect import Dialect
from jobsched_sql.tables import jobs, runs
from jobsched_sql.tables import pauses as table
from jobsched_sql.texts import clean

#: A removed job that left no history may be added again for so long, and is paused still.
KEPT_WITHOUT_JOB = timedelta(days=30)
_KEY = ("namespace", "scope", "name")
_CHUNK = 500


class MovedError(Exception):
    """What a resumption was reckoned from is no longer so; it is rolled back."""


def standing(connection: Connection, namespaces: Sequence[str]) -> list[Pause]:
    """All pauses, sorted by (namespace, scope, name)."""
    found = connection.execute(_STANDING, {"namespaces": list(namespaces)})
    return sorted(map(_pause, found), key=lambda pause: (pause.namespace, *pause.target))


_STANDING = select(table).where(table.c.namespace.in_(bindparam("namespaces", expanding=True)))


def _pause(row: Row[*tuple[Any, ...]]) -> Pause:
    return Pause(
        namespace=row.namespace,
        scope=PauseScope(row.scope),
        name=row.name,
        since=row.paused_at,
        by=row.paused_by,
        reason=row.reason,
        until=row.until,
    )


def put(connection: Connection, dialect: Dialect, wanted: Sequence[Pause]) -> None:
    """Insert pauses; those that stand keep when they began, unless they were over."""
    rows = [_row(pause) for pause in sorted(wanted, key=lambda pause: (pause.namespace, *pause.target))]
    for start in range(0, len(rows), _CHUNK):
        chunk = rows[start : start + _CHUNK]
        if dialect.insert_unless_known(connection, table, chunk) < len(chunk):
            again = [{f"new_{name}": value for name, value in row.items()} for row in chunk]
            connection.execute(_PUT_AGAIN, again)


def _row(pause: Pause) -> dict[str, Any]:
    return {
        "namespace": pause.namespace,
        "scope": pause.scope.value,
        "name": clean(pause.name),
        "paused_at": pause.since,
        "paused_by": clean(pause.by),
        "reason": None if pause.reason is None else clean(pause.reason),
        "until": pause.until,
    }


_PUT_AGAIN = (
    update(table)
    .where(*(table.c[name] == bindparam(f"new_{name}") for name in _KEY))
    .values(
        paused_at=case(
            (table.c.until <= bindparam("new_paused_at"), bindparam("new_paused_at")), else_=table.c.paused_at
        ),
        **{name: bindparam(f"new_{name}") for name in ("paused_by", "reason", "until")},
    )
)


def resume(connection: Connection, dialect: Dialect, resumption: Resumption) -> list[Created]:
    """End pauses and account for what they held. Raises MovedError, for a rollback.

    The pauses are locked first, all of them: of two that end at once and hold the same job, the second must see that
    the first is gone, or each would leave the job to the other.
    """
    statement = select(table).where(table.c.namespace == resumption.namespace)
    locked = connection.execute(statement.order_by(table.c.scope, table.c.name).with_for_update())
    if not set(resumption.seen) <= set(map(_pause, locked)):
        raise MovedError
    if resumption.ended:
        rows = [_row(pause) for pause in resumption.ended]
        connection.execute(_END, [{f"old_{name}": row[name] for name in _KEY} for row in rows])
    # What is fired ahead of its slot is let go when that comes, since this is not committed by then.
    slots.await_jobs(connection, resumption.namespace, [firing.job for firing in resumption.firings])
    # Only then: of what a pause holds nothing is fired.
    made = slots.fire_all(connection, dialect, resumption.firings)
    if made is None:
        raise MovedError
    return made


_END = delete(table).where(*(table.c[name] == bindparam(f"old_{name}") for name in _KEY))


def forget_orphans(connection: Connection, dialect: Dialect) -> None:
    """Pauses of jobs that are not declared, have no history and were paused long ago."""
    horizon = dialect.now(connection) - KEPT_WITHOUT_JOB
    declared = select(jobs.c.name).where(jobs.c.namespace == table.c.namespace, jobs.c.name == table.c.name).exists()
    has_runs = (
        select(runs.c.id)
        .where(runs.c.namespace == table.c.namespace, runs.c.job == table.c.name, runs.c.job.is_not(None))
        .exists()
    )
    of_job = and_(table.c.scope == PauseScope.JOB.value, table.c.paused_at < horizon)
    connection.execute(delete(table).where(of_job, ~declared, ~has_runs))
