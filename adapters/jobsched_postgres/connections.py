"""Connections to a server: time-outs on both sides, no state that a pooler between us would lose.

Nothing is prepared unless it says so itself, and then only where no pooler is between us, which gives the next statement
another server connection; and no SET outlives its transaction.
The time-outs go as start-up options, which cost nothing later; a pooler that refuses them gets none of it, and then
each transaction sets its own. What a lost network leaves hanging is cut off by the watchdog.
"""

import logging
import select
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from weakref import WeakSet

import psycopg
from psycopg.types.numeric import Int8BinaryLoader
from psycopg.types.string import TextBinaryLoader, TextLoader
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.pool import ConnectionPoolEntry

from jobsched.clock import Clock
from jobsched.errors import StoreError
from jobsched_postgres.failures import before_sending
from jobsched_postgres.location import Location
from jobsched_postgres.watchdog import Watchdog

log = logging.getLogger("jobsched")

STATEMENT_SECONDS = 15
#: MATERIALIZED came with it.
OLDEST_SERVER = 12
_POOL = 5
_POOL_OVERFLOW = 15
_POOL_SECONDS = 10.0

_SERVER_TIMEOUTS = {
    "statement_timeout": f"{STATEMENT_SECONDS}s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "30s",
}
#: What we ask is found by indexes, in pages that are at hand. By the server's own reckoning it costs four times as much to read
#: any page as the next one, so it reads the whole table of runs, up to some thousand, to find the one that it claims.
_OPTIONS = {
    **_SERVER_TIMEOUTS,
    "random_page_cost": "1.1",
    # Of what is alone in its transaction; see BEGIN.
    "default_transaction_isolation": r"read\ committed",
    # The driver reads instants in no other form.
    "datestyle": "ISO",
}
_CONNECT_ARGS: Mapping[str, Any] = {
    "application_name": "jobsched",
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    "prepare_threshold": None,
    "client_encoding": "utf8",
}

#: In so many words: a database or a role may have another default. Who has locked a row counts what others have committed by
#: then, which a snapshot from before the lock would not show.
BEGIN = "begin isolation level read committed"
BEGIN_SNAPSHOT = "begin isolation level repeatable read read only"
_SET_LOCAL = "".join(f"; set local {name} = '{value}'" for name, value in _SERVER_TIMEOUTS.items())
_HAS_TIMEOUTS = "jobsched_has_timeouts"
#: Statements are prepared when they ask for it, never because they come often: their plans have to follow the tables.
_ONLY_IF_ASKED = 2**31 - 1
_IDLE_SINCE = "jobsched_idle_since"
_PLANNED_AT = "jobsched_planned_at"
#: Of a connection that is to be asked before it is used again, however short it has rested here.
DOUBTED = "jobsched_doubted"
_PLAN_SECONDS = 1.0
#: A connection that rested so long is asked whether it still lives; one that rested less is only looked at.
TRUSTED_SECONDS = 30.0


_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=1024)  # runs that were claimed, or enqueued, together share theirs, and each would be made anew
def instant_of(number: int) -> datetime:
    """The instant of a timestamptz as a binary result has it: microseconds."""
    return _EPOCH + timedelta(microseconds=number)


