"""Claiming and finishing, on a connection that holds the write lock."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection

from jobsched.model.run import Became, Claim, LogLine, Reason, RunState, Transition
from jobsched.store.faults import fault_point
from jobsched.store.port import ClaimWish
from jobsched_sql.alike import WellAlike, well_and_alike
from jobsched_sql.dialect import Served
from jobsched_sql.rows import CLAIM_COLUMNS, claim_of, leaves_for_good, value_of
from jobsched_sql.texts import clean, encode_anyhow
from jobsched_sql.types import from_micros, to_micros
from jobsched_sqlite import statements
from jobsched_sqlite.connections import Driver

_SUCCEEDED = Became(RunState.SUCCEEDED, None)
_NAMESPACE, _QUEUE = CLAIM_COLUMNS.index("namespace"), CLAIM_COLUMNS.index("queue")
_claim_order = itemgetter(CLAIM_COLUMNS.index("priority"), CLAIM_COLUMNS.index("available_at"), 0)
_instant = lru_cache(maxsize=1024)(from_micros)  # runs that were claimed, or enqueued, together share theirs


def claim(connection: Connection | Driver, wish: ClaimWish, served: Served, now: datetime) -> list[Any]:
    """The oldest pending runs are now running; none for a node without a lease. Rows of `CLAIM_COLUMNS`."""
    at = to_micros(now)
    if not connection.exec_driver_sql(statements.ALIVE, (wish.node, at)).fetchall():
        return []
    rows = _claimable(connection, wish, served, at)
    for namespace, generation in wish.generations.items():
        if ids := [row[0] for row in rows if row[_NAMESPACE] == namespace]:
            connection.exec_driver_sql(statements.CLAIM, (wish.node, at, generation, json.dumps(ids)))
    return rows


def claims_of(rows: Sequence[Any]) -> list[Claim]:
    """What `claim` returned, as claims: apart from it, so that the lock is not held meanwhile."""
    return [claim_of(row, _instant) for row in rows]


def _claimable(connection: Connection | Driver, wish: ClaimWish, served: Served, at: int) -> list[Any]:
    without = json.dumps(list(wish.without_handlers))
    rows: list[Any] = []
    if served is None:
        for namespace, generation in wish.generations.items():
            asked: tuple[object, ...] = (wish.node, at, generation, namespace, without, at, wish.limit)
            rows += _in_one(connection, statements.CLAIMABLE, asked)
    for namespace, queue in served or ():
        share = min(wish.shares.get(queue, wish.limit), wish.limit)
        asked = (wish.node, at, wish.generations[namespace], namespace, without, queue, at, share)
        rows += _in_one(connection, statements.CLAIMABLE_OF_QUEUE, asked)
    rows.sort(key=_claim_order)
    return _within_shares(rows, wish.shares)[: wish.limit]


def _in_one(connection: Connection | Driver, statement: str, asked: tuple[object, ...]) -> list[Any]:
    [(text,)] = connection.exec_driver_sql(statement, asked).fetchall()
    rows: list[Any] = value_of(f"[{text or ''}]")
    return rows


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
