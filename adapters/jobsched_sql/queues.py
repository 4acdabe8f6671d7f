"""Limits of queues, over all nodes: a run of a limited queue needs a place of it, beside one of its key if it has one."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Select, delete, insert, select, text, update
from sqlalchemy.engine import Row

from jobsched.model.run import RunState
from jobsched_sql.dialect import Key, Queue
from jobsched_sql.tables import in_state, runs
from jobsched_sql.tables import queues as queues_table

#: Runs that one statement lets in.
_AT_ONCE = 500
#: When one transaction has let in so many, it leaves the others, of a queue whose limit is gone, to the next.
MANY = 5000


def limits(connection: Connection, namespaces: Collection[str], *, lock: bool = False) -> dict[Queue, int]:
    """The limited queues of these namespaces; with `lock` held until the end. Most namespaces have none."""
    c = queues_table.c
    statement = select(queues_table).where(c.namespace.in_(sorted(namespaces))).order_by(c.namespace, c.queue)
    rows = connection.execute(statement.with_for_update() if lock else statement)
    return {Queue(row.namespace, row.queue): row.max_running for row in rows}


def declare(connection: Connection, namespace: str, wanted: Mapping[str, int]) -> None:
    """These are the limited queues of the namespace from now on, and no others."""
    c, known = queues_table.c, limits(connection, [namespace], lock=True)
    for queue in known:
        if queue.queue not in wanted:
            connection.execute(delete(queues_table).where(c.namespace == namespace, c.queue == queue.queue))
    for name, limit in sorted(wanted.items()):
        if Queue(namespace, name) in known:
            changed = update(queues_table).where(c.namespace == namespace, c.queue == name)
            connection.execute(changed.values(max_running=limit))
        else:
            connection.execute(insert(queues_table).values(namespace=namespace, queue=name, max_running=limit))


# Running runs are few; those of other queues in their index are passed over.
_HOLDERS = text("""
select q.queue,
  (select count(*) from jobsched_runs r where r.state = 'pending' and r.namespace = q.namespace and r.queue = q.queue)
  + (select count(*) from jobsched_runs r where r.state = 'running' and r.namespace = q.namespace and r.queue = q.queue)
  + (select count(*) from jobsched_runs r
     where r.abandoned_by is not null and r.namespace = q.namespace and r.queue = q.queue) as holders
from jobsched_queues q where q.namespace = :namespace
""")


def free_places(connection: Connection, limited: Mapping[Queue, int]) -> dict[Queue, int]:
    """How many more runs each queue may hold: below 0 after its limit was lowered. In a statement after the lock, as with keys."""
    places: dict[Queue, int] = {}
    for namespace in sorted({queue.namespace for queue in limited}):
        for row in connection.execute(_HOLDERS, {"namespace": namespace}):
            queue = Queue(namespace, row.queue)
            if queue in limited:
                places[queue] = limited[queue] - row.holders
    return places


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
    connection: Connection, key_places: Mapping[Key, int], queue_places: Mapping[Queue, int], waiting: Iterable[Queue]
) -> int:
    """Blocked runs of these keys, and those without a key of the queues `waiting`, become pending in the order of claims.

    Each takes a place of both. Keys and queues are locked and counted; what a lowered limit has too many of is put back.
    """
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
    return count


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
