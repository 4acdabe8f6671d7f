"""Lines of attempts."""

from collections.abc import Sequence

from sqlalchemy import Connection, select, tuple_

from jobsched.model.run import LogLine
from jobsched_sql.dialect import Dialect
from jobsched_sql.tables import run_logs


def append(connection: Connection, dialect: Dialect, lines: Sequence[LogLine]) -> None:
    """Keep lines; those that are there already, and those of runs that are gone, are passed over."""
    dialect.append_log(connection, lines)


def progress(connection: Connection, run_ids: Sequence[int]) -> dict[int, LogLine]:
    """The newest line of the stream `progress` of each run that has one; one step back through each log."""
    c = run_logs.c
    found = {}
    for run_id in run_ids:
        statement = (
            select(c.run_id, c.attempt, c.seq, c.at, c.stream, c.text)
            .where(c.run_id == run_id, c.stream == "progress")
            .order_by(c.attempt.desc(), c.seq.desc())
            .limit(1)
        )
        if row := connection.execute(statement).one_or_none():
            found[run_id] = LogLine(*row)
    return found


def read(connection: Connection, run_id: int, attempt: int | None, after: tuple[int, int], limit: int) -> list[LogLine]:
    """Lines of a run in order, strictly after that place."""
    c = run_logs.c
    statement = (
        select(c.run_id, c.attempt, c.seq, c.at, c.stream, c.text)
        .where(c.run_id == run_id, tuple_(c.attempt, c.seq) > tuple_(*after))
        .order_by(c.attempt, c.seq)
        .limit(limit)
    )
    if attempt is not None:
        statement = statement.where(c.attempt == attempt)
    return [LogLine(*row) for row in connection.execute(statement)]