class Connector:
    """Opens connections, with start-up options until a pooler refuses them."""

    def __init__(self, location: Location, clock: Clock) -> None:
        self._location, self._clock = location, clock
        self._options_refused = False
        self._may_prepare = True
        self.watchdog = Watchdog(clock)
        self.forked()

    def is_own(self, server_pid: int) -> bool:
        """Whether a connection of the pool is served by this process of the server's."""
        # Most rings are others': told at a glance, since a claim waits for it.
        return server_pid in self._pids and any(
            not one.closed and one.info.backend_pid == server_pid for one in list(self._pooled)
        )

    def forked(self) -> None:
        """In a forked child: what the pool had is the parent's."""
        self._pooled: WeakSet[psycopg.Connection[Any]] = WeakSet()
        self._pids: frozenset[int] = frozenset()  #: of those in the pool, and of some that were
        self._making = threading.Lock()
        self.watchdog.forked()

    def engine(self) -> Engine:
        """Each statement commits by itself, unless a transaction was begun in so many words."""
        engine = create_engine(
            self._location.url,
            isolation_level="AUTOCOMMIT",
            pool_size=_POOL,
            max_overflow=_POOL_OVERFLOW,
            pool_timeout=_POOL_SECONDS,
            pool_use_lifo=True,  # a server that was just asked has more at hand than one that rested
            hide_parameters=True,
            connect_args=self._arguments(),
        )
        event.listen(engine, "do_connect", self._connect)
        event.listen(engine, "connect", _prepare)
        event.listen(engine, "connect", self._made)
        event.listen(engine, "checkout", self._taken)
        event.listen(engine, "checkin", self._given_back)
        event.listen(engine, "invalidate", self._thrown_away)
        event.listen(engine, "before_cursor_execute", self._used)
        return engine

    def connect(self) -> psycopg.Connection[Any]:
        """A connection outside the pool, which commits each statement."""
        arguments = self._location.url.translate_connect_args(username="user", database="dbname")
        connection = self._open(**{**self._arguments(), **self._location.url.query, **arguments})
        connection.autocommit = True
        return connection

    def _arguments(self) -> dict[str, Any]:
        given = self._location.url.query
        return {name: value for name, value in _CONNECT_ARGS.items() if name not in given}

    def _connect(self, _dialect: object, _entry: object, args: Any, arguments: dict[str, Any]) -> Any:
        return self._open(*args, **arguments)

    def _open(self, *args: Any, **arguments: Any) -> psycopg.Connection[Any]:
        connection = self._opened(*args, **arguments)
        if unfit := _why_unfit(connection):
            connection.close()
            raise StoreError(f"{self._location.where}: {unfit}")
        return connection

    def _opened(self, *args: Any, **arguments: Any) -> psycopg.Connection[Any]:
        if self._options_refused or "options" in arguments:
            return psycopg.connect(*args, **arguments)
        options = " ".join(f"-c {name}={value}" for name, value in _OPTIONS.items())
        try:
            return psycopg.connect(*args, **arguments, options=options)
        except psycopg.OperationalError as error:
            if "unsupported startup parameter" not in str(error):
                raise
            self._options_refused = True
            return psycopg.connect(*args, **arguments)

    def _made(self, connection: psycopg.Connection[Any], _entry: ConnectionPoolEntry) -> None:
        with self._making:
            self._pooled.add(connection)
            self._pids = frozenset(one.info.backend_pid for one in list(self._pooled) if not one.closed)

    def _taken(self, connection: psycopg.Connection[Any], entry: ConnectionPoolEntry, _pooled: object) -> None:
        self.watchdog.watch(connection)
        rested = self._clock.monotonic() - entry.info.get(_IDLE_SINCE, self._clock.monotonic())
        if entry.info.pop(DOUBTED, False) or rested > TRUSTED_SECONDS or was_told_something(connection):
            _ask(connection)

    def _given_back(self, connection: psycopg.Connection[Any] | None, entry: ConnectionPoolEntry) -> None:
        entry.info[_IDLE_SINCE] = self._clock.monotonic()
        if connection is not None:
            self.watchdog.forget(connection)

    def _thrown_away(self, connection: psycopg.Connection[Any], _entry: object, _error: object) -> None:
        self.watchdog.forget(connection)

    def _used(self, connection: Connection, *_: object) -> None:
        self.watchdog.touch(_driver_connection(connection))

    def prepare_nothing(self) -> None:
        """From now on. For a pooler that passes on the server's number, so that none was seen."""
        if self._may_prepare:
            log.warning(
                "a pooler before the database forgets what is prepared: nothing is from now on, which is slower"
            )
        self._may_prepare = False

    def prepares(self, connection: psycopg.Connection[Any]) -> bool:
        """Whether a statement that asks for it is prepared on this connection."""
        return self._may_prepare and connection.prepare_threshold is not None

    def plan_anew(self, connection: psycopg.Connection[Any], info: dict[Any, Any]) -> None:
        """Once a second, for prepared statements that may be planned in more than one way.

        The server keeps a plan until it has new statistics, which may take a minute: a plan for a table of ten rows is no
        plan for the million that were enqueued since.
        """
        now = self._clock.monotonic()
        if now - info.setdefault(_PLANNED_AT, now) > _PLAN_SECONDS and self.prepares(connection):
            with before_sending():
                connection.execute("discard plans")
            info[_PLANNED_AT] = now

    def be_patient(self, connection: Connection) -> None:
        """What follows on this connection may take as long as it takes."""
        self.watchdog.forget(_driver_connection(connection))


