"""SQLite's answers to what the shared store asks."""

import json
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, event
from sqlalchemy.dialects.sqlite import insert

from jobsched.clock import Clock, SystemClock
from jobsched.errors import EnqueueError, StoreError
from jobsched.model.figures import Sizes
from jobsched.model.health import FileFacts
from jobsched.model.run import Became, Claim, LogLine, NewRun, Transition
from jobsched.model.state import Firing, JobWrite
from jobsched.store.port import ClaimWish, Doorbell, Topic
from jobsched_sql.borrowing import borrowed, driver_connection
from jobsched_sql.dialect import (
    AdmittedAlone,
    Dialect,
    Fired,
    Inserted,
    InsertedAlone,
    Key,
    KeyToAdmit,
    Load,
    Placed,
    Result,
    Served,
    Work,
)
from jobsched_sql.forking import leave, leave_pool, mind_forks
from jobsched_sql.tables import nodes
from jobsched_sql.types import to_micros
from jobsched_sqlite import fires, inspection, runs, statements, work
from jobsched_sqlite.companions import Companions
from jobsched_sqlite.connections import BUSY_SECONDS, Driver, engines, set_wal
from jobsched_sqlite.failures import translated
from jobsched_sqlite.location import Location
from jobsched_sqlite.wake import SocketDoorbell, folder_of, ring
from jobsched_sqlite.writer import Writer


