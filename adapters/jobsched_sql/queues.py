"""Limits and rates of queues, over all nodes: a run of such a queue needs a place of it, beside one of its key if it has one."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Integer, Select, Text, delete, insert, select, text, update
from sqlalchemy.engine import Row

from jobsched.model.queue import QueueLimits, Rate, parse_rate
from jobsched.model.run import Lack, RunState
from jobsched_sql.dialect import Dialect, Key, Queue
from jobsched_sql.tables import LIMITS_STARTS, in_state, runs
from jobsched_sql.tables import queues as queues_table
from jobsched_sql.types import Instant

#: Runs that one statement lets in.
_AT_ONCE = 500
#: When one transaction has let in so many, it leaves the others, of a queue whose limit is gone, to the next.
MANY = 5000


class Limited(NamedTuple):
    """What a queue has places by: a limit, or a rate with its last start, or both."""

    limit: int | None
    rate: Rate | None
    last: datetime | None


def limits(connection: Connection, namespaces: Collection[str], *, lock: bool = False) -> dict[Queue, Limited]:
    """The queues of these namespaces that have places; with `lock` held until the end. Most namespaces have none."""
    c = queues_table.c
    chosen = select(queues_table).where(c.namespace.in_(sorted(namespaces)), LIMITS_STARTS)
    statement = chosen.order_by(c.namespace, c.queue)
    rows = connection.execute(statement.with_for_update() if lock else statement)
    return {
        Queue(row.namespace, row.queue): Limited(row.max_running, _rate(row.rate), row.rate_last_at) for row in rows
    }


def _rate(stored: str | None) -> Rate | None:
    return None if stored is None else parse_rate(stored)


def declared(connection: Connection, namespace: str, *, lock: bool = False) -> dict[str, QueueLimits]:
    """What the last sync said of queues, of those that it said something of."""
    c = queues_table.c
    statement = select(queues_table).where(c.namespace == namespace).order_by(c.queue)
    rows = connection.execute(statement.with_for_update() if lock else statement)
    return {
        row.queue: QueueLimits(limit=row.max_running, rate=_rate(row.rate), max_queued=row.max_queued) for row in rows
    }


def declare(connection: Connection, namespace: str, wanted: Mapping[str, QueueLimits]) -> None:
    """These are the limits of the namespace's queues from now on, and no others. What has started counts by a new rate too."""
    c, known = queues_table.c, declared(connection, namespace, lock=True)
    for queue in known:
        if queue not in wanted:
            connection.execute(delete(queues_table).where(c.namespace == namespace, c.queue == queue))
    for name, one in sorted(wanted.items()):
        values: dict[str, Any] = {
            "max_running": one.limit,
            "rate": None if one.rate is None else str(one.rate),
            "max_queued": one.max_queued,
        }
        if name not in known:
            connection.execute(insert(queues_table).values(namespace=namespace, queue=name, **values))
        elif one != known[name]:
            if one.rate is None:
                values["rate_last_at"] = None
            connection.execute(update(queues_table).where(c.namespace == namespace, c.queue == name).values(**values))


# Running runs are few; those of other queues in their index are passed over. `let_in` are those that a rate has let in and
# that wait for a thread. One that was started and given back has had its start: it must not stand in the way of others.
_HOLDERS = text("""
select q.queue,
  case when q.max_running is not null then
    (select count(*) from jobsched_runs r where r.state = 'pending' and r.namespace = q.namespace and r.queue = q.queue)
    + (select count(*) from jobsched_runs r where r.state = 'running' and r.namespace = q.namespace and r.queue = q.queue)
    + (select count(*) from jobsched_runs r
       where r.abandoned_by is not null and r.namespace = q.namespace and r.queue = q.queue) end as holders,
  case when q.rate is not null then
    (select count(*) from jobsched_runs r where r.state = 'pending' and r.namespace = q.namespace and r.queue = q.queue
       and (r.started_at is null or r.started_at < r.available_at)) end as let_in
from jobsched_queues q
where q.namespace = :namespace and (q.max_running is not null or q.rate is not null)
""")


def instant(connection: Connection, dialect: Dialect, limited: Mapping[Queue, Limited]) -> datetime | None:
    """The store's clock, asked only where one of these queues has a rate."""
    return dialect.now(connection) if any(one.rate is not None for one in limited.values()) else None


def free_places(connection: Connection, limited: Mapping[Queue, Limited], now: datetime | None) -> dict[Queue, int]:
    """How many more runs each queue may let in: below 0 if a limit or a rate was lowered, and those that wait for a thread
    are too many. In a statement after the lock, as with keys. `now`: `instant`.
    """
    places: dict[Queue, int] = {}
    for namespace in sorted({queue.namespace for queue in limited}):
        for row in connection.execute(_HOLDERS, {"namespace": namespace}):
            queue = Queue(namespace, row.queue)
            if queue in limited:
                places[queue] = _places(limited[queue], row, now)
    return places