def _why_unfit(connection: psycopg.Connection[Any]) -> str | None:
    """What makes texts or instants unreadable here, as the server has told by itself; None if nothing does."""
    encoding = connection.info.parameter_status("server_encoding")
    if encoding not in ("UTF8", None):
        return (
            f"the database's encoding is {encoding}, and what handlers say needs UTF8: "
            "create database … encoding 'UTF8' template template0"
        )
    style = connection.info.parameter_status("DateStyle") or "ISO"
    if not style.startswith("ISO"):
        return f"the session's DateStyle is {style!r} and has to be ISO: alter role … set datestyle = 'ISO'"
    return None


def _driver_connection(connection: Connection) -> psycopg.Connection[Any]:
    return as_driver(connection.connection.driver_connection)


def as_driver(found: object) -> psycopg.Connection[Any]:
    """What the pool keeps, by its type."""
    assert isinstance(found, psycopg.Connection)
    return found


def told_pid(connection: Connection) -> int:
    """The server process as it was named when this connection was made."""
    return _driver_connection(connection).info.backend_pid


def was_told_something(connection: psycopg.Connection[Any]) -> bool:
    """The server speaks to an idle connection only to say good-bye: seen without asking, which would cost a round trip."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def _ask(connection: psycopg.Connection[Any]) -> None:
    try:
        connection.execute("select 1")
    except psycopg.Error as error:
        # The pool's cue to connect anew, here and for all that rested beside this one.
        raise InvalidatePoolError(str(error)) from error


def _prepare(connection: psycopg.Connection[Any], entry: ConnectionPoolEntry) -> None:
    """What a new connection needs; the pool forgets one that cannot be made ready, without closing it."""
    try:
        _make_ready(connection, entry)
    except BaseException:
        connection.close()
        raise


def _make_ready(connection: psycopg.Connection[Any], entry: ConnectionPoolEntry) -> None:
    """JSON is handed over as its text, and instants, where binary results are asked for, as the numbers that they are: see
    `instant_of`. And we learn whether the options were heeded.
    """
    if connection.info.server_version < OLDEST_SERVER * 10_000:
        found = connection.info.server_version // 10_000
        raise StoreError(f"PostgreSQL {found} is too old, {OLDEST_SERVER} or newer is needed")
    connection.adapters.register_loader("json", TextLoader)
    connection.adapters.register_loader("json", TextBinaryLoader)
    connection.adapters.register_loader("timestamptz", Int8BinaryLoader)
    row = connection.execute("select current_setting('statement_timeout'), pg_backend_pid()").fetchone()
    assert row is not None, "it always has a row"
    entry.info[_HAS_TIMEOUTS] = row[0] != "0"
    if row[1] == connection.info.backend_pid and connection.prepare_threshold is None:
        connection.prepare_threshold = _ONLY_IF_ASKED


def begin_statement(begin: str, info: Mapping[str, Any]) -> str:
    """How a transaction is begun on a connection with this info."""
    return begin if info.get(_HAS_TIMEOUTS) else begin + _SET_LOCAL
