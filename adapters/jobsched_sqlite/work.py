"""Claiming and finishing, on a connection that holds the write lock."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import Connection

from jobsched.model.keys import declared_for
from jobsched.model.run import Became, Claim, LogLine, Reason, RunState, Source, Transition
from jobsched.store.faults import fault_point
from jobsched.store.port import ClaimWish
from jobsched_sql.alike import WellAlike, well_and_alike
from jobsched_sql.dialect import KeyToAdmit, Served
from jobsched_sql.rows import CLAIM_COLUMNS, claim_of, leaves_for_good, value_of
from jobsched_sql.texts import clean, encode_anyhow
from jobsched_sql.types import from_micros, to_micros
from jobsched_sqlite import statements
from jobsched_sqlite.connections import Driver

_SUCCEEDED = Became(RunState.SUCCEEDED, None)
_NAMESPACE, _QUEUE = CLAIM_COLUMNS.index("namespace"), CLAIM_COLUMNS.index("queue")
_claim_order = itemgetter(CLAIM_COLUMNS.index("priority"), CLAIM_COLUMNS.index("available_at"), 0)
#: Of so many it pays to ask first whether they are alike.
_MANY = 50
_instant = lru_cache(maxsize=1024)(from_micros)  # runs that were claimed, or enqueued, together share theirs


class Plain(NamedTuple):
    """What runs that are alike have in common."""

    handler: str
    queue: str
    priority: int
    max_attempts: int


class Claimed(NamedTuple):
    """What was claimed, as it was read, in JSON: whole rows of `CLAIM_COLUMNS`; or of runs that are alike what differs, as
    three lists, in which the others stand too, and behind them the rows of those.
    """

    wish: ClaimWish
    at: int
    rows: Sequence[Any] | str = ()
    alike: Plain | None = None


def claim(connection: Connection | Driver, wish: ClaimWish, served: Served, now: datetime) -> Claimed:
    """The oldest pending runs are now running; none for a node without a lease."""
    at = to_micros(now)
    if not connection.exec_driver_sql(statements.ALIVE, (wish.node, at)).fetchall():
        return Claimed(wish, at)
    without = json.dumps(list(wish.without_handlers))
    if served is None and len(wish.generations) == 1 and not wish.shares:
        [namespace] = wish.generations
        if wish.limit >= _MANY and (found := _claim_alike(connection, wish, at, namespace, without)) is not None:
            return found
        text, ids = _claimable(connection, wish, at, namespace, without)
        if ids:
            _claim(connection, wish, at, namespace, ids)
        return Claimed(wish, at, text)
    rows = _chosen(connection, wish, served, at, without)
    for namespace in wish.generations:
        if ids := ",".join(str(row[0]) for row in rows if row[_NAMESPACE] == namespace):
            _claim(connection, wish, at, namespace, ids)
    return Claimed(wish, at, rows)


def _claim(connection: Connection | Driver, wish: ClaimWish, at: int, namespace: str, ids: str) -> None:
    connection.exec_driver_sql(statements.CLAIM, (wish.node, at, wish.generations[namespace], f"[{ids}]"))


def _claim_alike(
    connection: Connection | Driver, wish: ClaimWish, at: int, namespace: str, without: str
) -> Claimed | None:
    """None, and nothing is done, if none of those that come first is a plain run."""
    first = connection.exec_driver_sql(statements.FIRST_PLAIN, (namespace, without, at, wish.limit)).fetchall()
    if not first:
        return None
    alike = Plain(*first[0])
    asked = {**alike._asdict(), "namespace": namespace, "without": without, "now": at, "limit": wish.limit}
    asked |= {"node": wish.node, "generation": wish.generations[namespace]}
    [lists] = connection.exec_driver_sql(statements.CLAIMABLE_ALIKE, asked).fetchall()
    _claim(connection, wish, at, namespace, lists[0])
    return Claimed(wish, at, ",".join(f"[{texts or ''}]" for texts in lists), alike)


def claims_of(claimed: Claimed) -> list[Claim]:
    """What `claim` returned, as claims: apart from it, so that the lock is not held meanwhile."""
    wish, at, rows, alike = claimed
    if alike is not None:
        ids, *lists, others = value_of(f"[{rows}]")
        claims = _alike_claims(wish, at, alike, ids, *lists)
        places = {id_: place for place, id_ in enumerate(ids)} if others else {}
        for row in others:
            claims[places[row[0]]] = claim_of(row, _instant)
        return claims
    return [claim_of(row, _instant) for row in (value_of(rows) if isinstance(rows, str) else rows)]


def _alike_claims(
    wish: ClaimWish,
    at: int,
    alike: Plain,
    ids: Sequence[int],
    available: Sequence[int],
    payloads: Sequence[Mapping[str, Any]],
) -> list[Claim]:
    [(namespace, generation)] = wish.generations.items()
    new, instant = tuple.__new__, _instant
    before = (1, wish.node, namespace, None, None, alike.handler, Source.ENQUEUE, alike.queue, 1, alike.max_attempts)
    started, after = from_micros(at), (None, 0, None, None)
    return [
        new(Claim, (id_, *before, 0, None, instant(available_at), started, generation, payload, *after))
        for id_, available_at, payload in zip(ids, available, payloads, strict=True)
    ]


def _chosen(connection: Connection | Driver, wish: ClaimWish, served: Served, at: int, without: str) -> list[Any]:
    """Of several namespaces or queues those that come first."""
    rows: list[Any] = []
    if served is None:
        for namespace in wish.generations:
            rows += value_of(_claimable(connection, wish, at, namespace, without)[0])
    for namespace, queue in served or ():
        rows += value_of(_claimable(connection, wish, at, namespace, without, queue)[0])
    rows.sort(key=_claim_order)
    return _within_shares(rows, wish.shares)[: wish.limit]


def _claimable(
    connection: Connection | Driver, wish: ClaimWish, at: int, namespace: str, without: str, queue: str | None = None
) -> tuple[str, str]:
    """Rows of a namespace, or of one queue of it, as a JSON list; and their ids, with commas between."""
    known = (wish.node, at, wish.generations[namespace], namespace, without)
    if queue is None:
        found = connection.exec_driver_sql(statements.CLAIMABLE, (*known, at, wish.limit))
    else:
        share = min(wish.shares.get(queue, wish.limit), wish.limit)
        found = connection.exec_driver_sql(statements.CLAIMABLE_OF_QUEUE, (*known, queue, at, share))
    [(rows, ids)] = found.fetchall()
    return f"[{rows or ''}]", ids or ""


def _within_shares(rows: list[Any], shares: Mapping[str, int]) -> list[Any]:
    """A share is one of all namespaces together."""
    if not shares:
        return rows
    kept, left = [], dict(shares)
    for row in rows:
        queue = row[_QUEUE]
        if left.get(queue, 1) > 0:
            kept.append(row)
            if queue in left:
                left[queue] -= 1
    return kept


def finish(connection: Connection | Driver, transitions: Sequence[Transition], now: datetime) -> dict[int, Became]:
    """Move owned runs out of running; what became of those that were owned. All at once, and one by one only if some were not.

    The first to be done in the transaction: where some were not, it is begun again.
    """
    at = to_micros(now)
    if (same := well_and_alike(transitions)) is not None and _finish_alike(connection, same, at):
        fault_point("before_finish_commit")
        return dict.fromkeys(same.ids, _SUCCEEDED)
    well = [one for one in transitions if _is_well(one)]
    rest = _as_runs_stand(connection, [one for one in transitions if not _is_well(one)])
    if _finish_all(connection, well, rest, at) == len(transitions):
        finished = {one.id: Became(one.state, one.reason) for one in rest}
        finished.update(dict.fromkeys([one.id for one in well], _SUCCEEDED))
    else:
        _begin_anew(connection)
        finished = {
            one.id: Became(one.state, one.reason)
            for one in (*well, *rest)
            if connection.exec_driver_sql(statements.FINISH, _row(one, at)).rowcount
        }
    fault_point("before_finish_commit")
    return finished


def _finish_alike(connection: Connection | Driver, same: WellAlike, at: int) -> bool:
    """False, and nothing is done, if not all of them were owned."""
    asked = {**same._asdict(), "ids": json.dumps(same.ids), "finished_at": at}
    if connection.exec_driver_sql(statements.FINISH_ALIKE, asked).rowcount == len(same.ids):
        return True
    _begin_anew(connection)
    return False


def _begin_anew(connection: Connection | Driver) -> None:
    """Nothing else has been done in this transaction. With a savepoint SQLite would copy each page before it is changed."""
    connection.exec_driver_sql("rollback")
    connection.exec_driver_sql("begin immediate")


def _is_well(one: Transition) -> bool:
    """It succeeded, and leaves nothing behind but its result."""
    plain = one.reason is None and one.error is None and one.max_attempts is None and one.available_at is None
    return one.state is RunState.SUCCEEDED and plain and not one.abandoned


def _finish_all(
    connection: Connection | Driver, well: Sequence[Transition], rest: Sequence[Transition], at: int
) -> int:
    """How many were owned."""
    count = 0
    if well:
        done = [
            (
                one.id,
                one.node,
                one.claim_no,
                one.attempt,
                one.losses,
                None if one.result is None else encode_anyhow(one.result),
            )
            for one in well
        ]
        asked = {"finished_at": at, "done": json.dumps(done, separators=(",", ":"))}
        count += connection.exec_driver_sql(statements.FINISH_WELL, asked).rowcount
    if rest:
        count += connection.exec_driver_sql(statements.FINISH, [_row(one, at) for one in rest]).rowcount
    return count


def _as_runs_stand(connection: Connection | Driver, transitions: Sequence[Transition]) -> Sequence[Transition]:
    """A run that would run again, but was asked to stop, or whose job is gone, ends instead."""
    again = [one.id for one in transitions if not leaves_for_good(one)]
    if not again:
        return transitions
    rows = connection.exec_driver_sql(statements.NOT_AGAIN, (json.dumps(again),))
    stopped = {id_: None if why is None else Reason(why) for id_, why in rows}
    return [
        _ended(one, stopped[one.id]) if one.id in stopped and not leaves_for_good(one) else one for one in transitions
    ]


def _ended(transition: Transition, why_stopped: Reason | None) -> Transition:
    if why_stopped is not None:
        return transition._replace(state=RunState.CANCELLED, reason=why_stopped, available_at=None)
    if transition.reason is not None:
        return transition._replace(state=RunState.FAILED, available_at=None)
    return transition._replace(state=RunState.CANCELLED, reason=Reason.JOB_REMOVED, available_at=None)


def _row(one: Transition, now: int) -> dict[str, object]:
    return {
        "state": one.state.value,
        "reason": None if one.reason is None else one.reason.value,
        "attempt": one.attempt,
        "losses": one.losses,
        "max_attempts": one.max_attempts,
        "result": None if one.result is None else encode_anyhow(one.result),
        "error": None if one.error is None else encode_anyhow(one.error),
        "finished_at": now if one.state.final else None,
        "available_at": None if one.available_at is None else to_micros(one.available_at),
        "id": one.id,
        "node": one.node,
        "claim_no": one.claim_no,
        "abandoned": one.abandoned,
    }


class Admissible(NamedTuple):
    """The blocked runs that keys have places for, their ids with commas between. `limited`: queues limit what starts too."""

    limited: bool
    ids: str | None


def admissible(connection: Connection | Driver, keys: Sequence[KeyToAdmit]) -> Admissible:
    """Who does not hold the write lock learns but whether it pays to take it."""
    [found] = connection.exec_driver_sql(statements.ADMISSIBLE, (json.dumps(keys),)).fetchall()
    return Admissible(*found)


def admit(connection: Connection | Driver, keys: Sequence[KeyToAdmit]) -> int | None:
    """Let in what these keys have places for; how many. None, and nothing is done, if queues limit what starts."""
    found = admissible(connection, keys)
    if found.limited:
        return None
    if not found.ids:
        return 0
    return connection.exec_driver_sql(statements.UNBLOCK_RUNS, (f"[{found.ids}]",)).rowcount


def finish_and_admit(
    connection: Connection | Driver, transitions: Sequence[Transition], now: datetime
) -> tuple[dict[int, Became], int]:
    """`finish`, and how many were let in to the places that this has freed: another transaction would cost a commit more.

    Where queues limit what starts that is left to whoever counts them.
    """
    ours = finish(connection, transitions, now)
    ids = json.dumps([one.id for one in transitions])
    freed = [
        KeyToAdmit(namespace, key, declared_for(key))
        for namespace, key in connection.exec_driver_sql(statements.FREED_KEYS, (ids,)).fetchall()
    ]
    return ours, (admit(connection, freed) or 0) if freed else 0


def append_log(connection: Connection | Driver, lines: Sequence[LogLine]) -> None:
    """Insert lines of runs that exist."""
    rows = [
        {
            "run": line.run_id,
            "attempt": line.attempt,
            "seq": line.seq,
            "at": to_micros(line.at),
            "stream": clean(line.stream),
            "text": clean(line.text),
        }
        for line in lines
    ]
    connection.exec_driver_sql(statements.APPEND_LOG, rows)
