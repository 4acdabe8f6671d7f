"""Inserting runs and writing jobs, on a connection that holds the write lock."""

import json
import sqlite3
from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import Connection

from jobsched.model.alike import RunsAlike
from jobsched.model.definition import stored_definition
from jobsched.model.run import NewRun, RunState
from jobsched.model.state import JobWrite
from jobsched_sql.alike import alike
from jobsched_sql.dialect import Inserted, InsertedAlone, Placed, Queue
from jobsched_sql.texts import clean, encode, tags_text
from jobsched_sql.types import from_micros, to_micros, to_millis
from jobsched_sqlite import statements
from jobsched_sqlite.connections import Driver


def insert(
    connection: Connection | Driver, placed: Sequence[Placed], now: datetime, *, however_many: bool
) -> list[Inserted | None]:
    """Ids are given here, in order: nobody else writes."""
    if not placed:
        return []
    last, limited, counted = _as_it_stands(connection)
    if not however_many and any((one.run.namespace, one.run.queue) in counted for one in placed):
        return [None] * len(placed)
    groups = list(alike(placed))
    each = len(groups) == len(placed)
    states: list[RunState] = []
    rows = []
    for some in groups:
        state = _state(some.first, now, limited)
        states += [state] * len(some.payloads)
        payloads = {"payload": some.payloads[0]} if each else {"payloads": json.dumps(some.payloads)}
        rows.append(_row(last + 1 + some.position, some.first, state, to_micros(now)) | payloads)
    inserted = connection.exec_driver_sql(statements.INSERT_EACH if each else statements.INSERT_RUNS, rows).rowcount
    if any(one.run.tags for one in placed):
        connection.exec_driver_sql(statements.INDEX_TAGS, (last,))
    if inserted == len(placed):
        return [Inserted(last + n, state) for n, state in enumerate(states, 1)]
    there = {id_ for (id_,) in connection.exec_driver_sql(statements.INSERTED, (last,)).fetchall()}
    return [Inserted(last + n, state) if last + n in there else None for n, state in enumerate(states, 1)]


def insert_one(driver: Driver, run: NewRun) -> InsertedAlone:
    """`insert` for one that is due at once, without tags, and that nothing can keep out, on a connection without a transaction.

    No ids if its queue has limits: then nothing was inserted.
    """
    queue = clean(run.queue)
    row = (
        run.namespace,
        run.job,
        clean(run.handler),
        run.source.value,
        queue,
        run.priority,
        run.max_attempts,
        _micros(run.start_by),
        run.generation,
        encode(run.payload),
        None if run.timeout is None else to_millis(run.timeout),
        run.batch,
        run.trace,
        run.namespace,
        queue,
    )
    made = driver.exec_driver_sql(statements.INSERT_ONE, row)
    if made.rowcount != 1:
        return InsertedAlone([], [], rung=False)
    assert made.lastrowid is not None, "a row was inserted"
    return InsertedAlone([made.lastrowid], [RunState.PENDING], rung=False)


def insert_alone(driver: Driver, new: Sequence[NewRun], now: datetime, *, however_many: bool) -> InsertedAlone:
    """`insert` for what nothing can keep out."""
    if isinstance(new, RunsAlike):
        try:
            return _insert_alike(driver, new, now, however_many=however_many)
        except sqlite3.OperationalError as error:
            # SQLite reads JSON a thousand or two levels deep; as texts, which it does not read, it keeps any.
            if "malformed JSON" not in str(error):
                raise
    made = insert(driver, [Placed(run, None) for run in new], now, however_many=however_many)
    inserted = [one for one in made if one is not None]
    return InsertedAlone([one.id for one in inserted], [one.state for one in inserted], rung=False)


def _insert_alike(driver: Driver, new: RunsAlike, now: datetime, *, however_many: bool) -> InsertedAlone:
    last, limited, counted = _as_it_stands(driver)
    first, count = Placed(new.first, None), len(new)
    if not however_many and (new.first.namespace, new.first.queue) in counted:
        return InsertedAlone([], [], rung=False)
    state = _state(first, now, limited)
    row = _row(last + 1, first, state, to_micros(now))
    driver.exec_driver_sql(statements.INSERT_ALIKE, row | {"payloads": new.text})
    if new.first.tags:
        driver.exec_driver_sql(statements.INDEX_TAGS, (last,))
    return InsertedAlone(range(last + 1, last + 1 + count), [state] * count, rung=False)


def _as_it_stands(connection: Connection | Driver) -> tuple[int, set[Queue], set[Queue]]:
    """The last id that was given, the queues that limit what starts, and those that limit what waits."""
    [(last,)] = connection.exec_driver_sql(statements.LAST_ID).fetchall()
    queues = connection.exec_driver_sql(statements.LIMITED_QUEUES).fetchall()
    limited = {Queue(row[0], row[1]) for row in queues if row[2]}
    return last, limited, {Queue(row[0], row[1]) for row in queues if row[3]}


def _state(one: Placed, now: datetime, limited: Collection[Queue]) -> RunState:
    state, at = one.state, one.run.available_at
    if state is None:
        state = RunState.PENDING if at is None or at <= now else RunState.SCHEDULED
    waits = state is RunState.PENDING and (one.run.namespace, one.run.queue) in limited
    return RunState.BLOCKED if waits else state


def _row(first_id: int, first: Placed, state: RunState, now: int) -> dict[str, object]:
    run, covers = first.run, first.run.covers
    return {
        "first": first_id,
        "namespace": run.namespace,
        "job": run.job,
        "handler": clean(run.handler),
        "source": run.source.value,
        "queue": clean(run.queue),
        "priority": run.priority,
        "state": state.value,
        "reason": None if first.reason is None else first.reason.value,
        "max_attempts": run.max_attempts,
        "scheduled_at": _micros(run.scheduled_at),
        "available_at": now if run.available_at is None else to_micros(run.available_at),
        "start_by": _micros(run.start_by),
        "finished_at": now if state.final else None,
        "generation": run.generation,
        "concurrency_key": run.key,
        "unique_key": run.unique_key,
        "covers_first": None if covers is None else to_micros(covers.first),
        "covers_last": None if covers is None else to_micros(covers.last),
        "covers_count": None if covers is None else covers.count,
        "created_at": now,
        "timeout_ms": None if run.timeout is None else to_millis(run.timeout),
        "unique_until": None if run.unique_for is None else now + 1000 * to_millis(run.unique_for),
        "tags": tags_text(run.tags) if run.tags else None,
        "batch": run.batch,
        "trace": run.trace,
    }


def _micros(instant: datetime | None) -> int | None:
    return None if instant is None else to_micros(instant)


def slots_taken(connection: Connection, slots: Sequence[NewRun]) -> set[tuple[str, str, datetime]]:
    """Those of these slots that have a row."""
    asked = json.dumps([[run.namespace, run.job, _micros(run.scheduled_at)] for run in slots])
    found = (json.loads(row[0]) for row in connection.exec_driver_sql(statements.SLOT_TAKEN, (asked,)))
    return {(namespace, job, from_micros(at)) for namespace, job, at in found}


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
            write.origin.value,
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
            write.origin.value,
            namespace,
            write.job.name,
        )
        for write in writes
    ]
    connection.exec_driver_sql(statements.WRITE_DEFINITION, rows)
