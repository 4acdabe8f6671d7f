"""Inserting runs and writing jobs, on a connection that holds the write lock."""

import json
from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import Connection

from jobsched.model.definition import stored_definition
from jobsched.model.run import NewRun, RunState
from jobsched.model.state import Firing, JobWrite
from jobsched_sql.dialect import Inserted, Placed, Queue
from jobsched_sql.texts import clean, encode, tags_text
from jobsched_sql.types import from_micros, to_micros, to_millis
from jobsched_sqlite import statements


def insert(
    connection: Connection, placed: Sequence[Placed], now: datetime, *, however_many: bool
) -> list[Inserted | None]:
    """Ids are given here, in order: nobody else writes."""
    if not placed:
        return []
    last: int = connection.exec_driver_sql(statements.LAST_ID).scalar_one()
    queues = connection.exec_driver_sql(statements.LIMITED_QUEUES).fetchall()
    limited = {Queue(row[0], row[1]) for row in queues if row[2]}
    if not however_many:
        full = {Queue(row[0], row[1]) for row in queues if row[3]}
        if any((one.run.namespace, one.run.queue) in full for one in placed):
            return [None] * len(placed)
    states = [_state(one, now, limited) for one in placed]
    micros = to_micros(now)
    rows = [_row(last + n, one, state, micros) for n, (one, state) in enumerate(zip(placed, states, strict=True), 1)]
    inserted = connection.exec_driver_sql(statements.INSERT_RUN, rows).rowcount
    if any(one.run.tags for one in placed):
        connection.exec_driver_sql(statements.INDEX_TAGS, (last,))
    if inserted == len(rows):
        return [Inserted(last + n, state) for n, state in enumerate(states, 1)]
    there = {id_ for (id_,) in connection.exec_driver_sql(statements.INSERTED, (last,)).fetchall()}
    return [Inserted(last + n, state) if last + n in there else None for n, state in enumerate(states, 1)]


def _state(one: Placed, now: datetime, limited: Collection[Queue]) -> RunState:
    state, at = one.state, one.run.available_at
    if state is None:
        state = RunState.PENDING if at is None or at <= now else RunState.SCHEDULED
    waits = state is RunState.PENDING and (one.run.namespace, one.run.queue) in limited
    return RunState.BLOCKED if waits else state


def _row(id_: int, one: Placed, state: RunState, now: int) -> tuple[object, ...]:
    run = one.run
    return (
        id_,
        run.namespace,
        run.job,
        clean(run.handler),
        run.source.value,
        clean(run.queue),
        run.priority,
        state.value,
        None if one.reason is None else one.reason.value,
        run.max_attempts,
        _micros(run.scheduled_at),
        now if run.available_at is None else to_micros(run.available_at),
        _micros(run.start_by),
        now if state.final else None,
        run.generation,
        run.key,
        run.unique_key,
        encode(run.payload),
        None if run.covers is None else to_micros(run.covers.first),
        None if run.covers is None else to_micros(run.covers.last),
        None if run.covers is None else run.covers.count,
        now,
        None if run.timeout is None else to_millis(run.timeout),
        None if run.unique_for is None else now + 1000 * to_millis(run.unique_for),
        tags_text(run.tags) if run.tags else None,
        run.batch,
    )


def _micros(instant: datetime | None) -> int | None:
    return None if instant is None else to_micros(instant)


def slots_taken(connection: Connection, slots: Sequence[NewRun]) -> set[tuple[str, str, datetime]]:
    """Those of these slots that have a row."""
    asked = json.dumps([[run.namespace, run.job, _micros(run.scheduled_at)] for run in slots])
    found = (json.loads(row[0]) for row in connection.exec_driver_sql(statements.SLOT_TAKEN, (asked,)))
    return {(namespace, job, from_micros(at)) for namespace, job, at in found}


def advance(connection: Connection, firings: Sequence[Firing]) -> list[Firing]:
    """Move the cursors that are still as seen; which. All at once, and one by one only if some were not."""
    rows = [_advanced(firing) for firing in firings]
    connection.exec_driver_sql("savepoint advancing")
    if connection.exec_driver_sql(statements.ADVANCE, rows).rowcount == len(rows):
        return list(firings)
    connection.exec_driver_sql("rollback to advancing")
    return [
        firing
        for firing, row in zip(firings, rows, strict=True)
        if connection.exec_driver_sql(statements.ADVANCE, row).rowcount
    ]


def _advanced(firing: Firing) -> tuple[object, ...]:
    return (
        to_micros(firing.cursor),
        _micros(firing.next_at),
        firing.namespace,
        firing.job,
        to_micros(firing.seen_cursor),
        firing.schedule_revision,
    )


def write_jobs(
    connection: Connection, namespace: str, generation: int, writes: Sequence[JobWrite], now: datetime
) -> None:
    """Insert or replace jobs, cursors too."""
    at = to_micros(now)
    rows = [
        (
            namespace,
            write.job.name,
            encode(stored_definition(write.job)),
            write.revision,
            write.schedule_revision,
            generation,
            to_micros(write.cursor),
            _micros(write.next_at),
            at,
            at,
        )
        for write in writes
    ]
    connection.exec_driver_sql(statements.WRITE_JOB, rows)


def write_definitions(
    connection: Connection, namespace: str, generation: int, writes: Sequence[JobWrite], now: datetime
) -> None:
    """Replace definitions; cursors stay."""
    at = to_micros(now)
    rows = [
        (
            encode(stored_definition(write.job)),
            write.revision,
            write.schedule_revision,
            generation,
            at,
            namespace,
            write.job.name,
        )
        for write in writes
    ]
    connection.exec_driver_sql(statements.WRITE_DEFINITION, rows)
