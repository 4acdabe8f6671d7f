"""Firing: cursors are moved and keys locked by one statement, plain slots inserted by a second one, which may claim them."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection

from jobsched.model.run import Claim, RunState
from jobsched.model.state import Firing
from jobsched.store.port import ClaimWish
from jobsched_postgres import batches, statements
from jobsched_sql.claimed_slots import claimed, wanted
from jobsched_sql.dialect import Fired, Inserted
from jobsched_sql.plain_slots import counted_key, is_small, plain_run, without_rivals

_STATES = {state.value: state for state in RunState}
_RUNNING = RunState.RUNNING.value


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


def fire(connection: Connection, now: datetime | None, firings: Sequence[Firing], wish: ClaimWish | None) -> Fired:
    if not firings:
        return Fired([], [])
    each = [one.prepared if isinstance(one.prepared, Prepared) else _prepared(one) for one in firings]
    columns = batches.firings([one.elements for one in each])
    keyed = sum(one.key is not None for one in each)
    asked: dict[str, Any] = {**columns, "all": len(firings), "keyed": keyed}
    [(moved, locked)] = connection.exec_driver_sql(statements.ADVANCE, asked).fetchall()
    ours = range(len(firings)) if moved is None else sorted(position - 1 for position in moved)
    alone = without_rivals([(firing.namespace, one.key) for firing, one in zip(firings, each, strict=True)])
    in_hand = None if locked is None else {position - 1 for position in locked}
    plain = [
        n for n in ours if alone[n] and each[n].is_plain and (in_hand is None or each[n].key is None or n in in_hand)
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
