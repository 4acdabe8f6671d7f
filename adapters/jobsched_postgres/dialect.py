"""PostgreSQL's answers to what the shared store asks."""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from functools import cache
from operator import itemgetter
from typing import Any

import psycopg
from psycopg import errors
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row
from sqlalchemy import ColumnElement, Compiled, Connection, PoolProxiedConnection, Select, Table, func, literal_column
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError

from jobsched.clock import Clock, SystemClock
from jobsched.errors import EnqueueError
from jobsched.model.alike import RunsAlike
from jobsched.model.figures import Sizes
from jobsched.model.health import ServerFacts
from jobsched.model.run import Became, Claim, LogLine, NewRun, Reason, RunState, Transition
from jobsched.model.state import Firing, JobWrite
from jobsched.store.faults import fault_point
from jobsched.store.port import ClaimWish, Doorbell, FireAhead, Topic
from jobsched_postgres import ahead, batches, fires, inspection, statements
from jobsched_postgres.batches import as_text
from jobsched_postgres.connections import (
    BEGIN,
    BEGIN_SNAPSHOT,
    Connector,
    as_driver,
    begin_statement,
    instant_of,
    told_pid,
)
from jobsched_postgres.direct import (
    SENDS_TWO,
    Direct,
    execute_named,
    execute_once,
    execute_prepared,
    execute_two_named,
)
from jobsched_postgres.failures import (
    READ_ONLY,
    NotSentError,
    code_of,
    connection_lost,
    lost_race,
    outcome_unknown,
    translated,
)
from jobsched_postgres.location import Location
from jobsched_postgres.wake import CHANNEL, NOTIFY, Ringer
from jobsched_postgres.wake import Doorbell as ListenDoorbell
from jobsched_sql.alike import well_and_alike
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
from jobsched_sql.rows import CLAIM_COLUMNS, claim_of, driver_rows, leaves_for_good
from jobsched_sql.tables import nodes
from jobsched_sql.texts import clean
from jobsched_sql.types import Instant

log = logging.getLogger("jobsched")

_claim_order = itemgetter(CLAIM_COLUMNS.index("priority"), CLAIM_COLUMNS.index("available_at"), 0)
_SUCCEEDED = Became(RunState.SUCCEEDED, None)
_STATES = {state.value: state for state in RunState}
_NOTIFY = "select pg_notify(%s, %s)"
#: How often a transaction that lost a deadlock is made again.
_TRIES = 5
#: Any number, the same in all programs that migrate this schema.
_MIGRATION_LOCK = 7_062_316_518_004_371
_BEGIN_MIGRATION = f"{BEGIN}; set local lock_timeout = '120s'; set local statement_timeout = 0"


