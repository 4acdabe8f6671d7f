"""Two engines on one file: one writes, a transaction at a time, the other only reads.

The driver opens no transactions by itself (it would begin them late, and so deferred): whoever writes says
BEGIN IMMEDIATE, because a transaction that read before it wrote fails at once when another one wrote in between.
"""

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, PoolProxiedConnection, create_engine, event
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from jobsched.clock import SystemClock
from jobsched.errors import StoreError
from jobsched_sqlite.companions import Companions, FileId, Watched, file_at
from jobsched_sqlite.location import Location

#: RETURNING came with it; so did what the migrations need.
OLDEST = (3, 35)
BUSY_SECONDS = 10
_READERS = 8
_WAL_RETRY_SECONDS = 0.02
_FILE = "jobsched_file"


def engines(location: Location, companions: Companions) -> tuple[Engine, Engine]:
    """The write engine and the read engine. One write connection: threads queue for it here, instead of in busy loops."""
    _refuse_old(sqlite3.sqlite_version_info, sqlite3.sqlite_version)
    writer = _engine(lambda: connect(location, "rw"), pool_size=1)
    reader = _engine(lambda: connect(location, "rw"), pool_size=_READERS)
    event.listen(reader, "connect", _only_read)
    for engine in (writer, reader):
        event.listen(engine, "connect", lambda connection, _: companions.watch(connection))
        event.listen(engine, "connect", lambda _, entry: entry.info.update({_FILE: file_at(location.path)}))
        event.listen(engine, "checkout", lambda _, entry, __: _mind_the_file(location.path, entry))
    return writer, reader


def _mind_the_file(path: Path, entry: ConnectionPoolEntry) -> None:
    """A connection to a file that was removed or replaced writes on to what nobody will read: open the one that is there."""
    if file_of(entry) != file_at(path):
        raise InvalidatePoolError("the file is another one now")


def file_of(connection: ConnectionPoolEntry | PoolProxiedConnection) -> FileId | None:
    """The file that it is connected to, which need not be the one that is there now."""
    found: FileId | None = connection.info.get(_FILE)
    return found


def _refuse_old(found: tuple[int, ...], text: str) -> None:
    if found < OLDEST:
        needed = ".".join(map(str, OLDEST))
        raise StoreError(f"SQLite {text} is too old, {needed} is needed; take a Python built with a newer one")


def _engine(creator: Callable[[], sqlite3.Connection], pool_size: int) -> Engine:
    return create_engine(
        "sqlite://",
        creator=creator,
        poolclass=QueuePool,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=BUSY_SECONDS,
        hide_parameters=True,
    )


def connect(location: Location, mode: str) -> sqlite3.Connection:
    """A connection without transactions of its own, usable by whichever thread holds it."""
    connection = sqlite3.connect(
        location.uri(mode),
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        factory=Watched,
    )
    try:
        connection.execute("pragma foreign_keys = on")
        connection.execute(
            "pragma synchronous = normal" if location.synchronous == "normal" else "pragma synchronous = full"
        )
    except sqlite3.Error:  # what is no database, or damaged, is found out here
        connection.close()
        raise
    return connection


class Driver:
    """A connection of the driver, asked as SQLAlchemy's are."""

    def __init__(self, connection: object) -> None:
        assert isinstance(connection, sqlite3.Connection)
        self._connection = connection

    def exec_driver_sql(self, statement: str, parameters: Any = ()) -> sqlite3.Cursor:
        """A list of parameters is for many executions."""
        if isinstance(parameters, list):
            return self._connection.executemany(statement, parameters)
        return self._connection.execute(statement, parameters)


def _only_read(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("pragma query_only = on")


def set_wal(location: Location) -> None:
    """Readers and the writer do not wait for each other. Kept in the file, so set once, by the migration.

    The change of mode fails at once while another process writes, whatever the timeout; so we try again here.
    """
    clock, never = SystemClock(), threading.Event()
    connection = connect(location, "rwc")
    try:
        until = clock.monotonic() + BUSY_SECONDS
        while not _became_wal(connection, last_try=clock.monotonic() >= until):
            clock.wait(never, _WAL_RETRY_SECONDS)
    finally:
        connection.close()


def _became_wal(connection: sqlite3.Connection, *, last_try: bool) -> bool:
    try:
        connection.execute("pragma journal_mode = wal")
    except sqlite3.OperationalError as error:
        if last_try or not (error.sqlite_errorname or "").startswith("SQLITE_BUSY"):
            raise
        return False
    return True
