"""What metrics ask now and then: what the newest runs of each job became."""

from typing import Any

from sqlalchemy import ColumnElement, Connection, ScalarSelect, select

from jobsched.model.figures import JobFigures
from jobsched.model.run import RunState
from jobsched_sql.tables import jobs, runs


def job_figures(connection: Connection, namespace: str) -> list[JobFigures]:
    """Three steps down the index of each job's runs, each to the first that is wanted: none goes through a healthy history."""
    ended = runs.c.state.in_([RunState.SUCCEEDED.value, RunState.FAILED.value])
    statement = select(
        jobs.c.name,
        jobs.c.next_at,
        _newest(runs.c.created_at, runs.c.state != RunState.SKIPPED.value).label("last_run_at"),
        _newest(runs.c.finished_at, runs.c.state == RunState.SUCCEEDED.value).label("last_success_at"),
        _newest(runs.c.state, ended).label("ended"),
    ).where(jobs.c.namespace == namespace)
    # Sorted here: each database has an order of its own for letters.
    rows = sorted(connection.execute(statement), key=lambda row: str(row.name))
    return [
        JobFigures(
            name=row.name,
            next_at=row.next_at,
            last_run_at=row.last_run_at,
            last_success_at=row.last_success_at,
            failing=row.ended == RunState.FAILED.value,
        )
        for row in rows
    ]


def _newest(column: ColumnElement[Any], wanted: ColumnElement[bool]) -> ScalarSelect[Any]:
    """A column of the job's newest run that is so."""
    return (
        select(column)
        .where(runs.c.namespace == jobs.c.namespace, runs.c.job == jobs.c.name, wanted)
        .order_by(runs.c.id.desc())
        .limit(1)
        .correlate(jobs)
        .scalar_subquery()
    )