def _places(one: Limited, row: Row[*tuple[Any, ...]], now: datetime | None) -> int:
    free: list[int] = []
    if one.limit is not None:
        free.append(one.limit - (row.holders or 0))
    if one.rate is not None and now is not None:
        # Else what was let in while no thread was free, or the queue was paused, would start all at once.
        free += [one.rate.burst - (row.let_in or 0), one.rate.places(one.last, now)]
    return min(free)


# All that an idle node asks about rates: nothing is blocked, and no row comes.
_WAITING_BY_RATE = text("""
select q.queue, q.rate, q.rate_last_at,
  (select count(*) from jobsched_runs r where r.state = 'pending' and r.namespace = q.namespace and r.queue = q.queue
     and (r.started_at is null or r.started_at < r.available_at)) as let_in
from jobsched_queues q
where q.namespace = :namespace and q.rate is not null and exists (
  select 1 from jobsched_runs r where r.state = 'blocked' and r.namespace = q.namespace and r.queue = q.queue)
""").columns(queue=Text, rate=Text, rate_last_at=Instant, let_in=Integer)


def next_places(connection: Connection, dialect: Dialect, namespaces: Collection[str]) -> dict[str, datetime | None]:
    """Of queues with a rate in which runs are blocked: when it lets the next one in. See the port."""
    asked = [{"namespace": namespace} for namespace in namespaces]
    rows = [row for namespace in asked for row in connection.execute(_WAITING_BY_RATE, namespace)]
    found: dict[str, datetime | None] = {}
    if not rows:
        return found
    now = dialect.now(connection)
    for row in rows:
        rate = parse_rate(row.rate)
        at = None if row.let_in >= rate.burst else rate.next_at(row.rate_last_at, now)
        others = found.get(row.queue)
        found[row.queue] = min(at, others) if at is not None and others is not None else at or others
    return found


_AHEAD = text("""
select count(*) from jobsched_runs r
where r.state = 'blocked' and r.namespace = :namespace and r.queue = :queue
  and (r.priority, r.available_at, r.id) < (select o.priority, o.available_at, o.id from jobsched_runs o where o.id = :run)
""")


def lacks(connection: Connection, dialect: Dialect, queue: Queue, run_id: int) -> list[Lack]:
    """What keeps this blocked run from being let in by its queue, as it looks without any lock."""
    limited = {name: one for name, one in limits(connection, [queue.namespace]).items() if name == queue}
    if not limited:
        return []
    one, now = limited[queue], instant(connection, dialect, limited)
    row = next(row for row in connection.execute(_HOLDERS, {"namespace": queue.namespace}) if row.queue == queue.queue)
    found: list[Lack] = []
    if one.limit is not None and row.holders >= one.limit:
        found.append(Lack("queue", queue.queue, one.limit, row.holders))
    if one.rate is not None and now is not None:
        asked = {"namespace": queue.namespace, "queue": queue.queue, "run": run_id}
        ahead: int = connection.execute(_AHEAD, asked).scalar_one()
        until = one.rate.due_at(one.last, now, ahead)
        full = row.let_in >= one.rate.burst
        if full or until > now:
            found.append(Lack("rate", queue.queue, one.rate.runs, ahead, one.rate.period, None if full else until))
    return found


# Hops from queue to queue, and from key to key, in the index: 100,000 blocked runs of one key cost one hop.
_BLOCKED_QUEUES = text("""
with recursive hop(queue) as (
  select (select min(queue) from jobsched_runs where state = 'blocked' and namespace = :namespace)
  union all
  select (select min(queue) from jobsched_runs
          where state = 'blocked' and namespace = :namespace and queue > hop.queue)
  from hop where hop.queue is not null
)
select queue from hop where queue is not null
""")
_HEADS = text("""
with recursive hop(key) as (
  select (select min(concurrency_key) from jobsched_runs
          where state = 'blocked' and namespace = :namespace and queue = :queue)
  union all
  select (select min(concurrency_key) from jobsched_runs
          where state = 'blocked' and namespace = :namespace and queue = :queue and concurrency_key > hop.key)
  from hop where hop.key is not null
),
heads(key, id) as (
  select hop.key, (select r.id from jobsched_runs r
    where r.state = 'blocked' and r.namespace = :namespace and r.queue = :queue and r.concurrency_key = hop.key
    order by r.priority, r.available_at, r.id limit 1)
  from hop where hop.key is not null
  union all
  select null, (select r.id from jobsched_runs r
    where r.state = 'blocked' and r.namespace = :namespace and r.queue = :queue and r.concurrency_key is null
    order by r.priority, r.available_at, r.id limit 1)
)
select heads.key from heads join jobsched_runs r on r.id = heads.id order by r.priority, r.available_at, r.id
""")


def with_blocked_runs(connection: Connection, namespace: str) -> list[Queue]:
    """Queues that have blocked runs, limited or not."""
    rows = connection.execute(_BLOCKED_QUEUES, {"namespace": namespace})
    return [Queue(namespace, row.queue) for row in rows]


