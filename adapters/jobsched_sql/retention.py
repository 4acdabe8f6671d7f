"""Deleting finished runs that nobody keeps: of a job by counts and age, of the rest by age."""

from collections.abc import Iterator, Sequence

from sqlalchemy import ColumnElement, Connection, Select, and_, delete, or_, select

from jobsched.model.run import RunState
from jobsched.store.port import Retention
from jobsched_sql.dialect import Dialect, Work
from jobsched_sql.tables import jobs, run_logs, runs

#: Rows that one transaction deletes: near 40 ms on SQLite, where others wait meanwhile.
_AT_ONCE = 500


def prune(dialect: Dialect, retentions: Sequence[Retention], limit: int) -> int:
    """Delete what retention no longer keeps, at most `limit`; how many."""
    deleted = 0
    for retention in retentions:
        for outdated in _outdated(dialect, retention):
            while (batch := min(limit - deleted, _AT_ONCE)) > 0:
                ids = dialect.read(_choosing(outdated.limit(batch)))
                deleted += dialect.write(_deleting(ids)) if ids else 0
                if len(ids) < batch:
                    break
    return deleted


def _choosing(outdated: Select[int]) -> Work[Sequence[int]]:
    """Outside of the transaction that deletes: mostly there is nothing, and then nobody is to wait for us."""
    return lambda connection: sorted(connection.execute(outdated).scalars().all())


def _deleting(ids: Sequence[int]) -> Work[int]:
    return lambda connection: _delete(connection, ids)


def _delete(connection: Connection, ids: Sequence[int]) -> int:
    # A run that was requeued since we looked is no longer finished, and stays, with its log.
    finished = select(runs.c.id).where(runs.c.id.in_(ids), *_done_with()).order_by(runs.c.id).with_for_update()
    still = connection.execute(finished).scalars().all()
    connection.execute(delete(run_logs).where(run_logs.c.run_id.in_(still)))
    return connection.execute(delete(runs).where(runs.c.id.in_(still))).rowcount


def _done_with() -> tuple[ColumnElement[bool], ...]:
    """Finished, and no thread performs it any more: an abandoned one still holds its key."""
    return runs.c.finished_at.is_not(None), runs.c.abandoned_by.is_(None)


def _outdated(dialect: Dialect, retention: Retention) -> Iterator[Select[int]]:
    """Statements that each choose the ids of one kind of runs to delete."""
    now = dialect.given_now() or dialect.read(dialect.now)
    c = runs.c
    of_namespace = select(c.id).where(c.namespace == retention.namespace, *_done_with())
    if retention.job is not None:
        history = retention.history
        of_job = of_namespace.where(c.job == retention.job)
        yield of_job.where(c.finished_at < now - history.max_age)
        for kept, states in (
            (history.success, (RunState.SUCCEEDED,)),
            (history.failed, (RunState.FAILED, RunState.CANCELLED)),
            (history.skipped, (RunState.SKIPPED,)),
        ):
            yield of_job.where(c.state.in_([state.value for state in states])).order_by(c.id.desc()).offset(kept)
        return
    of_nobody = or_(c.job.is_(None), ~select(jobs.c.name).where(_same_job()).exists())
    yield of_namespace.where(of_nobody, c.finished_at < now - retention.history.max_age)
    for state, age in retention.ad_hoc_ages.items():
        yield of_namespace.where(c.job.is_(None), c.state == state.value, c.finished_at < now - age)


def _same_job() -> ColumnElement[bool]:
    return and_(jobs.c.namespace == runs.c.namespace, jobs.c.name == runs.c.job)