class PostgresDialect(Dialect):
    """One database of a server."""

    sql_name = "postgresql"
    fires_ahead = True
    recent_runs = statements.RECENT_RUNS

    def __init__(self, location: Location, *, clock: Clock | None) -> None:
        super().__init__(clock)
        self._where, self._name = location.where, location.name
        self._time = SystemClock()
        self._connector = Connector(location, self._time)
        self._engine = self._connector.engine()
        self._direct = Direct(self._engine, self._connector.watchdog, self._time)
        self._ringer = Ringer(self._notify, self._time)
        self._doorbells: list[ListenDoorbell] = []
        #: Of the few questions that are asked again and again.
        self._compiled: dict[Select[*tuple[Any, ...]], Compiled] = {}
        self._last_wish: tuple[tuple[ClaimWish, Served] | None, Mapping[str, str | None]] = None, {}
        mind_forks(self)

    # -- the database as a whole

    @property
    def name(self) -> str:
        return self._name

    def close(self) -> None:
        self._ringer.close()
        for doorbell in self._doorbells:
            doorbell.close()
        self._direct.close()
        self._connector.watchdog.close()
        self._engine.dispose()

    def exists(self) -> bool:
        return True

    def before_fork(self) -> None:
        """What is open stays the parent's, and the child knows it not to be its own."""

    def forked(self) -> None:
        leave_pool(self._engine)
        self._direct.forked()
        leave(self._doorbells)
        self._doorbells = []
        self._connector.forked()
        self._ringer.forked()

    # -- transactions

    def read(self, work: Work[Result]) -> Result:
        with translated(self._where), self._engine.connect() as connection:
            return work(connection)

    def look(self, statement: Select[*tuple[Any, ...]], asked: Mapping[str, str]) -> Sequence[Any]:
        """Without SQLAlchemy and its pool: an idle node does little else, and they take three quarters of it."""
        compiled = self._compiled.get(statement)
        if compiled is None:
            compiled = self._compiled[statement] = statement.compile(dialect=self._engine.dialect)
        with translated(self._where):
            pooled = self._direct.take()
            try:
                [row] = execute_once(pooled, str(compiled), {**compiled.params, **asked})
            except psycopg.Error as error:
                if connection_lost(error):
                    pooled.invalidate(error)
                    self._direct.drop()  # what rested beside it has been lost like it: each would be waited for in vain
                raise
            finally:
                self._direct.give_back(pooled)
            return row

    def snapshot(self, work: Work[Result]) -> Result:
        with translated(self._where):
            return self._transaction(BEGIN_SNAPSHOT, work)

    def write(self, work: Work[Result]) -> Result:
        return self._in_transaction(BEGIN, work)

    def write_fired(self, work: Work[Result]) -> Result:
        return self._in_transaction(None, work)

    def _in_transaction(self, begin: str | None, work: Work[Result]) -> Result:
        with translated(self._where):
            for _ in range(_TRIES - 1):
                try:
                    return self._transaction(begin, work)
                except (DBAPIError, psycopg.Error) as error:
                    if not lost_race(error):
                        self._forget_standby(error)
                        raise
            return self._transaction(begin, work)

    def write_once(self, work: Work[Result]) -> Result:
        with translated(self._where), self._engine.connect() as connection:
            try:
                return work(connection)
            except DBAPIError as error:
                if connection_lost(error):
                    raise outcome_unknown(self._where, error) from error
                self._forget_standby(error)
                raise

    def _transaction(self, begin: str | None, work: Work[Result]) -> Result:
        """`begin`: None if `work` begins it."""
        with self._engine.connect() as connection:
            if begin is None:
                connection.begin()  # which tells the server nothing, but that there is to be a commit
            else:
                connection.exec_driver_sql(begin_statement(begin, connection.info))
            result = self._heeded(connection, work)
            try:
                connection.commit()
            except DBAPIError as error:
                if connection_lost(error):
                    raise outcome_unknown(self._where, error) from error
                raise
            return result

    def _heeded(self, connection: Connection, work: Work[Result]) -> Result:
        """What it returns. Of what it asks the driver itself the pool hears nothing: nor that the connection is lost."""
        try:
            return work(connection)
        except psycopg.Error as error:
            if connection_lost(error):
                connection.invalidate(error)
            raise

    def _execute(self, statement: str, asked: Mapping[str, object], *, binary: bool = False) -> list[Any]:
        """The rows of one statement: prepared, since planning would take it longer than the rest. `binary`: see `connections`."""

        def execute(pooled: PoolProxiedConnection) -> list[Any]:
            driver = as_driver(pooled.driver_connection)
            if not self._connector.prepares(driver):
                return driver.execute(statement, asked, prepare=False, binary=binary).fetchall()
            self._connector.plan_anew(driver, pooled.info)
            return execute_named(pooled, statement, asked, binary=binary)

        return self._alone(execute)

    def _insert_one(self, run: NewRun, topic: Topic, *, ring: bool, however_many: bool) -> InsertedAlone:
        """The ring follows the run in a transaction of its own, sent with it: one of its transaction would lock the database
        for as long as the disk takes for the commit. Where nothing is prepared, it would take a round trip more.
        """
        now = self.given_now()

        def insert(pooled: PoolProxiedConnection) -> list[Any]:
            driver = as_driver(pooled.driver_connection)
            if self._connector.prepares(driver):
                then = NOTIFY[topic] if ring and SENDS_TWO else None
                within = ring and then is None
                asked = batches.run_alone(run, now, ring=within, however_many=however_many)
                return execute_prepared(pooled, "jobsched_insert_one", statements.INSERT_ONE, asked, then=then)
            asked = batches.run_alone(run, now, ring=ring, however_many=however_many)
            return psycopg.RawCursor(driver).execute(statements.INSERT_ONE, asked, prepare=False).fetchall()

        rows = self._alone(insert)
        return InsertedAlone([id_ for id_, _ in rows], [_STATES[state] for _, state in rows], rung=ring)

    def _alone(self, work: Callable[[PoolProxiedConnection], list[Any]]) -> list[Any]:
        """One statement that commits by itself: as `write_once`, without SQLAlchemy, which takes as long as the server for it."""
        with translated(self._where):
            try:
                return self._alone_sent(work)
            except (errors.InvalidSqlStatementName, errors.DuplicatePreparedStatement):
                # A pooler after all: it has done nothing, and is not asked to prepare again. Nor if another thread has just
                # found that out.
                self._connector.prepare_nothing()
                return self._alone_sent(work)

    def _alone_sent(self, work: Callable[[PoolProxiedConnection], list[Any]]) -> list[Any]:
        """Once more, by another connection, if the first was lost before the statement went out."""
        try:
            return self._alone_once(work)
        except NotSentError:
            log.debug("a connection was lost before the statement was sent; another one is asked")
        try:
            return self._alone_once(work)
        except NotSentError as error:
            raise error.lost from error

    def _alone_once(self, work: Callable[[PoolProxiedConnection], list[Any]]) -> list[Any]:
        pooled = self._direct.take()
        try:
            return work(pooled)
        except NotSentError as error:
            pooled.invalidate(error)
            self._direct.drop()  # what rested beside it has been lost like it
            raise
        except psycopg.Error as error:
            if connection_lost(error):
                pooled.invalidate(error)
                raise outcome_unknown(self._where, error) from error
            if self._forget_standby(error):
                pooled.invalidate(error)  # or it would be kept for the next statement
            raise
        finally:
            self._direct.give_back(pooled)

    def _forget_standby(self, error: DBAPIError | psycopg.Error) -> bool:
        """After a fail-over the pool is full of connections to what is now the standby; whether it was so."""
        if code_of(error) != READ_ONLY:
            return False
        self._direct.drop()
        self._engine.dispose()
        return True

    def within(self, given: object, work: Work[Result]) -> Result:
        raw = driver_connection(given, psycopg.Connection, "psycopg")
        if raw.autocommit and raw.info.transaction_status is TransactionStatus.IDLE:
            raise EnqueueError("connection= has no open transaction, and commits by itself: begin one first")
        with translated(self._where):
            # Rows come as tuples, whatever the connection makes of them for its owner.
            return work(borrowed(self._engine, raw, lambda: raw.cursor(row_factory=tuple_row)))

    def migration(self, work: Work[None]) -> None:
        def locked(connection: Connection) -> None:
            self._connector.be_patient(connection)
            connection.execute(func.pg_advisory_xact_lock(_MIGRATION_LOCK).select())
            work(connection)

        with translated(self._where):
            self._transaction(_BEGIN_MIGRATION, locked)

    # -- the clock

    def now(self, connection: Connection) -> datetime:
        instant = self.given_now()
        if instant is None:
            instant = connection.exec_driver_sql("select clock_timestamp()").scalar_one().astimezone(UTC)
        return instant

    def now_expression(self) -> ColumnElement[datetime]:
        if self._clock is None:
            return func.clock_timestamp(type_=Instant)
        return self._given_now_expression(self._clock)

    def lease_end(self) -> ColumnElement[datetime]:
        return nodes.c.heartbeat_at + nodes.c.lease_ms * literal_column("interval '1 millisecond'")

    # -- runs and keys

    def insert(self, connection: Connection, placed: Sequence[Placed]) -> list[Inserted | None]:
        if not placed:
            return []
        asked = (self.given_now(), batches.runs(placed), True)
        return _inserted(placed, connection.exec_driver_sql(statements.INSERT_RUNS, asked).fetchall())

    def insert_alone(self, runs: Sequence[NewRun], *, however_many: bool) -> InsertedAlone:
        topic: Topic = "pending" if len(runs) == 1 and runs[0].available_at is None else "runs"
        ring = self._ringer.take(topic)
        try:
            if len(runs) == 1:
                made = self._insert_one(runs[0], topic, ring=ring, however_many=however_many)
            else:
                made = self._insert_many(runs, ring=ring, however_many=however_many)
        except BaseException:
            if ring:
                self._ringer.ring(topic)  # for those whose ring it took along
            raise
        if ring:
            self._ring_here(topic)
        return made

    def _insert_many(self, runs: Sequence[NewRun], *, ring: bool, however_many: bool) -> InsertedAlone:
        asked = {
            "now": self.given_now(),
            "ring": ring,
            "namespace": runs[0].namespace,
            "queue": clean(runs[0].queue),
            "however_many": however_many,
        }
        if isinstance(runs, RunsAlike):
            asked |= {**batches.record_alone(runs.first), "payloads": runs.text}
            [(ids, state)] = self._execute(statements.INSERT_ALIKE, asked)
            made = [] if ids is None else list(map(int, ids.split(",")))
            return InsertedAlone(made, [_STATES[state]] * len(made) if made else [], rung=ring)
        asked["runs"], asked["payloads"] = batches.runs_alone(runs)
        rows = self._execute(statements.INSERT_ALONE, asked)
        return InsertedAlone([id_ for id_, _ in rows], [_STATES[state] for _, state in rows], rung=ring)

    def slots_taken(self, connection: Connection, runs: Sequence[NewRun]) -> set[tuple[str, str, datetime]]:
        rows = connection.exec_driver_sql(statements.SLOTS_TAKEN, (batches.slots(runs),)).fetchall()
        return {(namespace, job, at) for namespace, job, at in rows}

    def add_keys(self, connection: Connection, limits: Mapping[Key, int], *, replace: bool) -> None:
        statement = statements.SET_KEYS if replace else statements.ADD_KEYS
        connection.exec_driver_sql(statement, (batches.numbered_keys(limits, "max_running"),))

    def wait_briefly(self, connection: Connection) -> None:
        connection.exec_driver_sql("set local lock_timeout = '500ms'")

    def lock_keys(self, connection: Connection, keys: Sequence[Key], *, patient: bool = True) -> dict[Key, int]:
        statement = statements.LOCK_KEYS if patient else statements.LOCK_FREE_KEYS
        rows = connection.exec_driver_sql(statement, (batches.keys(keys),)).fetchall()
        return {Key(namespace, key): limit for namespace, key, limit in rows}

    def loads(self, connection: Connection, keys: Collection[Key], enough: int) -> dict[Key, Load]:
        asked = {"keys": batches.keys(keys), "enough": enough}
        rows = connection.exec_driver_sql(statements.LOADS, asked).fetchall()
        return {Key(row[0], row[1]): Load(*row[2:]) for row in rows}

    def unblock(self, connection: Connection, places: Mapping[Key, int]) -> int:
        return connection.exec_driver_sql(statements.UNBLOCK, (batches.numbered_keys(places, "places"),)).rowcount

    def admit_alone(self, keys: Sequence[KeyToAdmit]) -> AdmittedAlone | None:
        asked = {
            "namespaces": [key.namespace for key in keys],
            "keys": [key.key for key in keys],
            "references": [key.reference for key in keys],
        }
        (left, _), (count, limited) = self._execute_both(statements.HOLD_KEYS, statements.ADMIT_HELD, asked)
        if limited:
            return None
        return AdmittedAlone(count, [Key(*keys[position - 1][:2]) for position in left or ()])

    def _execute_both(self, first: str, second: str, asked: Mapping[str, object]) -> list[Any]:
        """The row of each of two statements of one transaction, which are sent together where they can be prepared."""

        def execute(pooled: PoolProxiedConnection) -> list[Any]:
            driver = as_driver(pooled.driver_connection)
            if not (SENDS_TWO and self._connector.prepares(driver)):
                return []
            self._connector.plan_anew(driver, pooled.info)
            try:
                return execute_two_named(pooled, first, second, asked)
            except psycopg.Error as error:
                if not lost_race(error):
                    raise
                return []

        def one_by_one(connection: Connection) -> list[Any]:
            return [driver_rows(connection.exec_driver_sql(each, asked))[0] for each in (first, second)]

        return self._alone(execute) or self.write(one_by_one)

    # -- slots and jobs

    def prepared(self, firing: Firing) -> object:
        return fires.prepared(firing)

    def fire(
        self,
        connection: Connection,
        firings: Sequence[Firing],
        wish: ClaimWish | None = None,
        *,
        patient: bool = False,
    ) -> Fired:
        begin = self._begun_by_fire(connection) if firings else ()
        return fires.fire(connection, self.given_now(), firings, wish, begin, patient=patient)

    def _begun_by_fire(self, connection: Connection) -> Sequence[fires.Sent]:
        """What is to begin the transaction along with it; nothing if it has been begun."""
        if as_driver(connection.connection.driver_connection).info.transaction_status is not TransactionStatus.IDLE:
            return ()
        begin = begin_statement(BEGIN, connection.info)
        if begin == BEGIN:
            return [(begin, None)]
        connection.exec_driver_sql(begin)  # several statements, which can only be sent alone
        return ()

    def fire_ahead(self, firings: Sequence[Firing], wish: ClaimWish | None, at: datetime) -> FireAhead | None:
        return ahead.fire_ahead(self._engine, self._where, self._begun_by_fire, self, firings, wish, at)

    def write_jobs(self, connection: Connection, namespace: str, generation: int, writes: Sequence[JobWrite]) -> None:
        connection.exec_driver_sql(statements.WRITE_JOBS, self._written(namespace, generation, writes))

    def write_definitions(
        self, connection: Connection, namespace: str, generation: int, writes: Sequence[JobWrite]
    ) -> None:
        connection.exec_driver_sql(statements.WRITE_DEFINITIONS, self._written(namespace, generation, writes))

    def _written(self, namespace: str, generation: int, writes: Sequence[JobWrite]) -> dict[str, Any]:
        return {
            "now": self.given_now(),
            "namespace": namespace,
            "generation": generation,
            "jobs": batches.jobs(writes),
        }

    # -- work

    def claim(self, wish: ClaimWish, served: Served) -> list[Claim]:
        if served is not None:
            statement = statements.CLAIM_OF_QUEUES
        else:
            statement = statements.CLAIM if len(wish.generations) == 1 else statements.CLAIM_OF_NAMESPACES
        rows = self._execute(statement, self._asked_of_claim(wish, served), binary=True)
        # An UPDATE returns its rows in no order.
        rows.sort(key=_claim_order)
        return [claim_of(row, instant_of) for row in rows]

    def _asked_of_claim(self, wish: ClaimWish, served: Served) -> Mapping[str, str | None]:
        """As it is sent. A node wishes the same again and again; of a run that has just come to be its start waits for this."""
        known, asked = self._last_wish
        if known != (wish, served) or self._clock is not None:
            asked = {name: as_text(value) for name, value in self._wished(wish, served).items()}
            self._last_wish = (wish, served), asked
        return asked

    def _wished(self, wish: ClaimWish, served: Served) -> Mapping[str, object]:
        return {
            "now": self.given_now(),
            "node": wish.node,
            "of_namespaces": list(wish.generations),
            "generations": list(wish.generations.values()),
            "namespaces": [namespace for namespace, _ in served or ()] or list(wish.generations),
            "queues": [queue for _, queue in served or ()],
            "shares": [min(wish.shares.get(queue, wish.limit), wish.limit) for _, queue in served or ()],
            "without": list(wish.without_handlers),
            "limit": wish.limit,
        }

    def finish(
        self, transitions: Sequence[Transition], then: Callable[[Connection, AbstractSet[int]], None] | None = None
    ) -> dict[int, Became]:
        if then is None and (well := well_and_alike(transitions)) is not None:
            fault_point("before_finish_commit")
            [(count, ids)] = self._execute(statements.FINISH_WELL, {"now": self.given_now(), **batches.well(well)})
            ours = well.ids if ids is None and count else ids or ()
            return dict.fromkeys(ours, _SUCCEEDED)
        batch = batches.transitions(transitions)
        for_good = all(leaves_for_good(one) for one in transitions)
        statement = statements.FINISH if for_good else statements.FINISH_OR_AGAIN
        asked = {"now": self.given_now(), "transitions": batch}
        fault_point("before_finish_commit")

        if then is None:
            return _became_by_id(self._execute(statement, asked))

        def finishing(connection: Connection) -> dict[int, Became]:
            ours = _became_by_id(driver_rows(connection.exec_driver_sql(statement, asked)))
            then(connection, ours.keys())
            return ours

        return self.write(finishing)

    # -- the rest

    def insert_unless_known(self, connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> int:
        statement = insert(table).values(list(rows)).on_conflict_do_nothing().returning(*table.primary_key)
        return len(connection.execute(statement).fetchall())

    def append_log(self, connection: Connection, lines: Sequence[LogLine]) -> None:
        connection.exec_driver_sql(statements.APPEND_LOG, (batches.log_lines(lines),))

    def tidy(self) -> None:
        """Autovacuum does it."""

    def facts(self) -> ServerFacts:
        return self.read(lambda connection: inspection.facts(connection, told_pid(connection)))

    def sizes(self, connection: Connection) -> Sizes:
        return inspection.sizes(connection)

    def invalid(self, connection: Connection) -> tuple[str, ...]:
        return inspection.invalid(connection)

    def listen(self, on_ring: Callable[[Topic], None]) -> Doorbell:
        connector = self._connector
        doorbell = ListenDoorbell(connector.connect, on_ring, self._time, connector.watchdog, connector.is_own)
        self._doorbells.append(doorbell)
        return doorbell

    def ring_within(self, connection: Connection, topic: Topic) -> None:
        connection.exec_driver_sql(_NOTIFY, (CHANNEL, topic))

    def ring(self, topic: Topic) -> None:
        self._ring_here(topic)
        self._ringer.ring(topic)

    def _ring_here(self, topic: Topic) -> None:
        """The listeners of this store need not wait until the server tells them, nor is it to be kept from them by the bucket."""
        for doorbell in tuple(self._doorbells):
            doorbell.ring(topic)

    def _notify(self, topic: Topic) -> None:
        self._alone(lambda pooled: as_driver(pooled.driver_connection).execute(_NOTIFY, (CHANNEL, topic)).fetchall())


@cache  # of the few states and reasons that there are
def _became(state: str, reason: str | None) -> Became:
    return Became(RunState(state), None if reason is None else Reason(reason))


def _became_by_id(rows: Sequence[Any]) -> dict[int, Became]:
    return {id_: _became(state, reason) for id_, state, reason in rows}


def _inserted(placed: Sequence[Placed], rows: Sequence[Any]) -> list[Inserted | None]:
    if len(rows) == len(placed):
        return [Inserted(row[0], _STATES[row[1]]) for row in rows]
    return _matched(placed, rows)


def _matched(placed: Sequence[Placed], rows: Sequence[Any]) -> list[Inserted | None]:
    """Which rows were left out: the others come in order, so walking both tells."""
    returned = iter(rows)
    row = next(returned, None)
    matched: list[Inserted | None] = []
    for one in placed:
        run = one.run
        if row is not None and tuple(row[2:]) == (run.namespace, run.job, run.scheduled_at, run.unique_key):
            matched.append(Inserted(row[0], _STATES[row[1]]))
            row = next(returned, None)
        else:
            matched.append(None)
    return matched
