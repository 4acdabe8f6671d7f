"""Firing: cursors are moved and keys locked by one statement, plain slots inserted by a second one."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from jobsched.model.run import RunState
from jobsched.model.state import Firing
from jobsched_postgres import batches, statements
from jobsched_sql.dialect import Fired, Inserted
from jobsched_sql.plain_slots import counted_key, is_small, plain_run, without_rivals

_STATES = {state.value: state for state in RunState}


def prepared(firing: Firing) -> tuple[str, ...] | None:
    """Its elements; None: they are made when they are needed, since they are large."""
    elements = batches.firing(firing)
    return elements if is_small(elements) else None


def fire(connection: Connection, now: datetime | None, firings: Sequence[Firing]) -> Fired:
    if not firings:
        return Fired([], [])
    columns = batches.firings([_elements(firing) for firing in firings])
    keyed = [counted_key(firing) is not None for firing in firings]
    asked: dict[str, Any] = {**columns, "all": len(firings), "keyed": sum(keyed)}
    [(moved, locked)] = connection.exec_driver_sql(statements.ADVANCE, asked).fetchall()
    ours = range(len(firings)) if moved is None else sorted(position - 1 for position in moved)
    alone = without_rivals(firings)
    in_hand = None if locked is None else {position - 1 for position in locked}
    plain = [
        n
        for n in ours
        if alone[n] and (in_hand is None or not keyed[n] or n in in_hand) and plain_run(firings[n]) is not None
    ]
    if not plain:
        return Fired([firings[n] for n in ours], [None] * len(ours))
    among = None if len(plain) == len(firings) else [n + 1 for n in plain]
    rows = connection.exec_driver_sql(statements.INSERT_PLAIN, {**columns, "now": now, "among": among}).fetchall()
    inserted = {(namespace, job): Inserted(id_, _STATES[state]) for id_, state, namespace, job in rows}
    moved_ones = [firings[n] for n in ours]
    return Fired(moved_ones, [inserted.get((one.namespace, one.job)) for one in moved_ones])


def _elements(firing: Firing) -> tuple[str, ...]:
    return firing.prepared if isinstance(firing.prepared, tuple) else batches.firing(firing)
