"""Concurrency keys: the one place that decides whether a keyed run may be pending, waits as blocked, or is skipped.

A key's row is locked first and what it carries is counted in a second statement: counting in the locking
statement sees the state from before the lock was had, and lets more than the limit through.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select, text

from jobsched.model.run import NewRun, Reason, RunState, Source
from jobsched_sql.dialect import Dialect, Key, Load, Work
from jobsched_sql.tables import keys as keys_table

#: A key that no job declares admits one run at a time.
AD_HOC_LIMIT = 1
#: Keys that one transaction of `admit` holds at most, so that others never wait long for one.
_HELD_AT_ONCE = 20


@dataclass(slots=True)
class Room:
    """What a key carries, kept up while the runs of one batch are placed."""

    limit: int
    holders: int
    blocked: int
    retrying: int

    def place(self, run: NewRun, *, later: bool) -> tuple[RunState, Reason | None]:
        """The state a new run gets, and why it is skipped; it counts for those after it. `later`: it is not due yet."""
        forbids = run.source is Source.SLOT and run.max_queued is None
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


def lock_limits(connection: Connection, dialect: Dialect, wanted: Sequence[Key]) -> dict[Key, int]:
    """Lock keys, given in order, and read their limits; keys that nobody declared are made."""
    limits = dialect.lock_keys(connection, wanted)
    if unknown := [key for key in wanted if key not in limits]:
        dialect.add_keys(connection, dict.fromkeys(unknown, AD_HOC_LIMIT), replace=False)
        limits |= dialect.lock_keys(connection, unknown)
    return limits


def _room(limit: int, load: Load) -> Room:
    return Room(limit=limit, holders=load.holders, blocked=load.blocked, retrying=load.retrying)


def admit(dialect: Dialect, namespaces: Sequence[str], keys: Sequence[str] | None) -> int:
    """Blocked runs become pending while their key (None: any) has free places; how many did."""
    wanted = sorted(dialect.read(lambda connection: _admissible(connection, dialect, namespaces, keys)))
    chunks = [wanted[start : start + _HELD_AT_ONCE] for start in range(0, len(wanted), _HELD_AT_ONCE)]
    return sum(dialect.write(_admitting(dialect, chunk)) for chunk in chunks)


def _admitting(dialect: Dialect, chunk: Sequence[Key]) -> Work[int]:
    return lambda connection: admit_locked(connection, dialect, dialect.lock_keys(connection, chunk))


def admit_locked(connection: Connection, dialect: Dialect, limits: dict[Key, int]) -> int:
    """Fill the free places of keys that this transaction holds."""
    if not limits:
        return 0
    loads = dialect.loads(connection, limits, max(limits.values()) + 1)
    places = {
        key: limit - loads[key].holders
        for key, limit in limits.items()
        if loads[key].blocked and loads[key].holders < limit
    }
    return dialect.unblock(connection, places) if places else 0


def _admissible(
    connection: Connection, dialect: Dialect, namespaces: Sequence[str], keys: Sequence[str] | None
) -> list[Key]:
    """Keys that look as if they had blocked runs and a free place. Nothing is locked yet, so it is a guess either way."""
    if not any(_is_any_blocked(connection, namespace) for namespace in namespaces):
        return []
    if keys is None:
        candidates = [Key(namespace, key) for namespace in namespaces for key in _blocked_keys(connection, namespace)]
    else:
        candidates = [Key(namespace, key) for namespace in namespaces for key in set(keys)]
    if not candidates:
        return []
    limits = _limits(connection, candidates)
    loads = dialect.loads(connection, limits, max(limits.values(), default=0) + 1)
    return [key for key, limit in limits.items() if loads[key].blocked and loads[key].holders < limit]


def _is_any_blocked(connection: Connection, namespace: str) -> bool:
    """One look, after which most finishes of keyed runs have nothing more to ask."""
    return connection.execute(_ANY_BLOCKED, {"namespace": namespace}).first() is not None


def _limits(connection: Connection, candidates: Sequence[Key]) -> dict[Key, int]:
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


def _blocked_keys(connection: Connection, namespace: str) -> list[str]:
    return [row.key for row in connection.execute(_BLOCKED_KEYS, {"namespace": namespace})]
