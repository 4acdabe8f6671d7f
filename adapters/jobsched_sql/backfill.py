"""Backfilling: skipped rows give way to runs of their slots."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.engine import Row

from jobsched.model.backfill import Cut, Refill, SlotRow
from jobsched.model.run import Covers, Created, RunState
from jobsched_sql.admission import key_of, lock_limits
from jobsched_sql.dialect import Dialect
from jobsched_sql.insertion import insert_runs
from jobsched_sql.tables import jobs, runs

_AnyRow = Row[*tuple[Any, ...]]


def backfill(connection: Connection, dialect: Dialect, refill: Refill) -> list[Created] | None:
    """All that the refill asks for, or None if something is not as it was seen. Locks as `requeue` does: job, keys, rows."""
    if not _schedule_stands(connection, refill):
        return None
    if keys := sorted({key for run in refill.runs if (key := key_of(run)) is not None}):
        lock_limits(connection, dialect, keys)
    rows = _rows(connection, [cut.row.id for cut in refill.cuts])
    if not all(_is_as_seen(rows.get(cut.row.id), cut.row) for cut in refill.cuts):
        return None
    gone = [cut.row.id for cut in refill.cuts if not cut.left]
    connection.execute(delete(runs).where(runs.c.id.in_(gone)))
    for cut in refill.cuts:
        if cut.left:
            _shrink(connection, rows[cut.row.id], cut)
    return [created for created in insert_runs(connection, dialect, refill.runs) if created is not None]


def _schedule_stands(connection: Connection, refill: Refill) -> bool:
    """Held until the end, so that a sync which removes the job finds its new runs waiting."""
    statement = (
        select(jobs.c.schedule_revision)
        .where(jobs.c.namespace == refill.namespace, jobs.c.name == refill.job)
        .with_for_update(read=True, key_share=True)
    )
    return connection.execute(statement).scalar_one_or_none() == refill.schedule_revision


def _rows(connection: Connection, ids: Sequence[int]) -> Mapping[int, _AnyRow]:
    statement = select(runs).where(runs.c.id.in_(ids)).order_by(runs.c.id).with_for_update()
    return {row.id: row for row in connection.execute(statement)}


def _is_as_seen(row: _AnyRow | None, seen: SlotRow) -> bool:
    if row is None or row.state != RunState.SKIPPED.value or row.scheduled_at != seen.scheduled_at:
        return False
    covers = (None, None) if seen.covers is None else (seen.covers.first, seen.covers.last)
    return (row.covers_first, row.covers_last) == covers


def _shrink(connection: Connection, row: _AnyRow, cut: Cut) -> None:
    """What is left on both sides of the slots that were taken out tells when, and why, it was skipped as before."""
    first, *others = cut.left
    connection.execute(update(runs).where(runs.c.id == row.id).values(_standing_for(first)))
    same = {column.name: getattr(row, column.name) for column in runs.c if column is not runs.c.id}
    for other in others:
        made = insert(runs).values({**same, **_standing_for(other), "tags": None}).returning(runs.c.id)
        id_ = connection.execute(made).scalar_one()
        if row.tags:  # by an update, which SQLite has a trigger for
            connection.execute(update(runs).where(runs.c.id == id_).values(tags=row.tags))


def _standing_for(covers: Covers) -> dict[str, Any]:
    """A row stands in the place of the last slot that it covers; of one slot it says no range."""
    several = covers.first < covers.last
    return {
        "scheduled_at": covers.last,
        "available_at": covers.last,
        "covers_first": covers.first if several else None,
        "covers_last": covers.last if several else None,
        "covers_count": covers.count if several else None,
    }