class SqliteDialect(Dialect):
    """One file. The write transaction is the lock of everything, so nothing in it needs to be locked again."""

    sql_name = "sqlite"
    recent_runs = statements.RECENT_RUNS
    writes_in_turn = True
    admits_as_it_finishes = True
    before_schema = "PRAGMA journal_mode = wal;\n\n"

    def __init__(self, location: Location, *, clock: Clock | None, create: bool) -> None:
        super().__init__(clock)
        self._location, self._create = location, create
        self._time: Clock = clock or SystemClock()
        self._companions = Companions(location.path, self._time)
        writer, self._reader = engines(location, self._companions)
        event.listen(writer, "connect", self._tell_time)
        self._writer = Writer(writer, location.path, self._companions)
        self._wake_folder = folder_of(location.path)
        self._doorbells: list[SocketDoorbell] = []
        mind_forks(self)

    # -- the database as a whole

    @property
    def name(self) -> str:
        return self._location.name

    def close(self) -> None:
        for doorbell in self._doorbells:
            doorbell.close()
        self._writer.close()
        self._reader.dispose()

    def exists(self) -> bool:
        if self._location.path.exists():
            return True
        if self._create:
            return False
        raise StoreError(f"{self._location.path} does not exist; `jobsched sync` or `jobsched db upgrade` makes it")

    def before_fork(self) -> None:
        """Close what rests: SQLite keeps in memory which locks the process has, and the child, which has none of them, would
        rely on them.
        """
        self._writer.rest()
        self._reader.dispose()

    def forked(self) -> None:
        self._writer.forked()
        self._companions.forked()
        leave_pool(self._reader)
        leave(self._doorbells)
        self._doorbells = []

    # -- transactions

    def read(self, work: Work[Result]) -> Result:
        self._companions.look()
        with translated(self._location.path), self._reader.connect() as connection:
            return work(connection)

    def snapshot(self, work: Work[Result]) -> Result:
        self._companions.look()
        with translated(self._location.path), self._reader.connect() as connection:
            return _transaction(connection, "begin", work)

    def write(self, work: Work[Result]) -> Result:
        with translated(self._location.path), self._writer.connection() as connection:
            return _transaction(connection, "begin immediate", work)

    def write_once(self, work: Work[Result]) -> Result:
        return self.write(work)

    def _alone(self, work: Callable[[Driver], Result]) -> Result:
        """As `write`, by the driver itself: for what comes by the thousand SQLAlchemy costs a part of what the database does."""
        with translated(self._location.path), self._writer as driver:
            driver.exec_driver_sql("begin immediate")
            result = work(driver)
            driver.exec_driver_sql("commit")
            return result

    def _tell_time(self, connection: sqlite3.Connection, _record: object) -> None:
        connection.create_function("jobsched_now", 0, lambda: to_micros(self._time.now()))

    def within(self, given: object, work: Work[Result]) -> Result:
        raw = driver_connection(given, sqlite3.Connection, "sqlite3")
        with translated(self._location.path):
            self._refuse_other_file(raw)
            if not raw.in_transaction:
                _begin(raw)
            return work(borrowed(self._reader, raw, raw.cursor))

    def _refuse_other_file(self, raw: sqlite3.Connection) -> None:
        """What is enqueued elsewhere would never run."""
        file = next((row[2] for row in raw.execute("pragma database_list") if row[1] == "main"), "")
        here = self._location.path
        if not file or not here.exists() or not here.samefile(file):
            raise EnqueueError(f"connection= is open on {file or 'a database in memory'}, the client on {self.name}")

    def migration(self, work: Work[None]) -> None:
        if self._create or self.exists():
            with translated(self._location.path):
                set_wal(self._location)
            self.write(work)

    # -- the clock

    def given_now(self) -> datetime:
        return self._time.now()

    def now(self, _connection: Connection) -> datetime:
        return self._time.now()

    def now_expression(self) -> ColumnElement[datetime]:
        return self._given_now_expression(self._time)

    def lease_end(self) -> ColumnElement[datetime]:
        return nodes.c.heartbeat_at.op("+")(nodes.c.lease_ms * 1000)

    # -- runs and keys

    def insert(self, connection: Connection, placed: Sequence[Placed]) -> list[Inserted | None]:
        return runs.insert(connection, placed, self._time.now(), however_many=True)

    def insert_alone(self, new: Sequence[NewRun], *, however_many: bool) -> InsertedAlone:
        if len(new) == 1 and new[0].available_at is None and not new[0].tags:
            with translated(self._location.path), self._writer as driver:
                made = runs.insert_one(driver, new[0])
            if made.ids:
                return made
        return self._alone(lambda driver: runs.insert_alone(driver, new, self._time.now(), however_many=however_many))

    def slots_taken(self, connection: Connection, slots: Sequence[NewRun]) -> set[tuple[str, str, datetime]]:
        return runs.slots_taken(connection, slots)

    def add_keys(self, connection: Connection, limits: Mapping[Key, int], *, replace: bool) -> None:
        rows = [(key.namespace, key.key, limit) for key, limit in sorted(limits.items())]
        connection.exec_driver_sql(statements.SET_KEY if replace else statements.ADD_KEY, rows)

    def wait_briefly(self, connection: Connection) -> None:
        """It has the lock of the whole database: there is nothing left to wait for."""

    def lock_keys(
        self,
        connection: Connection,
        keys: Sequence[Key],
        *,
        patient: bool = True,  # noqa: ARG002 - as above
    ) -> dict[Key, int]:
        rows = connection.exec_driver_sql(statements.KEY_LIMITS, (json.dumps(keys),)).fetchall()
        return {Key(namespace, key): limit for namespace, key, limit in rows}

    def loads(self, connection: Connection, keys: Collection[Key], enough: int) -> dict[Key, Load]:
        asked = {"keys": json.dumps(list(keys)), "enough": enough}
        rows = connection.exec_driver_sql(statements.LOADS, asked).fetchall()
        return {Key(row[0], row[1]): Load(*row[2:]) for row in rows}

    def unblock(self, connection: Connection, places: Mapping[Key, int]) -> int:
        rows = [(*key, free) for key, free in sorted(places.items())]
        return connection.exec_driver_sql(statements.UNBLOCK, rows).rowcount

    def admit_alone(self, keys: Sequence[KeyToAdmit]) -> AdmittedAlone | None:
        # Mostly nothing waits, or whoever finished has let it in, and who writes is not to be kept waiting for that.
        found = self._look_alone(lambda driver: work.admissible(driver, keys))
        if found.limited:
            return None
        admitted = self._alone(lambda driver: work.admit(driver, keys)) if found.ids else 0
        return None if admitted is None else AdmittedAlone(admitted)

    def _look_alone(self, work: Callable[[Driver], Result]) -> Result:
        """As `read`, by the driver itself."""
        self._companions.look()
        with translated(self._location.path):
            pooled = self._reader.raw_connection()
            try:
                return work(Driver(pooled.driver_connection))
            finally:
                pooled.close()

    # -- slots and jobs

    def prepared(self, firing: Firing) -> object:
        return fires.prepared(firing)

    def fire(
        self,
        connection: Connection,
        firings: Sequence[Firing],
        wish: ClaimWish | None = None,
        *,
        patient: bool = False,  # noqa: ARG002 - nobody holds a key beside who writes
    ) -> Fired:
        return fires.fire(connection, self._time.now(), firings, wish)

    def fire_ahead(self, firings: Sequence[Firing], wish: ClaimWish | None, at: datetime) -> None:
        """None: a transaction that is held would keep all others from writing."""

    def write_jobs(self, connection: Connection, namespace: str, generation: int, writes: Sequence[JobWrite]) -> None:
        runs.write_jobs(connection, namespace, generation, writes, self._time.now())

    def write_definitions(
        self, connection: Connection, namespace: str, generation: int, writes: Sequence[JobWrite]
    ) -> None:
        runs.write_definitions(connection, namespace, generation, writes, self._time.now())

    # -- work

    def claim(self, wish: ClaimWish, served: Served) -> list[Claim]:
        claimed = self._alone(lambda driver: work.claim(driver, wish, served, self._time.now()))
        return work.claims_of(claimed)

    def finish(
        self, transitions: Sequence[Transition], then: Callable[[Connection, AbstractSet[int]], None] | None = None
    ) -> dict[int, Became]:
        if then is None:
            ours, admitted = self._alone(lambda driver: work.finish_and_admit(driver, transitions, self._time.now()))
        else:
            ours, admitted = self.write(lambda connection: self._finish_and(connection, transitions, then))
        self._tell(admitted)
        return ours

    def _finish_and(
        self,
        connection: Connection,
        transitions: Sequence[Transition],
        then: Callable[[Connection, AbstractSet[int]], None],
    ) -> tuple[dict[int, Became], int]:
        ours, admitted = work.finish_and_admit(connection, transitions, self._time.now())
        then(connection, ours.keys())
        return ours, admitted

    def finish_and_claim(
        self, transitions: Sequence[Transition], wish: ClaimWish, served: Served
    ) -> tuple[dict[int, Became], list[Claim]]:
        now = self._time.now
        (ours, admitted), claimed = self._alone(
            lambda driver: (work.finish_and_admit(driver, transitions, now()), work.claim(driver, wish, served, now()))
        )
        self._tell(admitted)
        return ours, work.claims_of(claimed)

    def _tell(self, admitted: int) -> None:
        """Runs that were let in beside a finish may be others' to claim."""
        if admitted:
            self.ring("pending")

    # -- the rest

    def insert_unless_known(self, connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> int:
        statement = insert(table).values(list(rows)).on_conflict_do_nothing().returning(*table.primary_key)
        return len(connection.execute(statement).fetchall())

    def append_log(self, connection: Connection, lines: Sequence[LogLine]) -> None:
        work.append_log(connection, lines)

    def tidy(self) -> None:
        with translated(self._location.path), self._writer.connection() as connection:
            # It holds all writers up while it waits for readers, and one that never ends would cost ten seconds: it waits
            # for none, and is made again an hour later.
            connection.exec_driver_sql("pragma busy_timeout = 0")
            try:
                connection.exec_driver_sql("pragma wal_checkpoint(truncate)").fetchall()
            finally:
                connection.exec_driver_sql(f"pragma busy_timeout = {BUSY_SECONDS * 1000}")

    def facts(self) -> FileFacts:
        with translated(self._location.path), self._writer.connection() as connection:
            return inspection.facts(connection, self._location.path)

    def sizes(self, connection: Connection) -> Sizes:
        return inspection.sizes(connection, self._location.path)

    def invalid(self, _connection: Connection) -> tuple[str, ...]:
        return ()

    def listen(self, on_ring: Callable[[Topic], None]) -> Doorbell:
        doorbell = SocketDoorbell(self._wake_folder, on_ring)
        self._doorbells.append(doorbell)
        return doorbell

    def ring_within(self, connection: Connection, topic: Topic) -> None:
        """The caller's commit passes us by; nodes poll."""

    def ring(self, topic: Topic) -> None:
        here = tuple(self._doorbells)
        for doorbell in here:
            doorbell.ring(topic)
        ring(self._wake_folder, topic, but=[doorbell.name for doorbell in here if doorbell.name is not None])


def _transaction(connection: Connection, begin: str, work: Work[Result]) -> Result:
    connection.exec_driver_sql(begin)
    result = work(connection)
    connection.commit()
    return result


def _begin(raw: sqlite3.Connection) -> None:
    """Else the driver would begin at the first INSERT, and not for what we do before it."""
    # From Python 3.12 on a connection may say so itself; -1 is the way of before.
    mode = getattr(raw, "autocommit", -1)
    by_hand = raw.isolation_level is None if mode == -1 else mode
    if by_hand:
        raise EnqueueError("connection= has no open transaction, and commits by itself: execute BEGIN IMMEDIATE first")
    raw.execute("begin immediate")
