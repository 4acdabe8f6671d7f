"""The shortest way of one small statement to the server and back, for what programs ask one at a time.

A pool and a driver look after much that such a statement never needs, which takes longer than the server does. So one
connection of the pool is kept from one statement to the next, and libpq itself is asked.
"""

import select
from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import errors, pq
from psycopg.pq.abc import PGconn, PGresult
from sqlalchemy import Engine, PoolProxiedConnection

from jobsched.clock import Clock
from jobsched_postgres.connections import TRUSTED_SECONDS, WAS_IN_POOL, as_driver, was_told_something
from jobsched_postgres.failures import before_sending
from jobsched_postgres.watchdog import Watchdog
from jobsched_sql.forking import leave

_PREPARED = "jobsched_prepared"
#: Whether libpq (14 and newer) can send a statement before the answer to another has come.
SENDS_TWO = psycopg.Pipeline.is_supported()


class Direct:
    """Thread-safe: who finds the kept connection taken gets another from the pool, and the last one given back is kept."""

    def __init__(self, engine: Engine, watchdog: Watchdog, clock: Clock) -> None:
        self._engine, self._watchdog, self._clock = engine, watchdog, clock
        self._kept: list[tuple[float, PoolProxiedConnection]] = []
        self._closed = False

    def take(self) -> PoolProxiedConnection:
        """A connection that looks alive, watched; to be given back."""
        while self._kept:
            try:
                since, pooled = self._kept.pop()
            except IndexError:  # another thread was faster
                break
            driver = as_driver(pooled.driver_connection)
            if self._clock.monotonic() - since < TRUSTED_SECONDS and not was_told_something(driver):
                self._watchdog.watch(driver)
                return pooled
            pooled.close()  # the pool asks it before it gives it out again
        return self._engine.raw_connection()

    def give_back(self, pooled: PoolProxiedConnection) -> None:
        if self._closed or self._kept or not pooled.is_valid:
            pooled.close()
            return
        self._watchdog.forget(as_driver(pooled.driver_connection))
        self._kept.append((self._clock.monotonic(), pooled))

    def close(self) -> None:
        """Keep none any more; idempotent."""
        self._closed = True
        self.drop()

    def drop(self) -> None:
        """The kept connection is no good."""
        while self._kept:
            _, pooled = self._kept.pop()
            pooled.invalidate()
            pooled.close()

    def forked(self) -> None:
        """In a forked child."""
        leave(self._kept)
        self._kept = []


def execute_prepared(
    pooled: PoolProxiedConnection, name: str, statement: str, asked: Sequence[str | None], then: bytes | None = None
) -> list[tuple[str, ...]]:
    """The rows of a prepared statement that commits by itself, as text. `statement` has $1 and so on, and no NULL among its results.

    `then`: a statement that goes with it, and is executed when it has been committed; what becomes of that is not told.
    Raises the driver's errors, and NotSentError.
    """
    prepared: set[str] = pooled.info.setdefault(_PREPARED, set())
    if name in prepared and pooled.info.get(WAS_IN_POOL):
        try:
            return _rows_of(pooled, name, asked, then)
        except errors.InvalidSqlStatementName:
            # Forgotten by a rollback: nothing was done, and it is prepared again.
            prepared.clear()
    if name not in prepared:
        driver = as_driver(pooled.driver_connection)
        with before_sending():
            _checked(driver, driver.pgconn.prepare(name.encode(), statement.encode()), pq.ExecStatus.COMMAND_OK)
        prepared.add(name)
        pooled.info[WAS_IN_POOL] = False
    return _rows_of(pooled, name, asked, then)


def _rows_of(
    pooled: PoolProxiedConnection, name: str, asked: Sequence[str | None], then: bytes | None
) -> list[tuple[str, ...]]:
    driver = as_driver(pooled.driver_connection)
    encoding = driver.info.encoding
    values = [None if value is None else value.encode(encoding) for value in asked]
    # None is NULL, as `exec_params` says it in its types.
    sent = name.encode()
    result = driver.pgconn.exec_prepared(sent, values) if then is None else _both(pooled, sent, values, then)  # type: ignore[arg-type]
    _checked(driver, result, pq.ExecStatus.TUPLES_OK)
    columns = range(result.nfields)
    return [
        tuple([(result.get_value(row, column) or b"").decode(encoding) for column in columns])
        for row in range(result.ntuples)
    ]


def _both(pooled: PoolProxiedConnection, name: bytes, values: Sequence[bytes | None], then: bytes) -> PGresult:
    """The result of the first, which has been committed when the second begins: one way there and back for two transactions."""
    pgconn = as_driver(pooled.driver_connection).pgconn
    try:
        pgconn.enter_pipeline_mode()
        pgconn.send_query_prepared(name, values)
        pgconn.pipeline_sync()
        pgconn.send_query_params(then, None)
        pgconn.pipeline_sync()
        result = _until_sync(pgconn)
        _end_of_second(pooled, pgconn)
    except psycopg.Error:
        raise  # a lost connection, which whoever asked gives up
    except BaseException as error:
        pooled.invalidate(error)  # interrupted: the next statement would be given the answer to this one
        raise
    return result


def _end_of_second(pooled: PoolProxiedConnection, pgconn: PGconn) -> None:
    """The first is committed, whatever happens now."""
    try:
        _until_sync(pgconn)
        pgconn.exit_pipeline_mode()
    except psycopg.Error as error:
        pooled.invalidate(error)


def _until_sync(pgconn: PGconn) -> PGresult:
    """The first result of a transaction, read to its end. It waits by `poll`, since libpq's own wait would hold Python's lock."""
    poll = select.poll()
    first: PGresult | None = None
    while True:
        while pgconn.is_busy():
            # The driver has made the connection one that does not block: of a large payload a part may wait to be sent.
            poll.register(pgconn.socket, select.POLLIN | select.POLLOUT if pgconn.flush() else select.POLLIN)
            poll.poll()
            pgconn.consume_input()
        result = pgconn.get_result()
        first = first or result
        if result is not None and result.status == pq.ExecStatus.PIPELINE_SYNC:
            assert first is not None
            return first
        if pgconn.status != pq.ConnStatus.OK:
            raise psycopg.OperationalError(_lost(pgconn))


def _checked(driver: psycopg.Connection[Any], result: Any, wanted: pq.ExecStatus) -> None:
    if result.status == wanted:
        return
    if driver.pgconn.status != pq.ConnStatus.OK:
        raise psycopg.OperationalError(_lost(driver.pgconn))
    raise errors.error_from_result(result, driver.info.encoding)


def _lost(pgconn: PGconn) -> str:
    return f"the connection is lost: {pgconn.error_message.decode(errors='replace')}"
