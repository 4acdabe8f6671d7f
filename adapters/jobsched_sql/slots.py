"""Slots: which jobs are due, and recording what their slots became."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache
from typing import Any, cast

from sqlalchemy import BindParameter, ColumnElement, Connection, Integer, bindparam, select

from jobsched.model.run import Claim, Created, NewRun
from jobsched.model.state import DueJob, Firing
from jobsched.store.port import ClaimWish
from jobsched_sql.dialect import Dialect, Fired
from jobsched_sql.insertion import insert_runs
from jobsched_sql.rows import driver_rows
from jobsched_sql.tables import NAMESPACE, jobs, pauses
from jobsched_sql.types import Instant

_CHUNK = 500


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
    found = driver_rows(connection.execute(_DUE, {"namespace": namespace, "until": until, "most": limit}))
    instant = cache(_instant_of(connection))  # many jobs have the same
    return [
        DueJob(namespace, name, revision, schedule_revision, instant(cursor_at), instant(next_at), generation)
        for name, revision, schedule_revision, cursor_at, next_at, generation in found
    ]


def _instant_of(connection: Connection) -> Callable[[Any], datetime]:
    return cast("Callable[[Any], datetime]", Instant().result_processor(connection.dialect, None))


def fire(
    dialect: Dialect, firings: Sequence[Firing], wish: ClaimWish | None = None
) -> tuple[list[Created], list[Claim]]:
    """Move the cursors of jobs that nobody moved before us, and insert the runs of just those; claim what is wished for."""

    def work(connection: Connection) -> tuple[list[Created], list[Claim]]:
        fired = dialect.fire(connection, firings, wish)
        return _made(connection, dialect, fired), list(fired.claims)

    return dialect.write_fired(work)


def fire_all(connection: Connection, dialect: Dialect, firings: Sequence[Firing]) -> list[Created] | None:
    """The same, of all jobs or none. None, for a rollback: somebody moved a cursor."""
    fired = dialect.fire(connection, firings, patient=True)
    return _made(connection, dialect, fired) if len(fired.moved) == len(firings) else None


def await_jobs(connection: Connection, namespace: str, names: Sequence[str]) -> None:
    """Hold these jobs, in order: who fires them has done so, or will not."""
    names = sorted(names)
    for start in range(0, len(names), _CHUNK):
        chunk = jobs.c.namespace == namespace, jobs.c.name.in_(names[start : start + _CHUNK])
        connection.execute(select(jobs.c.name).where(*chunk).order_by(jobs.c.name).with_for_update(key_share=True))


def _made(connection: Connection, dialect: Dialect, fired: Fired) -> list[Created]:
    """What was inserted, and what there is to count, or to look for, before it may be."""
    made: list[Created] = []
    rest: list[NewRun] = []
    for firing, row in zip(fired.moved, fired.inserted, strict=True):
        if row is None:
            rest += firing.runs
        else:
            run = firing.runs[0]
            # In the order of the fields: this is made for each run.
            made.append(Created._make((row.id, run.namespace, run.job, run.scheduled_at, row.state, None, False)))
    if rest:
        made += [created for created in insert_runs(connection, dialect, rest) if created is not None]
    return made
