"""Slots: which jobs are due, and recording what their slots became."""

from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import BindParameter, ColumnElement, Connection, Integer, bindparam, select

from jobsched.model.run import Created, NewRun
from jobsched.model.state import DueJob, Firing
from jobsched_sql.dialect import Dialect
from jobsched_sql.insertion import SlotTaken, insert_runs, insert_slots
from jobsched_sql.tables import NAMESPACE, jobs, pauses
from jobsched_sql.types import Instant

_Insert = Callable[[Connection, Dialect, Sequence[NewRun]], list[Created | None]]


def next_due(connection: Connection, namespaces: Sequence[str]) -> datetime | None:
    """The earliest next slot. One small question per namespace: each is answered by the first entry of the index."""
    earliest = [connection.execute(NEXT_DUE, {"namespace": namespace}).scalar_one_or_none() for namespace in namespaces]
    return min((instant for instant in earliest if instant is not None), default=None)


def _not_paused(namespace: BindParameter[str]) -> tuple[ColumnElement[bool], ...]:
    """No pause holds the job. Both questions are asked once, not for each job: PostgreSQL would join what it knows no
    statistics of by reading all pauses for each job.
    """
    held = select(pauses.c.name).where(pauses.c.namespace == namespace)
    return ~held.where(pauses.c.scope == "all").exists(), jobs.c.name.not_in(held.where(pauses.c.scope == "job"))


# Put together once: that takes longer than asking.
NEXT_DUE = (
    select(jobs.c.next_at)
    .where(jobs.c.namespace == NAMESPACE, jobs.c.next_at.is_not(None), *_not_paused(NAMESPACE))
    .order_by(jobs.c.next_at)
    .limit(1)
)
_DUE = (
    select(
        jobs.c.name,
        jobs.c.revision,
        jobs.c.schedule_revision,
        jobs.c.cursor_at,
        jobs.c.next_at,
        jobs.c.generation,
    )
    .where(
        jobs.c.namespace == NAMESPACE,
        jobs.c.next_at.is_not(None),
        jobs.c.next_at <= bindparam("until", type_=Instant),
        *_not_paused(NAMESPACE),
    )
    .order_by(jobs.c.next_at, jobs.c.name)
    .limit(bindparam("most", type_=Integer))
)


def due(connection: Connection, namespaces: Sequence[str], until: datetime, limit: int) -> list[DueJob]:
    """Jobs whose next slot is at or before `until`, the earliest first."""
    found = [job for namespace in namespaces for job in _due_in(connection, namespace, until, limit)]
    return sorted(found, key=lambda job: (job.next_at, job.namespace, job.name))[:limit]


def _due_in(connection: Connection, namespace: str, until: datetime, limit: int) -> list[DueJob]:
    found = connection.execute(_DUE, {"namespace": namespace, "until": until, "most": limit}).all()
    return [
        DueJob(
            namespace=namespace,
            name=name,
            revision=revision,
            schedule_revision=schedule_revision,
            cursor=cursor_at,
            next_at=next_at,
            generation=generation,
        )
        for name, revision, schedule_revision, cursor_at, next_at, generation in found
    ]


def fire(dialect: Dialect, firings: Sequence[Firing]) -> list[Created]:
    """Move the cursors of jobs that nobody moved before us, and insert the runs of just those.

    That a slot has a row already is so rare that it is looked for only once it has been in the way: see SlotTaken.
    """
    try:
        return dialect.write(lambda connection: _fire(connection, dialect, firings, insert_slots))
    except SlotTaken:
        return dialect.write(lambda connection: _fire(connection, dialect, firings, insert_runs))


def fire_all(connection: Connection, dialect: Dialect, firings: Sequence[Firing]) -> list[Created] | None:
    """The same, of all jobs or none; None: somebody moved a cursor, and nothing was inserted."""
    ours = dialect.advance(connection, firings) if firings else []
    return _inserted(connection, dialect, ours, insert_runs) if len(ours) == len(firings) else None


def _fire(connection: Connection, dialect: Dialect, firings: Sequence[Firing], insert: _Insert) -> list[Created]:
    return _inserted(connection, dialect, dialect.advance(connection, firings), insert)


def _inserted(connection: Connection, dialect: Dialect, firings: Sequence[Firing], insert: _Insert) -> list[Created]:
    runs = [run for firing in firings for run in firing.runs]
    return [created for created in insert(connection, dialect, runs) if created is not None] if runs else []
