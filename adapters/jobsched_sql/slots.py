"""Slots: which jobs are due, and recording what their slots became."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, func, select

from jobsched.model.run import Created
from jobsched.model.state import DueJob, Firing
from jobsched_sql.dialect import Dialect
from jobsched_sql.insertion import insert_runs
from jobsched_sql.tables import jobs


def next_due(connection: Connection, namespaces: Sequence[str]) -> datetime | None:
    """The earliest next slot. One small question per namespace: each is answered by the first entry of the index."""
    earliest = [
        connection.execute(
            select(func.min(jobs.c.next_at)).where(jobs.c.namespace == namespace, jobs.c.next_at.is_not(None))
        ).scalar_one()
        for namespace in namespaces
    ]
    return min((instant for instant in earliest if instant is not None), default=None)


def due(connection: Connection, namespaces: Sequence[str], until: datetime, limit: int) -> list[DueJob]:
    """Jobs whose next slot is at or before `until`, the earliest first."""
    found = [job for namespace in namespaces for job in _due_in(connection, namespace, until, limit)]
    return sorted(found, key=lambda job: (job.next_at, job.namespace, job.name))[:limit]


def _due_in(connection: Connection, namespace: str, until: datetime, limit: int) -> list[DueJob]:
    c = jobs.c
    statement = (
        select(c.name, c.revision, c.schedule_revision, c.cursor_at, c.next_at, c.generation)
        .where(c.namespace == namespace, c.next_at.is_not(None), c.next_at <= until)
        .order_by(c.next_at, c.name)
        .limit(limit)
    )
    return [
        DueJob(
            namespace=namespace,
            name=row.name,
            revision=row.revision,
            schedule_revision=row.schedule_revision,
            cursor=row.cursor_at,
            next_at=row.next_at,
            generation=row.generation,
        )
        for row in connection.execute(statement)
    ]


def fire(connection: Connection, dialect: Dialect, firings: Sequence[Firing]) -> list[Created]:
    """Move the cursors of jobs that nobody moved before us, and insert the runs of just those."""
    ours = dialect.advance(connection, firings)
    runs = [run for firing in ours for run in firing.runs]
    return [created for created in insert_runs(connection, dialect, runs) if created is not None] if runs else []
