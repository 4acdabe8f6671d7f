"""Concurrency keys, and limits of queues: the one place that decides whether a run may be pending, waits as blocked, or is skipped.

A key's row is locked first and what it carries is counted in a second statement: counting in the locking
statement sees the state from before the lock was had, and lets more than the limit through.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection, select, text

from jobsched.model.keys import declared_for
from jobsched.model.run import Lack, NewRun, Reason, RunState, Source
from jobsched_sql import queues
from jobsched_sql.dialect import AdmittedAlone, Dialect, Key, KeyToAdmit, Load, Queue, Work
from jobsched_sql.tables import in_state
from jobsched_sql.tables import keys as keys_table
from jobsched_sql.tables import runs as runs_table

#: A key that no job declares admits one run at a time.
AD_HOC_LIMIT = 1
#: Keys that one transaction of `admit` holds at most, so that others never wait long for one. Where queues have limits it
#: is more, since the order of runs of many keys in one queue is kept among those that are held together.
_HELD_AT_ONCE, _HELD_WITH_QUEUES = 20, 500
#: The same of keys that are held only as long as one statement takes.
_HELD_ALONE = 500
#: Of the keys that wait in one queue so many are counted at once: the first of them mostly have places enough.
_HEADS_AT_ONCE = 100
#: How far holders are counted for people: no limit is above it.
_COUNTED = 1_000_000


@dataclass(slots=True)
class Room:
    """What a key carries, kept up while the runs of one batch are placed."""

    limit: int
    holders: int
    blocked: int
    retrying: int

    def place(self, run: NewRun, *, later: bool) -> tuple[RunState, Reason | None]:
        """The state a new run gets, and why it is skipped; it counts for those after it. `later`: it is not due yet."""
        forbids = run.source is Source.SLOT and run.max_queued is None and not run.replaces
        if forbids and self.holders + self.blocked + self.retrying >= self.limit:
            return RunState.SKIPPED, Reason.OVERLAP
        if later:
            self.retrying += run.source is Source.SLOT
            return RunState.SCHEDULED, None
        # A forbidding slot passes those that wait: it was to run now or never.
        if self.holders < self.limit and (forbids or not self.blocked):
            self.holders += 1
            return RunState.PENDING, None
        if run.source is Source.SLOT and run.max_queued is not None and self.blocked >= run.max_queued:
            return RunState.SKIPPED, Reason.OVERLAP
        self.blocked += 1
        return RunState.BLOCKED, None


def key_of(run: NewRun) -> Key | None:
    """The key that this run is counted by; a run that is skipped anyway needs none."""
    return None if run.key is None or run.skipped is not None else Key(run.namespace, run.key)


def lock_rooms(connection: Connection, dialect: Dialect, runs: Iterable[NewRun]) -> dict[Key, Room]:
    """Lock the keys of these runs, in order, then count; keys that nobody declared are made."""
    runs = list(runs)
    wanted = sorted({key for run in runs if (key := key_of(run)) is not None})
    if not wanted:
        return {}
    limits = lock_limits(connection, dialect, wanted)
    enough = max(*limits.values(), *(run.max_queued or 0 for run in runs), 0) + 1
    loads = dialect.loads(connection, limits, enough)
    return {key: _room(limit, loads[key]) for key, limit in limits.items()}


def lock_limits(
    connection: Connection, dialect: Dialect, wanted: Sequence[Key], *, patient: bool = True
) -> dict[Key, int]:
    """Lock keys, given in order, and read their limits; keys that are not there are made. `patient`: see `Dialect.lock_keys`."""
    if not wanted:
        return {}
    limits = dialect.lock_keys(connection, wanted, patient=patient)
    unknown = [key for key in wanted if key not in limits]
    if unknown and not patient:
        held = _stored_limits(connection, unknown)
        unknown = [key for key in unknown if key not in held]
    if unknown:
        dialect.add_keys(connection, dict.fromkeys(unknown, AD_HOC_LIMIT), replace=False)
        limits |= dialect.lock_keys(connection, unknown, patient=patient)
    return limits | _declared_limits(connection, limits)


def _declared_limits(connection: Connection, keys: Iterable[Key]) -> dict[Key, int]:
    """Limits of those of these keys that are values of a reference: they stand in one row, that of the reference."""
    declared = {key: Key(key.namespace, name) for key in keys if (name := declared_for(key.key)) is not None}
    limits = _stored_limits(connection, set(declared.values())) if declared else {}
    return {key: limits[reference] for key, reference in declared.items() if reference in limits}


def _room(limit: int, load: Load) -> Room:
    return Room(limit=limit, holders=load.holders, blocked=load.blocked, retrying=load.retrying)


class Admitted(NamedTuple):
    """How many runs were let in; and whether one of the queues asked about has a rate, so that time brings more places."""

    runs: int
    by_rate: bool = False


def admit(
    dialect: Dialect, namespaces: Sequence[str], keys: Sequence[str] | None, in_queues: Sequence[str]
) -> Admitted:
    """Blocked runs become pending while their key and their queue have free places.

    Of these keys and queues; None: of any.
    """
    wanted = [Key(namespace, key) for namespace in namespaces for key in sorted(set(keys or ()))]
    alone = _admit_alone(dialect, wanted) if wanted else None
    if alone is None:
        return _admit_counted(dialect, namespaces, keys, in_queues)
    if not alone.left:
        return Admitted(alone.runs)
    held = _admit_counted(dialect, namespaces, sorted({key.key for key in alone.left}), in_queues)
    return Admitted(alone.runs + held.runs, held.by_rate)


def _admit_alone(dialect: Dialect, keys: Sequence[Key]) -> AdmittedAlone | None:
    """What can be done without a question; None if some has to be asked first."""
    wanted = [KeyToAdmit(key.namespace, key.key, declared_for(key.key)) for key in keys]
    count, left = 0, list[Key]()
    for start in range(0, len(wanted), _HELD_ALONE):
        admitted = dialect.admit_alone(wanted[start : start + _HELD_ALONE])
        if admitted is None:
            return None
        count += admitted.runs
        left += admitted.left
    return AdmittedAlone(count, left)


def _admit_counted(
    dialect: Dialect, namespaces: Sequence[str], keys: Sequence[str] | None, in_queues: Sequence[str]
) -> Admitted:
    """What their keys and queues carry is asked first, to hold no more of them than need be."""
    found = dialect.read(lambda connection: _admissible(connection, dialect, namespaces, keys, in_queues))
    if found.waiting:
        first, rest = sorted(found.keys[:_HELD_WITH_QUEUES]), sorted(found.keys[_HELD_WITH_QUEUES:])
        admitted = dialect.write(_admitting(dialect, first, found.waiting))
        if admitted >= queues.MANY:
            return Admitted(admitted + _admit_counted(dialect, namespaces, keys, in_queues).runs, found.by_rate)
    else:
        admitted, rest = 0, sorted(found.keys)
    return Admitted(admitted + _admit_in_turn(dialect, rest), found.by_rate)


def _admit_in_turn(dialect: Dialect, keys: Sequence[Key]) -> int:
    """First those that nobody holds: a program may hold one for long."""
    alone = (_admit_alone(dialect, keys) if keys else None) or AdmittedAlone(0, keys)
    rest = alone.left
    chunks = [rest[start : start + _HELD_AT_ONCE] for start in range(0, len(rest), _HELD_AT_ONCE)]
    return alone.runs + sum(dialect.write(_admitting(dialect, chunk, ())) for chunk in chunks)


def _admitting(dialect: Dialect, chunk: Sequence[Key], waiting: Collection[Queue]) -> Work[int]:
    def work(connection: Connection) -> int:
        dialect.wait_briefly(connection)
        return admit_locked(connection, dialect, lock_limits(connection, dialect, chunk), waiting)

    return work


def admit_locked(
    connection: Connection, dialect: Dialect, limits: Mapping[Key, int], waiting: Collection[Queue] = ()
) -> int:
    """Fill the free places of keys that this transaction holds, and of queues in which runs without a key may wait."""
    namespaces = {key.namespace for key in limits} | {queue.namespace for queue in waiting}
    if not namespaces:
        return 0
    limited = queues.limits(connection, namespaces, lock=True)
    places = _free_places(connection, dialect, limits) if limits else {}
    if limited or waiting:
        return queues.fill(connection, places, limited, queues.instant(connection, dialect, limited), waiting)
    return dialect.unblock(connection, places) if places else 0


def _free_places(connection: Connection, dialect: Dialect, limits: Mapping[Key, int]) -> dict[Key, int]:
    """Of keys that have both places and blocked runs."""
    loads = dialect.loads(connection, limits, max(limits.values()) + 1)
    return {
        key: limit - loads[key].holders
        for key, limit in limits.items()
        if loads[key].blocked and loads[key].holders < limit
    }


@dataclass(slots=True)
class _Admissible:
    """What looks as if it had blocked runs and a free place; nothing is locked yet, so it is a guess either way.

    `waiting`: queues in which something is to be done for runs without a key, or because of the queue's limit.
    """

    keys: list[Key]
    waiting: set[Queue]
    by_rate: bool = False


def _admissible(
    connection: Connection,
    dialect: Dialect,
    namespaces: Sequence[str],
    keys: Sequence[str] | None,
    in_queues: Sequence[str],
) -> _Admissible:
    if keys is not None and not any(_is_any_blocked(connection, namespace) for namespace in namespaces):
        return _Admissible([], set())
    if keys is None:
        candidates = [Key(namespace, key) for namespace in namespaces for key in _blocked_keys(connection, namespace)]
    else:
        candidates = [Key(namespace, key) for namespace in namespaces for key in set(keys)]
    found = _Admissible(_with_places(connection, dialect, candidates), set())
    limited = queues.limits(connection, namespaces)
    if keys is None:
        asked = {queue for namespace in namespaces for queue in queues.with_blocked_runs(connection, namespace)}
        asked |= limited.keys()
    else:
        asked = {queue for queue in limited if queue.queue in in_queues}
    found.by_rate = any(queue in limited and limited[queue].rate is not None for queue in asked)
    places = queues.free_places(connection, limited, queues.instant(connection, dialect, limited)) if asked else {}
    for queue in sorted(asked):
        _look_into(connection, dialect, queue, places.get(queue), found)
    return found


def _look_into(connection: Connection, dialect: Dialect, queue: Queue, places: int | None, found: _Admissible) -> None:
    """Keys that may be served in this queue go before others: its first places are for those whose runs come first."""
    if places is None or places < 0:
        if places is not None or queues.has_unkeyed(connection, queue):
            found.waiting.add(queue)
        return
    heads = queues.heads(connection, queue) if places else []
    first: list[Key | None] = []
    while heads and len(first) < places:
        some, heads = heads[:_HEADS_AT_ONCE], heads[_HEADS_AT_ONCE:]
        with_places = set(_with_places(connection, dialect, [key for key in some if key is not None]))
        first += [key for key in some if key is None or key in with_places][: places - len(first)]
    if first:
        found.waiting.add(queue)
        here = [key for key in first if key is not None]
        found.keys = here + [key for key in found.keys if key not in set(here)]


def _with_places(connection: Connection, dialect: Dialect, candidates: Sequence[Key]) -> list[Key]:
    if not candidates:
        return []
    limits = _limits(connection, candidates)
    return list(_free_places(connection, dialect, limits))


def _is_any_blocked(connection: Connection, namespace: str) -> bool:
    """One look, after which most finishes of keyed runs have nothing more to ask."""
    return connection.execute(_ANY_BLOCKED, {"namespace": namespace}).first() is not None


def _limits(connection: Connection, candidates: Sequence[Key]) -> dict[Key, int]:
    stored = dict.fromkeys(candidates, AD_HOC_LIMIT) | _stored_limits(connection, candidates)
    return stored | _declared_limits(connection, candidates)


def _stored_limits(connection: Connection, candidates: Collection[Key]) -> dict[Key, int]:
    found: dict[Key, int] = {}
    for namespace in {key.namespace for key in candidates}:
        names = [key.key for key in candidates if key.namespace == namespace]
        for start in range(0, len(names), 500):
            statement = select(keys_table).where(
                keys_table.c.namespace == namespace, keys_table.c.key.in_(names[start : start + 500])
            )
            found |= {Key(row.namespace, row.key): row.max_running for row in connection.execute(statement)}
    return found


_ANY_BLOCKED = text("select 1 from jobsched_runs where state = 'blocked' and namespace = :namespace limit 1")

# Hops from key to key in the index of blocked runs: 100,000 of one key cost one hop.
_BLOCKED_KEYS = text("""
with recursive hop(key) as (
  select (select min(concurrency_key) from jobsched_runs where state = 'blocked' and namespace = :namespace)
  union all
  select (select min(concurrency_key) from jobsched_runs
          where state = 'blocked' and namespace = :namespace and concurrency_key > hop.key)
  from hop where hop.key is not null
)
select key from hop where key is not null
""")


def lacks(connection: Connection, dialect: Dialect, run_id: int) -> list[Lack]:
    """What a blocked run waits for, as it looks without any lock."""
    c = runs_table.c
    blocked = select(c.namespace, c.concurrency_key, c.queue).where(c.id == run_id, in_state(RunState.BLOCKED))
    row = connection.execute(blocked).one_or_none()
    if row is None:
        return []
    found: list[Lack] = []
    if row.concurrency_key is not None:
        key = Key(row.namespace, row.concurrency_key)
        limit = _limits(connection, [key])[key]
        held = dialect.loads(connection, [key], _COUNTED)[key].holders
        if held >= limit:
            found.append(Lack("key", key.key, limit, held))
    return found + queues.lacks(connection, dialect, Queue(row.namespace, row.queue), run_id)


#: The conditions of unfinished runs are those of the partial indexes. What a job declares beside its own key, and a
#: limit other than that of a new key, are kept; a key that is made again meanwhile is as good as the one that went.
_FORGET_UNUSED = text("""
delete from jobsched_keys where (namespace, key) in (
  select k.namespace, k.key from jobsched_keys k
  where k.max_running = 1 and k.key not like 'job:%'
    and not exists (select 1 from jobsched_runs r where r.state in ('pending', 'running')
      and r.concurrency_key is not null and r.namespace = k.namespace and r.concurrency_key = k.key)
    and not exists (select 1 from jobsched_runs r where r.state = 'blocked'
      and r.namespace = k.namespace and r.concurrency_key = k.key)
    and not exists (select 1 from jobsched_runs r where r.state = 'scheduled' and r.concurrency_key is not null
      and (r.claim_no > 0 or r.source = 'slot') and r.namespace = k.namespace and r.concurrency_key = k.key)
    and not exists (select 1 from jobsched_runs r where r.abandoned_by is not null
      and r.namespace = k.namespace and r.concurrency_key = k.key)
  order by k.namespace, k.key limit 1000)
""")


def forget_unused(connection: Connection) -> None:
    """Drop rows of keys under which nothing is unfinished: programs may make a new key for each customer, or each day."""
    connection.execute(_FORGET_UNUSED)


def _blocked_keys(connection: Connection, namespace: str) -> list[str]:
    return [row.key for row in connection.execute(_BLOCKED_KEYS, {"namespace": namespace})]
