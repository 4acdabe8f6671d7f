"""Firing: cursors are moved and keys locked by one statement, plain slots inserted by a second one, which may claim them."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from jobsched.model.run import Claim, RunState
from jobsched.model.state import Firing
from jobsched.store.port import ClaimWish
from jobsched_postgres import batches, statements
from jobsched_sql.claimed_slots import claimed, wanted
from jobsched_sql.dialect import Fired, Inserted
from jobsched_sql.plain_slots import counted_key, is_small, plain_run, without_rivals

_STATES = {state.value: state for state in RunState}


def prepared(firing: Firing) -> tuple[str, ...] | None:
    """Its elements; None: they are made when they are needed, since they are large."""
    elements = batches.firing(firing)
    return elements if is_small(elements) else None


def fire(connection: Connection, now: datetime | None, firings: Sequence[Firing], wish: ClaimWish | None) -> Fired:
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
    moved_ones = [firings[n] for n in ours]
    if not plain:
        return Fired(moved_ones, [None] * len(ours))
    asked = {**columns, "now": now, "among": None if len(plain) == len(firings) else [n + 1 for n in plain]}
    asked |= _asked_for(firings, plain, set(ours).difference(plain), wish)
    rows = connection.exec_driver_sql(statements.INSERT_PLAIN, asked).fetchall()
    inserted = {(row[2], row[3]): Inserted(row[0], _STATES[row[1]]) for row in rows}
    claims = _claims(rows, moved_ones, wish) if wish is not None else []
    return Fired(moved_ones, [inserted.get((one.namespace, one.job)) for one in moved_ones], claims)


def _asked_for(
    firings: Sequence[Firing], plain: Sequence[int], others: Iterable[int], wish: ClaimWish | None
) -> dict[str, Any]:
    """What the node wants of these, and what it is."""
    if wish is None:
        return {"wanted": None, "node": None, "served": [], "generations": None}
    chosen = wanted(firings, plain, others, wish)
    flags = ",".join("t" if n in chosen else "f" for n in range(len(firings)))
    return {
        "wanted": f"{{{flags}}}",
        "node": wish.node,
        "served": list(wish.generations),
        "generations": json.dumps(dict(wish.generations)),
    }


def _claims(rows: Sequence[Any], firings: Sequence[Firing], wish: ClaimWish) -> list[Claim]:
    runs = {(one.namespace, one.job): one.runs[0] for one in firings if one.runs}
    return [
        claimed(runs[row[2], row[3]], wish, id_=row[0], revision=row[4], now=row[5].astimezone(UTC))
        for row in rows
        if row[1] == RunState.RUNNING.value
    ]


def _elements(firing: Firing) -> tuple[str, ...]:
    return firing.prepared if isinstance(firing.prepared, tuple) else batches.firing(firing)
