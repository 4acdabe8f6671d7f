"""Firing: cursors are moved and keys locked by one statement, plain slots inserted by a second one, which may claim them.

Both go to the server together, with what begins their transaction.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any, NamedTuple

import psycopg
from sqlalchemy import Connection

from jobsched.model.run import Claim, RunState
from jobsched.model.state import Firing
from jobsched.store.port import ClaimWish
from jobsched_postgres import batches, statements
from jobsched_postgres.connections import as_driver
from jobsched_postgres.direct import SENDS_TWO
from jobsched_sql.claimed_slots import claimed, wanted
from jobsched_sql.dialect import Fired, Inserted
from jobsched_sql.plain_slots import counted_key, is_small, plain_run, without_rivals

_STATES = {state.value: state for state in RunState}
_RUNNING = RunState.RUNNING.value


#: A statement and its parameters.
Sent = tuple[str, Mapping[str, Any] | None]


class Prepared(NamedTuple):
    """A firing as elements of the statements' arrays, whether it makes a plain run, and the key that it is counted by."""

    elements: tuple[str, ...]
    is_plain: bool
    key: str | None


def prepared(firing: Firing) -> Prepared | None:
    """None: it is made when it is needed, since it is large."""
    made = _prepared(firing)
    return made if is_small(made.elements) else None


def _prepared(firing: Firing) -> Prepared:
    return Prepared(batches.firing(firing), plain_run(firing) is not None, counted_key(firing))


def fire(
    connection: Connection,
    now: datetime | None,
    firings: Sequence[Firing],
    wish: ClaimWish | None,
    begin: Sequence[Sent] = (),
    *,
    patient: bool = False,
) -> Fired:
    """`begin`: what begins the transaction, if nothing has: it goes along. `patient`: see `Dialect.fire`."""
    if not firings:
        return Fired([], [])
    each = [one.prepared if isinstance(one.prepared, Prepared) else _prepared(one) for one in firings]
    columns = batches.firings([one.elements for one in each])
    alone = without_rivals([(firing.namespace, one.key) for firing, one in zip(firings, each, strict=True)])
    plain = [n for n, one in enumerate(each) if alone[n] and one.is_plain]
    insert = None
    if plain:
        insert = {**columns, "now": now, "among": None if len(plain) == len(firings) else [n + 1 for n in plain]}
        insert |= _asked_for(firings, plain, set(range(len(firings))).difference(plain), wish)
    sent = [*begin, (statements.ADVANCE_ALL if patient else statements.ADVANCE, columns)]
    moved, rows = _sent(as_driver(connection.connection.driver_connection), sent, insert)
    ours = firings if moved is None else [firings[position - 1] for position in sorted(moved)]
    inserted = {(row[2], row[3]): Inserted(row[0], _STATES[row[1]]) for row in rows}
    claims = _claims(rows, ours, wish) if wish is not None else []
    return Fired(ours, [inserted.get((one.namespace, one.job)) for one in ours], claims)


def _sent(
    driver: psycopg.Connection[Any], first: Sequence[Sent], insert: Mapping[str, Any] | None
) -> tuple[list[int] | None, list[Any]]:
    """Which have moved, None if all, and what was inserted. All is sent in one: each way back would wait for Python's lock, in
    line behind the handlers of what has just been fired.
    """
    with driver.pipeline() if SENDS_TWO else nullcontext():
        *_, advanced = [driver.execute(statement, asked) for statement, asked in first]
        inserted = None if insert is None else driver.execute(statements.INSERT_PLAIN, insert)
    [(moved, _, _)] = advanced.fetchall()
    return moved, [] if inserted is None else inserted.fetchall()


def _asked_for(
    firings: Sequence[Firing], plain: Sequence[int], others: Iterable[int], wish: ClaimWish | None
) -> dict[str, Any]:
    """What the node wants of these, and what it is."""
    if wish is None:
        return {"wanted": None, "node": None, "served": [], "generations": None, "revisions": False}
    chosen = wanted(firings, plain, others, wish)
    flags = ",".join("t" if n in chosen else "f" for n in range(len(firings)))
    return {
        "wanted": f"{{{flags}}}",
        "node": wish.node,
        "served": list(wish.generations),
        "generations": json.dumps(dict(wish.generations)),
        "revisions": any(firings[n].revision is None for n in chosen),
    }


def _claims(rows: Sequence[Any], firings: Sequence[Firing], wish: ClaimWish) -> list[Claim]:
    """All of one statement, so of one instant. A firing that says of which revision it is, is of the job's."""
    running = [row for row in rows if row[1] == _RUNNING]
    if not running:
        return []
    now = running[0][5].astimezone(UTC)
    by_job = {(one.namespace, one.job): one for one in firings}
    fired = [(row, by_job[row[2], row[3]]) for row in running]
    return [
        claimed(one.runs[0], wish, id_=row[0], revision=row[4] if one.revision is None else one.revision, now=now)
        for row, one in fired
    ]
