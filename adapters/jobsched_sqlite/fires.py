"""Firing: cursors are moved, and plain slots inserted and claimed, by statements that take many at once."""

import json
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection

from jobsched.model.run import NewRun, RunState
from jobsched.model.state import Firing
from jobsched.store.port import ClaimWish
from jobsched_sql.claimed_slots import claimed, wanted
from jobsched_sql.dialect import Fired, Inserted, Queue
from jobsched_sql.plain_slots import counted_key, is_small, plain_run, without_rivals
from jobsched_sql.texts import clean, encode, tags_text
from jobsched_sql.types import to_micros
from jobsched_sqlite import statements

_STATES = {state.value: state for state in RunState}
_RUNNING = RunState.RUNNING.value


class Shared(NamedTuple):
    """What plain runs that are inserted together have in common."""

    namespace: str
    queue: str
    priority: int
    max_attempts: int
    generation: int | None
    tags: str | None


class Prepared(NamedTuple):
    """A firing as the statements read it, in JSON. `shared` None: it makes no plain run. `key`: the one it is counted by."""

    cursor: str
    key: str | None
    shared: Shared | None
    slot: str = ""


def prepared(firing: Firing) -> Prepared | None:
    """None: it is made when it is needed, since it is large."""
    made = _prepared(firing)
    return made if is_small((made.cursor, made.slot)) else None


def _prepared(firing: Firing) -> Prepared:
    instants = map(_micros, (firing.cursor, firing.next_at, firing.seen_cursor))
    cursor = json.dumps((firing.namespace, firing.job, *instants, firing.schedule_revision, firing.revision))
    run = plain_run(firing)
    if run is None:
        return Prepared(cursor, counted_key(firing), None)
    instants = map(_micros, (run.scheduled_at, run.available_at, run.start_by))
    slot = (run.job, *instants, run.key, encode(run.payload), clean(run.handler))
    tags = tags_text(run.tags) if run.tags else None
    shared = Shared(run.namespace, clean(run.queue), run.priority, run.max_attempts, run.generation, tags)
    return Prepared(cursor, run.key, shared, json.dumps(slot))


def fire(connection: Connection, now: datetime, firings: Sequence[Firing], wish: ClaimWish | None) -> Fired:
    if not firings:
        return Fired([], [])
    each = [one.prepared if isinstance(one.prepared, Prepared) else _prepared(one) for one in firings]
    ours = _advance(connection, each)
    alone = without_rivals([(firing.namespace, one.key) for firing, one in zip(firings, each, strict=True)])
    plain = [n for n in ours if alone[n] and each[n].shared is not None]
    chosen = (
        _chosen(connection, now, firings, plain, set(ours).difference(plain), wish)
        if wish is not None and plain
        else ()
    )
    rows = _insert(connection, now, each, plain, chosen, wish) if plain else {}
    inserted = [Inserted(row[0], _STATES[row[1]]) if (row := rows.get(n)) else None for n in ours]
    claims = (
        [
            claimed(firings[n].runs[0], wish, id_=id_, revision=revision, now=now)
            for n, (id_, state, revision) in rows.items()
            if state == _RUNNING
        ]
        if wish is not None
        else []
    )
    return Fired([firings[n] for n in ours], inserted, claims)


def _chosen(
    connection: Connection,
    now: datetime,
    firings: Sequence[Firing],
    plain: Sequence[int],
    others: Iterable[int],
    wish: ClaimWish,
) -> Collection[int]:
    """Those that may be claimed at once."""
    alive = connection.exec_driver_sql(statements.ALIVE, (wish.node, to_micros(now))).fetchall()
    if not alive or any(_any_pending(connection, namespace) for namespace in wish.generations):
        return ()
    return wanted(firings, [n for n in plain if _may_start(firings[n].runs[0], now)], others, wish)


def _any_pending(connection: Connection, namespace: str) -> bool:
    [(any_,)] = connection.exec_driver_sql(statements.ANY_PENDING, (namespace,)).fetchall()
    return bool(any_)


def _may_start(run: NewRun, now: datetime) -> bool:
    has_come = run.available_at is None or run.available_at <= now
    return has_come and (run.start_by is None or run.start_by > now)


def _advance(connection: Connection, each: Sequence[Prepared]) -> Sequence[int]:
    """Move the cursors that are still as seen; which. All at once, and anew if some were not."""
    connection.exec_driver_sql("savepoint advancing")
    asked = _list([one.cursor for one in each])
    if connection.exec_driver_sql(statements.ADVANCE, (asked,)).rowcount == len(each):
        return range(len(each))
    connection.exec_driver_sql("rollback to advancing")
    ours = sorted(key for (key,) in connection.exec_driver_sql(statements.AS_SEEN, (asked,)).fetchall())
    if ours:
        connection.exec_driver_sql(statements.ADVANCE, (_list([each[n].cursor for n in ours]),))
    return ours


def _insert(
    connection: Connection,
    now: datetime,
    each: Sequence[Prepared],
    plain: Sequence[int],
    chosen: Collection[int],
    wish: ClaimWish | None,
) -> dict[int, tuple[int, str, int | None]]:
    """Id, state and, of those that run, the job's revision. Ids are given here, in order: nobody else writes."""
    [(last,)] = connection.exec_driver_sql(statements.LAST_ID).fetchall()
    queues = connection.exec_driver_sql(statements.LIMITED_QUEUES).fetchall()
    limited = {Queue(row[0], row[1]) for row in queues if row[2]}
    groups: dict[tuple[Shared, bool], list[int]] = {}
    for n in plain:
        shared = each[n].shared
        assert shared is not None  # it is plain
        groups.setdefault((shared, n in chosen and (shared.namespace, shared.queue) not in limited), []).append(n)
    by_id: dict[int, int] = {}
    first, at = last + 1, to_micros(now)
    for (shared, is_claimed), group in groups.items():
        due = RunState.BLOCKED if (shared.namespace, shared.queue) in limited else RunState.PENDING
        fate: dict[str, object] = {"due": due.value, "attempt": 0, "node": None, "started_at": None}
        if is_claimed and wish is not None:
            fate = {"due": _RUNNING, "attempt": 1, "node": wish.node, "started_at": at}
            fate["generation"] = wish.generations[shared.namespace]
        asked = shared._asdict() | {"first": first, "now": at, "slots": _list([each[n].slot for n in group])} | fate
        connection.exec_driver_sql(statements.INSERT_PLAIN, asked)
        by_id |= dict(enumerate(group, first))
        first += len(group)
    if any(shared.tags is not None for shared, _ in groups):
        connection.exec_driver_sql(statements.INDEX_TAGS, (last,))
    rows = connection.exec_driver_sql(statements.INSERTED_STATES, (last,)).fetchall()
    return {by_id[id_]: (id_, state, revision) for id_, state, revision in rows}


def _list(texts: Sequence[str]) -> str:
    return f"[{','.join(texts)}]"


def _micros(instant: datetime | None) -> int | None:
    return None if instant is None else to_micros(instant)
