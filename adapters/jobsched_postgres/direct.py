"""The shortest way of one small statement to the server and back, for what programs ask one at a time.

A pool and a driver look after much that such a statement never needs, which takes longer than the server does. So some
connections of the pool are kept from one statement to the next, and libpq itself is asked.
"""

import hashlib
import re
import select
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import Any

import psycopg
from psycopg import errors, pq
from psycopg.adapt import Transformer
from psycopg.pq.abc import PGconn, PGresult
from sqlalchemy import Engine, PoolProxiedConnection

from jobsched.clock import Clock
from jobsched_postgres.batches import as_text
from jobsched_postgres.connections import DOUBTED, TRUSTED_SECONDS, as_driver
from jobsched_postgres.failures import before_sending, connection_lost
from jobsched_postgres.watchdog import Watchdog
from jobsched_sql.forking import leave

_SERVER = "jobsched_server"
_NAMED = re.compile(r"%\((\w+)\)s")
#: Whether libpq (14 and newer) can send a statement before the answer to another has come.
SENDS_TWO = psycopg.Pipeline.is_supported()
#: One for who claims, one for who finishes, one for a ring between: what is asked again and again is asked of the same
#: servers, which have it prepared, and its tables at hand.
_MOST_KEPT = 3


class Direct:
    """Thread-safe: the one given back last is taken first; who finds all of them taken gets another from the pool."""

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
            server = _server(pooled)
            if self._clock.monotonic() - since < TRUSTED_SECONDS and not server.was_told_something():
                self._watchdog.watch(server.driver)
                return pooled
            pooled.info[DOUBTED] = True
            pooled.close()  # the pool asks it before it gives it out again
        return self._engine.raw_connection()

    def give_back(self, pooled: PoolProxiedConnection) -> None:
        if self._closed or len(self._kept) >= _MOST_KEPT or not pooled.is_valid:
            pooled.close()
            return
        self._watchdog.forget(as_driver(pooled.driver_connection))
        self._kept.append((self._clock.monotonic(), pooled))

    def close(self) -> None:
        """Keep none any more; idempotent."""
        self._closed = True
        self.drop()

    def drop(self) -> None:
        """The kept connections are no good."""
        with suppress(IndexError):  # other threads may take them, or find them to be no good as well
            while self._kept:
                _, pooled = self._kept.pop()
                pooled.invalidate()
                pooled.close()

    def forked(self) -> None:
        """In a forked child."""
        leave(self._kept)
        self._kept = []


class _Server:
    """What is known of a connection, and would be asked of the driver at each statement: it takes longer than sending one."""

    __slots__ = ("_poll", "driver", "encoding", "pgconn", "prepared", "transformer")

    def __init__(self, driver: psycopg.Connection[Any]) -> None:
        self.driver, self.pgconn = driver, driver.pgconn
        self.encoding = driver.info.encoding
        self.prepared: set[str] = set()
        self.transformer = Transformer(driver)  #: it knows how to read the columns that it has seen
        self._poll = select.poll()
        self._poll.register(driver.fileno(), select.POLLIN)

    def was_told_something(self) -> bool:
        """As the function of `connections`, of one that is looked at again and again."""
        return bool(self._poll.poll(0))


def _server(pooled: PoolProxiedConnection) -> _Server:
    known: _Server | None = pooled.info.get(_SERVER)
    if known is None:
        known = pooled.info[_SERVER] = _Server(as_driver(pooled.driver_connection))
    return known


def execute_prepared(
    pooled: PoolProxiedConnection,
    name: str,
    statement: str,
    asked: Sequence[str | None],
    *,
    then: bytes | None = None,
    binary: bool = False,
) -> list[tuple[Any, ...]]:
    """The rows of a prepared statement that commits by itself, as the connection loads them. `statement` has $1 and so on.

    `then`: a statement that goes with it, and is executed when it has been committed; what becomes of that is not told.
    Raises the driver's errors, and NotSentError.
    """
    server = _server(pooled)
    _prepare(server, name, statement)
    values = _values(server, asked)
    if then is None:
        form = pq.Format.BINARY if binary else pq.Format.TEXT
        result = server.pgconn.exec_prepared(name.encode(), values, None, form)
    else:
        result = _both(pooled, name.encode(), values, then)
    _checked(server.driver, result, pq.ExecStatus.TUPLES_OK)
    return _loaded(server, result)


def _prepare(server: _Server, name: str, statement: str) -> None:
    if name not in server.prepared:
        with before_sending():
            prepared = server.pgconn.prepare(name.encode(), statement.encode())
            _checked(server.driver, prepared, pq.ExecStatus.COMMAND_OK)
        server.prepared.add(name)


def _values(server: _Server, asked: Sequence[str | None]) -> Any:
    """As libpq sends them. None is NULL; psycopg says so in the types of `exec_params` alone."""
    return [None if value is None else _sendable(value.encode(server.encoding)) for value in asked]


