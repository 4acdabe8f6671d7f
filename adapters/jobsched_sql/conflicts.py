"""What becomes of a waiting run whose unique key a new one has: in the transaction that found it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update
from sqlalchemy.engine import Row

from jobsched.errors import UniqueKeyError
from jobsched.model.run import Created, NewRun, OnConflict, RunState
from jobsched_sql.by_hand import hinders_change, locked_rows
from jobsched_sql.dialect import Dialect
from jobsched_sql.tables import runs as runs_table
from jobsched_sql.types import to_millis

_CHANGES = frozenset({OnConflict.REPLACE, OnConflict.RESCHEDULE})


def has_changed(run: NewRun, made: Created) -> bool:
    """Whether the run that is there already was replaced, or got another time."""
    return made.existing and run.on_conflict in _CHANGES and made.state is RunState.SCHEDULED


def settle(
    connection: Connection, dialect: Dialect, runs: Sequence[NewRun], made: Sequence[Created | None]
) -> list[Created | None]:
    """What was made, and what was there already as it is now. Raises UniqueKeyError."""
    outcome = list(made)
    found = [(n, one) for n, one in enumerate(made) if one is not None and one.existing]
    for n, one in found:
        if runs[n].on_conflict is OnConflict.ERROR:
            # Of one that was made just now the number means nothing any more: it goes with this transaction.
            is_new = any(other is not None and other.id == one.id and not other.existing for other in made)
            raise UniqueKeyError(runs[n].unique_key or "", None if is_new else one.id, _until(connection, one))
    changing = [(n, one) for n, one in found if runs[n].on_conflict in _CHANGES]
    rows = locked_rows(connection, [one.id for _, one in changing]) if changing else {}
    for n, one in changing:
        row = rows.get(one.id)
        if hinders_change(row) is None and row is not None:
            _change(connection, row, runs[n], dialect.now(connection))
            outcome[n] = one._replace(state=RunState.SCHEDULED)
    return outcome


def _until(connection: Connection, made: Created) -> datetime | None:
    """When the key of a run that is over will be free; None for one that is not over."""
    if not made.state.final:
        return None
    until: datetime | None = connection.execute(
        select(runs_table.c.unique_until).where(runs_table.c.id == made.id)
    ).scalar_one_or_none()
    return until


def _change(connection: Connection, row: Row[*tuple[Any, ...]], run: NewRun, now: datetime) -> None:
    """It is scheduled, be its time to come or not: promotion gives it its place."""
    at = run.available_at or now
    values: dict[str, Any] = {"state": RunState.SCHEDULED.value, "available_at": at, "start_by": None}
    if run.on_conflict is OnConflict.REPLACE:
        values |= {
            "handler": run.handler,
            "payload": run.payload,
            "queue": run.queue,
            "priority": run.priority,
            "concurrency_key": run.key,
            "attempts_before": row.attempt,
            "max_attempts": row.attempt + run.max_attempts,
            "timeout_ms": None if run.timeout is None else to_millis(run.timeout),
            "tags": run.tags or None,
            "batch": run.batch,
            "trace": run.trace,
            "unique_until": None if run.unique_for is None else now + run.unique_for,
        }
    connection.execute(update(runs_table).where(runs_table.c.id == row.id).values(values))
