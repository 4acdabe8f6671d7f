"""The one write connection of a process: threads have it in their turn, and it is kept from one to the next.

To take it from the pool and give it back takes Python longer than the statements in between, for one run at a time.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, PoolProxiedConnection

from jobsched.errors import StoreUnavailableError
from jobsched_sql.forking import leave, leave_pool
from jobsched_sqlite.companions import Companions, FileId, file_at
from jobsched_sqlite.connections import BUSY_SECONDS, Driver, file_of
from jobsched_sqlite.turns import Turns


class Writer:
    """Thread-safe. As a context it is the driver's connection; after an error what was not committed is rolled back."""

    def __init__(self, engine: Engine, path: Path, companions: Companions) -> None:
        self._engine, self._path, self._companions = engine, str(path), companions
        self._turns = Turns()
        self._kept: PoolProxiedConnection | None = None
        self._driver: Driver | None = None
        self._file: FileId | None = None  #: that it is connected to
        self._closed = False

    def __enter__(self) -> Driver:
        self._take_turn()
        try:
            self._companions.look()
            if self._driver is not None:
                if file_at(self._path) == self._file:
                    return self._driver
                self._give_back()
            return self._take()
        except BaseException:
            self._turns.hand_on()
            raise

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is not None or self._closed:
                self._give_back()
        finally:
            self._turns.hand_on()

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """The same as SQLAlchemy's connection."""
        self._take_turn()
        try:
            self._companions.look()
            self._give_back()
            with self._engine.connect() as connection:
                yield connection
        finally:
            self._turns.hand_on()

    def close(self) -> None:
        """Idempotent. What a thread has in hand it may finish."""
        self._closed = True
        self.rest()

    def rest(self) -> None:
        """Close what nobody has in hand."""
        if self._turns.take(0):
            try:
                self._give_back()
            finally:
                self._turns.hand_on()
        self._engine.dispose()

    def forked(self) -> None:
        """In a forked child: what is open is the parent's, and whoever had his turn there is not here."""
        leave(self._kept)
        leave_pool(self._engine)
        self._kept, self._driver, self._turns = None, None, Turns()

    def _take_turn(self) -> None:
        if not self._turns.take(BUSY_SECONDS):
            raise StoreUnavailableError(f"{self._path}: this process was busy writing to it for too long; try again")

    def _take(self) -> Driver:
        self._kept = self._engine.raw_connection()
        self._file = file_of(self._kept)
        self._driver = Driver(self._kept.driver_connection)
        return self._driver

    def _give_back(self) -> None:
        """To the pool, which rolls back what is open."""
        kept, self._kept, self._driver = self._kept, None, None
        if kept is not None:
            kept.close()
