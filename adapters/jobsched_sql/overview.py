"""What pages ask beside what programs do; each answer costs about as much as it shows, however large the tables are."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, select, tuple_, union_all

from jobsched.model.overview import Flow, Outline, Place, Record
from jobsched.model.run import LogLine, RunState
from jobsched.model.state import Origin
from jobsched_sql.sync import SHOWN, generation_of
from jobsched_sql.tables import generations, in_state, jobs, run_logs, runs

_ENDED = (RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED)
_HAS_RUN = (RunState.SUCCEEDED.value, RunState.FAILED.value)


def outlines(connection: Connection, namespace: str, after: int, beyond: str, limit: int | None) -> list[Outline]:
    """Jobs written by later generations than `after`, in the order of the index, which goes on beyond a name."""
    c = jobs.c
    wanted = (
        select(c.name, c.origin, c.generation, c.definition)
        .where(c.namespace == namespace, c.name > beyond, c.generation > after)
        .order_by(c.name)
        .limit(limit)
    )
    return [
        Outline(name=row.name, origin=Origin(row.origin), generation=row.generation, definition=row.definition)
        for row in connection.execute(wanted)
    ]


def job_names(connection: Connection, namespace: str) -> list[str]:
    # Sorted here: each database has an order of its own for letters.
    return sorted(connection.execute(select(jobs.c.name).where(jobs.c.namespace == namespace)).scalars())


def failing_jobs(connection: Connection, namespace: str) -> frozenset[str]:
    """A step down the index of each job's runs, to the newest that succeeded or failed."""
    c = runs.c
    newest = (
        select(c.state)
        .where(c.namespace == jobs.c.namespace, c.job == jobs.c.name, c.state.in_(_HAS_RUN))
        .order_by(c.id.desc())
        .limit(1)
        .correlate(jobs)
        .scalar_subquery()
    )
    wanted = select(jobs.c.name).where(jobs.c.namespace == namespace, newest == RunState.FAILED.value)
    return frozenset(connection.execute(wanted).scalars())


def flow(connection: Connection, namespace: str, first: datetime, last: datetime, sample: int) -> Flow:
    """Counted from the two indexes of finished runs alone."""
    ended: dict[RunState, int] = {}
    of_jobs, ad_hoc = runs.c.job.is_not(None), runs.c.job.is_(None)
    counted = union_all(*(_counted(namespace, whose, first, last) for whose in (of_jobs, ad_hoc)))
    for state, count in connection.execute(counted):
        ended[RunState(state)] = ended.get(RunState(state), 0) + count
    if not ended or not sample:
        return Flow(ended=ended)
    newest = union_all(*(_newest(namespace, whose, first, last, sample) for whose in (of_jobs, ad_hoc)))
    waits = [max(0.0, (started - due).total_seconds()) for due, started in connection.execute(newest)]
    return Flow(ended=ended, waits=tuple(waits))


def _counted(namespace: str, whose: ColumnElement[bool], first: datetime, last: datetime) -> Select[Any]:
    c = runs.c
    ended = c.state.in_([state.value for state in _ENDED])
    wanted = select(c.state, func.count()).where(c.namespace == namespace, whose, ended)
    return wanted.where(c.finished_at >= first, c.finished_at < last).group_by(c.state)


def _newest(namespace: str, whose: ColumnElement[bool], first: datetime, last: datetime, sample: int) -> Select[Any]:
    c = runs.c
    wanted = select(c.available_at, c.started_at).where(c.namespace == namespace, whose, in_state(RunState.SUCCEEDED))
    wanted = wanted.where(c.finished_at >= first, c.finished_at < last, c.started_at.is_not(None))
    # Around it once more: SQLite takes no limit of a part of a union.
    return select(wanted.order_by(c.finished_at.desc()).limit(sample).subquery())


def record(connection: Connection, namespace: str, number: int) -> Record | None:
    wanted = select(*SHOWN, generations.c.changes).where(
        generations.c.namespace == namespace, generations.c.number == number
    )
    row = connection.execute(wanted).one_or_none()
    return None if row is None else Record(generation=generation_of(row), changes=row.changes)


def place(connection: Connection, namespace: str, job: str) -> Place | None:
    c = generations.c
    wanted = select(c.number, c.positions).where(c.namespace == namespace, c.positions.is_not(None))
    row = connection.execute(wanted.order_by(c.number.desc()).limit(1)).one_or_none()
    found = None if row is None else row.positions["jobs"].get(job)
    if row is None or found is None:
        return None
    return Place(file=row.positions["files"][found[0]], line=found[1], generation=row.number)


def last_lines(
    connection: Connection, run_id: int, attempt: int | None, before: tuple[int, int] | None, limit: int
) -> list[LogLine]:
    """The newest lines before that place, in order."""
    c = run_logs.c
    wanted = select(c.run_id, c.attempt, c.seq, c.at, c.stream, c.text).where(c.run_id == run_id)
    if before is not None:
        wanted = wanted.where(tuple_(c.attempt, c.seq) < tuple_(*before))
    if attempt is not None:
        wanted = wanted.where(c.attempt == attempt)
    rows = connection.execute(wanted.order_by(c.attempt.desc(), c.seq.desc()).limit(limit))
    return [LogLine(*row) for row in rows][::-1]
