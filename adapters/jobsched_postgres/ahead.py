"""Firing ahead: what is to be fired is written shortly before its slot, in a transaction that is committed when that has come.

Till then nobody sees it; its jobs and their keys are locked. What else there is that a fire asks is asked again before the
commit, by a statement that sees all that was committed meanwhile.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from datetime import datetime, timedelta

import psycopg
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from jobsched.model.run import Created, RunState
from jobsched.model.state import Firing
from jobsched.store.port import ClaimWish
from jobsched_postgres import fires, statements
from jobsched_postgres.connections import as_driver
from jobsched_postgres.direct import SENDS_TWO
from jobsched_postgres.failures import connection_lost, outcome_unknown, translated
from jobsched_sql.dialect import Dialect, Fired
from jobsched_sql.plain_slots import counted_key, plain_run

#: What is not committed so soon after the slot is fired anew, and by then the server has ended the transaction.
_LATE = timedelta(seconds=1)

#: What becomes of a slot that needs nobody's leave.
_DUE = (RunState.PENDING, RunState.RUNNING)

Begin = Callable[[Connection], Sequence[fires.Sent]]


def fire_ahead(
    engine: Engine,
    where: str,
    begin: Begin,
    dialect: Dialect,
    firings: Sequence[Firing],
    wish: ClaimWish | None,
    at: datetime,
) -> "FireAhead | None":
    """As the store does."""
    chosen = _chosen(firings)
    if not chosen:
        return None
    with translated(where):
        connection = engine.connect()
        try:
            fired = _written(connection, begin, dialect.given_now(), chosen, wish, at)
        except BaseException:
            _end(connection)
            raise
        if fired is None:
            _end(connection)
            return None
        return FireAhead(connection, where, dialect, fired, wish, at)


class FireAhead:
    """A transaction that is held open."""

    def __init__(
        self,
        connection: Connection,
        where: str,
        dialect: Dialect,
        fired: Fired,
        wish: ClaimWish | None,
        at: datetime,
    ) -> None:
        self.firings, self.claims = fired.moved, fired.claims
        self._connection, self._where, self._dialect, self._fired = connection, where, dialect, fired
        next_slots = [firing.next_at for firing in fired.moved if firing.next_at is not None]
        self._asked = {
            "at": at,
            "until": min([at + _LATE, *next_slots]),
            "node": wish.node if wish is not None and fired.claims else None,
            "served": [] if wish is None else list(wish.generations),
            "namespaces": sorted({firing.namespace for firing in fired.moved}),
            "own": [row.id for row in fired.inserted if row is not None and row.state is RunState.PENDING],
            "jobs": [firing.job for firing in fired.moved],
            "queues": sorted({firing.runs[0].queue for firing in fired.moved}),
        }

    def commit(self) -> list[Created] | None:
        with translated(self._where):
            try:
                stands = self._stands()
                if stands:
                    self._commit()
            finally:
                _end(self._connection)
        return self._announced() if stands else None

    def drop(self) -> None:
        if not self._connection.closed:
            _end(self._connection)

    def _stands(self) -> bool:
        """Whether all that a fire at this instant would ask is as it was, and no other slot has come."""
        driver = as_driver(self._connection.connection.driver_connection)
        asked = {**self._asked, "now": self._dialect.given_now()}
        with driver.pipeline() if SENDS_TWO else nullcontext():
            driver.execute(statements.AWAIT, asked)
            found = driver.execute(statements.CONFIRM, asked)
        [(stands,)] = found.fetchall()
        return bool(stands)

    def _commit(self) -> None:
        try:
            self._connection.commit()
        except DBAPIError as error:
            if connection_lost(error):
                raise outcome_unknown(self._where, error) from error
            raise

    def _announced(self) -> list[Created]:
        """What was made; nodes are told if some of it waits."""
        each = zip(self._fired.moved, self._fired.inserted, strict=True)
        created = [
            Created(row.id, one.namespace, one.job, one.runs[0].scheduled_at, row.state, None)
            for one, row in each
            if row is not None
        ]
        if any(one.state is RunState.PENDING for one in created):
            self._dialect.ring("pending")
        return created


def _chosen(firings: Sequence[Firing]) -> list[Firing]:
    """What is less urgent than one that cannot be held, and is fired after them, does not go before it."""
    chosen = [one for one in firings if _keeps_nobody_else_waiting(one)]
    if len(chosen) == len(firings):
        return chosen
    others = [one for one in firings if not _keeps_nobody_else_waiting(one)]
    most = min((run.priority for one in others for run in one.runs if run.skipped is None), default=None)
    return [one for one in chosen if most is None or one.runs[0].priority <= most]


def _keeps_nobody_else_waiting(firing: Firing) -> bool:
    """A plain one, whose key is its job's own."""
    return plain_run(firing) is not None and counted_key(firing) in (None, f"job:{firing.job}")


def _written(
    connection: Connection,
    begin: Begin,
    now: datetime | None,
    firings: Sequence[Firing],
    wish: ClaimWish | None,
    at: datetime,
) -> Fired | None:
    """As if it were written at the slot. Once more without those that have to be counted, for want of their keys, say."""
    for _ in range(2):
        connection.begin()  # which tells the server nothing, but that there is to be a commit
        hold = (statements.HOLD, {"now": now, "at": at})
        fired = fires.fire(connection, at, firings, wish, [*begin(connection), hold])
        made = [
            one for one, row in zip(fired.moved, fired.inserted, strict=True) if row is not None and row.state in _DUE
        ]
        if len(made) == len(fired.moved):
            return fired if made else None
        firings = made
        if not firings:
            return None
        connection.rollback()
    return None


def _end(connection: Connection) -> None:
    """Roll back what is not committed, and give the connection back; the pool hears nothing of what the driver itself met."""
    # Of a connection that went with its commit the pool knows, and asks for nothing but the rollback.
    if not connection.invalidated and as_driver(connection.connection.driver_connection).closed:
        connection.invalidate()
    with suppress(DBAPIError, psycopg.Error):
        connection.rollback()
    connection.close()