def has_unkeyed(connection: Connection, queue: Queue) -> bool:
    """Whether blocked runs without a key are in this queue."""
    c = runs.c
    one = select(c.id).where(c.namespace == queue.namespace, c.queue == queue.queue, c.concurrency_key.is_(None))
    return connection.execute(one.where(in_state(RunState.BLOCKED)).limit(1)).one_or_none() is not None


def heads(connection: Connection, queue: Queue) -> list[Key | None]:
    """The keys of the queue's blocked runs, the one whose first run comes first in front; None for those without a key."""
    rows = connection.execute(_HEADS, {"namespace": queue.namespace, "queue": queue.queue})
    return [None if row.key is None else Key(queue.namespace, row.key) for row in rows]


def fill(
    connection: Connection,
    key_places: Mapping[Key, int],
    limited: Mapping[Queue, Limited],
    now: datetime | None,
    waiting: Iterable[Queue],
) -> int:
    """Blocked runs of these keys, and those without a key of the queues `waiting`, become pending in the order of claims.

    Each takes a place of both. Keys and queues are locked; what a lowered limit or rate has too many of is put back.
    """
    queue_places = free_places(connection, limited, now)
    keys, places, count = dict(key_places), dict(queue_places), 0
    for queue, free in places.items():
        if free < 0:
            _put_back(connection, queue, -free)
    waiting = sorted(waiting)
    # Again: of a key that had places left, those that were looked at may have found their queue full.
    while count < MANY and (chosen := list(_chosen(_candidates(connection, keys, places, waiting), keys, places))):
        # The state is asked again: since we looked, one may have been cancelled by hand.
        let_in = update(runs).where(runs.c.id.in_(chosen), in_state(RunState.BLOCKED))
        count += connection.execute(let_in.values(state=RunState.PENDING.value)).rowcount
    if now is not None:
        for queue, left in places.items():
            _count_starts(connection, queue, limited[queue], now, queue_places[queue] - left)
    return count


def _count_starts(connection: Connection, queue: Queue, one: Limited, now: datetime, starts: int) -> None:
    if one.rate is not None and starts > 0:
        c = queues_table.c
        row = update(queues_table).where(c.namespace == queue.namespace, c.queue == queue.queue)
        connection.execute(row.values(rate_last_at=one.rate.after(one.last, now, starts)))


def _put_back(connection: Connection, queue: Queue, count: int) -> None:
    """The last of its pending runs wait again; one that is being claimed at this moment goes on."""
    c = runs.c
    last = (
        select(c.id)
        .where(in_state(RunState.PENDING), c.namespace == queue.namespace, c.queue == queue.queue)
        .order_by(c.priority.desc(), c.available_at.desc(), c.id.desc())
        .limit(count)
        .with_for_update(skip_locked=True)
    )
    ids = list(connection.execute(last).scalars())
    connection.execute(
        update(runs).where(c.id.in_(ids), in_state(RunState.PENDING)).values(state=RunState.BLOCKED.value)
    )


_Candidate = Row[*tuple[Any, ...]]


def _candidates(
    connection: Connection, keys: Mapping[Key, int], places: Mapping[Queue, int], waiting: Sequence[Queue]
) -> list[_Candidate]:
    """As many blocked runs as could be let in if each key, and each queue, stood alone; in the order of claims."""
    c, found = runs.c, list[_Candidate]()
    for key, free in keys.items():
        full = [queue.queue for queue, left in places.items() if left <= 0 and queue.namespace == key.namespace]
        of_key = _blocked(free).where(c.namespace == key.namespace, c.concurrency_key == key.key, c.queue.not_in(full))
        found += connection.execute(of_key) if free > 0 else ()
    for queue in waiting:
        free = places.get(queue, _AT_ONCE)
        of_queue = _blocked(free).where(
            c.namespace == queue.namespace, c.queue == queue.queue, c.concurrency_key.is_(None)
        )
        found += connection.execute(of_queue) if free > 0 else ()
    return sorted(found, key=lambda row: (row.priority, row.available_at, row.id))


def _blocked(limit: int) -> Select[Any]:
    c = runs.c
    columns = select(c.id, c.namespace, c.concurrency_key, c.queue, c.priority, c.available_at)
    order = (c.priority, c.available_at, c.id)
    return columns.where(in_state(RunState.BLOCKED)).order_by(*order).limit(min(limit, _AT_ONCE))


def _chosen(candidates: Iterable[_Candidate], keys: dict[Key, int], places: dict[Queue, int]) -> Iterator[int]:
    """The first of them for which there is a place of both; it is taken."""
    for row in candidates:
        key = None if row.concurrency_key is None else Key(row.namespace, row.concurrency_key)
        queue = Queue(row.namespace, row.queue)
        if (key is None or keys[key] > 0) and places.get(queue, 1) > 0:
            if key is not None:
                keys[key] -= 1
            if queue in places:
                places[queue] -= 1
            yield row.id
