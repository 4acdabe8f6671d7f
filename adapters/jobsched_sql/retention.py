"""Deleting finished runs that nobody keeps: of a job by counts and age, of the rest by age."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Select, and_, case, delete, func, or_, select

from jobsched.model.job import History
from jobsched.model.run import RunState, Source
from jobsched.store.port import Retention
from jobsched_sql.dialect import Dialect, Work
from jobsched_sql.tables import jobs, run_logs, runs

#: Rows that one transaction deletes: near 40 ms on SQLite, where others wait meanwhile.
_AT_ONCE = 500
_FINAL = tuple(state for state in RunState if state.final)


def prune(dialect: Dialect, retentions: Sequence[Retention], limit: int) -> int:
    """Delete what retention no longer keeps, at most `limit`; how many."""
    now = dialect.given_now() or dialect.read(dialect.now)
    deleted = 0
    for outdated in _outdated(retentions, now):
        while (batch := min(limit - deleted, _AT_ONCE)) > 0:
            ids = dialect.read(_choosing(outdated.limit(batch)))
            deleted += dialect.write(_deleting(ids, now)) if ids else 0
            if len(ids) < batch:
                break
    return deleted


def _choosing(outdated: Select[int]) -> Work[Sequence[int]]:
    """Outside of the transaction that deletes: mostly there is nothing, and then nobody is to wait for us."""
    return lambda connection: sorted(connection.execute(outdated).scalars().all())


def _deleting(ids: Sequence[int], now: datetime) -> Work[int]:
    return lambda connection: _delete(connection, ids, now)


def _delete(connection: Connection, ids: Sequence[int], now: datetime) -> int:
    # A run that was requeued since we looked is no longer finished, and stays, with its log.
    finished = select(runs.c.id).where(runs.c.id.in_(ids), *_done_with(now)).order_by(runs.c.id).with_for_update()
    still = connection.execute(finished).scalars().all()
    connection.execute(delete(run_logs).where(run_logs.c.run_id.in_(still)))
    return connection.execute(delete(runs).where(runs.c.id.in_(still))).rowcount


def _done_with(now: datetime) -> tuple[ColumnElement[bool], ...]:
    """Finished, and nothing depends on it: an abandoned one still holds its key, and some have their unique key for a while."""
    c = runs.c
    return c.finished_at.is_not(None), c.abandoned_by.is_(None), or_(c.unique_until.is_(None), c.unique_until <= now)


def _outdated(retentions: Sequence[Retention], now: datetime) -> Iterator[Select[int]]:
    """Statements that each choose ids of runs to delete. Jobs mostly keep the same, and are then asked for together."""
    alike: dict[tuple[str, History], list[str]] = {}
    for retention in retentions:
        if retention.job is None:
            yield from _ad_hoc(retention, now)
        else:
            alike.setdefault((retention.namespace, retention.history), []).append(retention.job)
    for (namespace, history), names in alike.items():
        yield _of_jobs(namespace, names, history, now)


def _of_jobs(namespace: str, names: Sequence[str], history: History, now: datetime) -> Select[int]:
    """Of each job the runs beyond its counts, and those that are too old."""
    c = runs.c
    kept = {RunState.SUCCEEDED: history.success, RunState.FAILED: history.failed, RunState.SKIPPED: history.skipped}
    # What was cancelled counts with what failed.
    kind = case((c.state == RunState.CANCELLED.value, RunState.FAILED.value), else_=c.state).label("kind")
    # Backfilled runs count by themselves: thousands of them push out no row of a regular slot, which would run twice.
    backfilled = c.source == Source.BACKFILL.value
    place = func.row_number().over(partition_by=(c.job, kind, backfilled), order_by=c.id.desc()).label("place")
    of_jobs = select(c.id, c.finished_at, kind, place).where(
        c.namespace == namespace, c.job.in_(names), *_done_with(now)
    )
    row = of_jobs.subquery().c
    beyond = [and_(row.kind == state.value, row.place > count) for state, count in kept.items()]
    return select(row.id).where(or_(row.finished_at < now - history.max_age, *beyond))


def _ad_hoc(retention: Retention, now: datetime) -> Iterator[Select[int]]:
    """By the age of their state, and at most as old as those of jobs; then the history of jobs that are gone."""
    c, oldest = runs.c, retention.history.max_age
    of_namespace = select(c.id).where(c.namespace == retention.namespace, *_done_with(now))
    for state in _FINAL:
        age = min(retention.ad_hoc_ages.get(state, oldest), oldest)
        yield of_namespace.where(c.job.is_(None), c.state == state.value, c.finished_at < now - age)
    gone = ~select(jobs.c.name).where(_same_job()).exists()
    yield of_namespace.where(c.job.is_not(None), c.finished_at < now - oldest, gone)


def _same_job() -> ColumnElement[bool]:
    return and_(jobs.c.namespace == runs.c.namespace, jobs.c.name == runs.c.job)