def execute_named(
    pooled: PoolProxiedConnection, statement: str, asked: Mapping[str, object], *, binary: bool
) -> list[tuple[Any, ...]]:
    """The same of a statement whose parameters have names, as %(name)s, and types of their own: each is sent as text."""
    name, numbered, names = _numbered(statement)
    return execute_prepared(pooled, name, numbered, [as_text(asked[each]) for each in names], binary=binary)


def execute_two_named(
    pooled: PoolProxiedConnection, first: str, second: str, asked: Mapping[str, object]
) -> list[tuple[Any, ...]]:
    """The rows of two such statements, all in one list. They are one transaction, which is sent, and commits, at once."""
    server, sent = _server(pooled), []
    for statement in (first, second):
        name, numbered, names = _numbered(statement)
        _prepare(server, name, numbered)
        sent.append((name.encode(), _values(server, [as_text(asked[each]) for each in names])))
    results = _two(pooled, sent)
    for result in results:
        _checked(server.driver, result, pq.ExecStatus.TUPLES_OK)
    return [row for result in results for row in _loaded(server, result)]


def execute_once(pooled: PoolProxiedConnection, statement: str, asked: Mapping[str, object]) -> list[tuple[Any, ...]]:
    """The same without preparing it: in one round trip, with a plan for the tables as they are."""
    _, numbered, names = _numbered(statement)
    server = _server(pooled)
    texts = [as_text(asked[each]) for each in names]
    values = [None if text is None else _sendable(text.encode(server.encoding)) for text in texts]
    result = server.pgconn.exec_params(numbered.encode(), values)
    _checked(server.driver, result, pq.ExecStatus.TUPLES_OK)
    return _loaded(server, result)


@cache
def _numbered(statement: str) -> tuple[str, str, tuple[str, ...]]:
    """A name for it, the statement with its parameters by number, and their names in that order."""
    names = tuple(dict.fromkeys(_NAMED.findall(statement)))
    numbered = _NAMED.sub(lambda found: f"${names.index(found[1]) + 1}", statement)
    return f"jobsched_{hashlib.sha256(statement.encode()).hexdigest()[:16]}", numbered, names


def _loaded(server: _Server, result: PGresult) -> list[tuple[Any, ...]]:
    transformer = server.transformer
    transformer.set_pgresult(result)
    rows: list[tuple[Any, ...]] = transformer.load_rows(0, result.ntuples, tuple)
    transformer.set_pgresult(None)
    return rows


def _sendable(value: bytes) -> bytes:
    """Of what stands behind a NUL libpq would send nothing."""
    if b"\0" in value:
        raise psycopg.DataError("a text cannot hold a NUL (0x00)")
    return value


def _both(pooled: PoolProxiedConnection, name: bytes, values: Sequence[bytes | None], then: bytes) -> PGresult:
    """The result of the first, which has been committed when the second begins: one way there and back for two transactions."""
    pgconn = as_driver(pooled.driver_connection).pgconn
    try:
        pgconn.enter_pipeline_mode()
        pgconn.send_query_prepared(name, values)
        pgconn.pipeline_sync()
        pgconn.send_query_params(then, None)
        pgconn.pipeline_sync()
        [result, *_] = _until_sync(pgconn)
        _end_of_second(pooled, pgconn)
    except BaseException as error:
        _give_up(pooled, error)
        raise
    return result


def _two(pooled: PoolProxiedConnection, sent: Sequence[tuple[bytes, Any]]) -> Sequence[PGresult]:
    """The results of prepared statements of one transaction, which ends with them."""
    pgconn = as_driver(pooled.driver_connection).pgconn
    try:
        pgconn.enter_pipeline_mode()
        for name, values in sent:
            pgconn.send_query_prepared(name, values)
        pgconn.pipeline_sync()
        results = _until_sync(pgconn)
        pgconn.exit_pipeline_mode()
    except BaseException as error:
        _give_up(pooled, error)
        raise
    return results


def _give_up(pooled: PoolProxiedConnection, error: BaseException) -> None:
    """Of a lost connection whoever asked gives it up. Else the next statement would be given the answer to this one."""
    if not (isinstance(error, psycopg.Error) and connection_lost(error)):
        pooled.invalidate(error)


def _end_of_second(pooled: PoolProxiedConnection, pgconn: PGconn) -> None:
    """The first is committed, whatever happens now."""
    try:
        _until_sync(pgconn)
        pgconn.exit_pipeline_mode()
    except psycopg.Error as error:
        pooled.invalidate(error)


def _until_sync(pgconn: PGconn) -> list[PGresult]:
    """The results of a transaction, read to its end. It waits by `poll`, since libpq's own wait would hold Python's lock."""
    poll = select.poll()
    results: list[PGresult] = []
    while True:
        while pgconn.is_busy():
            # The driver has made the connection one that does not block: of a large payload a part may wait to be sent.
            poll.register(pgconn.socket, select.POLLIN | select.POLLOUT if pgconn.flush() else select.POLLIN)
            poll.poll()
            pgconn.consume_input()
        result = pgconn.get_result()
        if result is not None and result.status == pq.ExecStatus.PIPELINE_SYNC:
            return results
        if result is not None:
            results.append(result)
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
