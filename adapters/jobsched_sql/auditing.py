"""What people did: a row for each act, written in the transaction that does it, read newest first, and forgotten in time."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, case, delete, func, insert, select, update
from sqlalchemy.engine import Row

from jobsched.model.audit import AUDIT_KEPT, AUDIT_MOST, Act, Action, AuditFilter, AuditRow, Via
from jobsched.model.run import Answer, Created, NewRun
from jobsched_sql.dialect import Dialect
from jobsched_sql.tables import audit as table
from jobsched_sql.tables import runs
from jobsched_sql.texts import clean
from jobsched_sql.types import HIGHEST_ID

#: Rows that one transaction deletes.
_AT_ONCE = 500


class Touched(NamedTuple):
    """A run that an act was done to."""

    id: int
    job: str | None
    queue: str | None


def record(connection: Connection, dialect: Dialect, acts: Iterable[Act], **more: Any) -> None:
    """A row for each of these acts, which are on no runs. `more`: further details."""
    for act in acts:
        values = {"job": _clean(act.job), "queue": _clean(act.queue), "run_id": None, "count": 1}
        _insert(connection, dialect, act, values, more)


def record_runs(connection: Connection, dialect: Dialect, act: Act | None, touched: Sequence[Touched]) -> None:
    """The act's row; if a part of it was recorded before, that row grows. Nothing is, where nothing was done."""
    if act is None or not touched:
        return
    jobs, queues = {one.job for one in touched}, {one.queue for one in touched}
    values = {
        "job": act.job or (jobs.pop() if len(jobs) == 1 else None),
        "queue": act.queue or (queues.pop() if len(queues) == 1 else None),
        "run_id": touched[0].id if len(touched) == 1 else None,
        "count": len(touched),
    }
    if not _grow(connection, act, values):
        _insert(connection, dialect, act, values)


def _grow(connection: Connection, act: Act, values: Mapping[str, Any]) -> bool:
    c = table.c
    same = {name: case((c[name] == values[name], c[name])) for name in ("job", "queue")}
    grown = update(table).where(c.act == act.key).values(count=c.count + values["count"], run_id=None, **same)
    return connection.execute(grown).rowcount > 0


def _insert(
    connection: Connection,
    dialect: Dialect,
    act: Act,
    values: Mapping[str, Any],
    more: Mapping[str, Any] | None = None,
) -> None:
    row = {
        "act": act.key,
        "namespace": act.namespace,
        "at": dialect.now(connection),
        "done_by": clean(act.by),
        "via": act.via.value,
        "action": act.action.value,
        "details": {**act.details, **(more or {})},
        **values,
    }
    connection.execute(insert(table).values(row))


def _clean(text: str | None) -> str | None:
    return None if text is None else clean(text)


def record_answers(connection: Connection, dialect: Dialect, act: Act | None, answers: Iterable[Answer]) -> None:
    """Those runs that were not refused are what the act was done to."""
    if act is not None:
        done = [answer.id for answer in answers if answer.refused is None]
        record_runs(connection, dialect, act, touched(connection, done))


def touched(connection: Connection, run_ids: Sequence[int]) -> list[Touched]:
    """These runs, as far as they exist."""
    c = runs.c
    possible = [run_id for run_id in run_ids if 0 <= run_id <= HIGHEST_ID]
    found = connection.execute(select(c.id, c.job, c.queue).where(c.id.in_(possible)).order_by(c.id))
    return [Touched(*row) for row in found]


def of_jobs(created: Iterable[Created]) -> list[Touched]:
    """Runs of jobs that were made just now; of their queues nothing is said."""
    return [Touched(one.id, one.job, None) for one in created]


def made(wanted: Sequence[NewRun], created: Sequence[Created | None]) -> list[Touched]:
    """Those runs that were not there before."""
    return [
        Touched(one.id, run.job, run.queue)
        for run, one in zip(wanted, created, strict=True)
        if one is not None and not one.existing
    ]


def rows(connection: Connection, wanted: AuditFilter) -> list[AuditRow]:
    """What was recorded, newest first."""
    c = table.c
    statement = select(table).where(c.namespace == wanted.namespace).order_by(c.id.desc()).limit(wanted.limit)
    if wanted.since is not None:
        statement = statement.where(c.at >= wanted.since)
    if wanted.job is not None:
        statement = statement.where(c.job == wanted.job)
    if wanted.by is not None:
        statement = statement.where(c.done_by.icontains(clean(wanted.by), autoescape=True))
    if wanted.action is not None:
        statement = statement.where(c.action == wanted.action.value)
    if wanted.before_id is not None:
        statement = statement.where(c.id < wanted.before_id)
    return [_row(row) for row in connection.execute(statement)]


def _row(row: Row[*tuple[Any, ...]]) -> AuditRow:
    return AuditRow(
        id=row.id,
        namespace=row.namespace,
        at=row.at,
        by=row.done_by,
        via=Via(row.via),
        action=Action(row.action),
        job=row.job,
        queue=row.queue,
        run=row.run_id,
        count=row._mapping["count"],  # noqa: SLF001 - `count` is a method of rows, and this is how SQLAlchemy says it
        details=row.details,
    )


def forget(dialect: Dialect) -> None:
    """What is older than is kept, and all but the newest: some at once, each time in a transaction of their own."""
    while dialect.write(lambda connection: _forget_some(connection, dialect)) == _AT_ONCE:
        pass


def _forget_some(connection: Connection, dialect: Dialect) -> int:
    c = table.c
    # Numbers have gaps, so that it may be a few rows less that are kept.
    newest = select(func.max(c.id)).scalar_subquery()
    old = (c.at < dialect.now(connection) - AUDIT_KEPT) | (c.id <= newest - AUDIT_MOST)
    chosen = select(c.id).where(old).order_by(c.id).limit(_AT_ONCE)
    return connection.execute(delete(table).where(c.id.in_(chosen.scalar_subquery()))).rowcount
