"""Making runs: how enqueue, fire and sync insert them, one way for all."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import repeat
from typing import NamedTuple

from sqlalchemy import Connection

from jobsched.errors import StoreUnavailableError
from jobsched.model.alike import RunsAlike, kinds
from jobsched.model.run import Created, NewRun, RunState, Source
from jobsched_sql import conflicts, unique_keys
from jobsched_sql.admission import Room, key_of, lock_rooms
from jobsched_sql.depths import check_room
from jobsched_sql.dialect import Dialect, Inserted, InsertedAlone, Key, Placed, Queue
from jobsched_sql.queues import limits
from jobsched_sql.replacing import as_they_stand, make_way, replaced_keys

#: How often a unique key may be found taken, and free again, while we look who has it.
_ROUNDS = 10
#: Runs that one statement inserts at most: neither its parameter nor its time grows without bound.
_AT_ONCE = 5000


#: What is to be written with runs in their transaction, once they are made.
Then = Callable[[Connection, Sequence[Created | None]], None]


class Enqueued(NamedTuple):
    """What became of each run. `rung`: other processes have been told of them.

    `settled`: all are new, and none waits for another or makes it wait.
    """

    made: list[Created]
    rung: bool
    settled: bool = False


def enqueue(dialect: Dialect, runs: Sequence[NewRun], then: Then | None = None) -> Enqueued:
    """Make runs, all or none. Runs that neither count nor exclude others take one statement. Raises QueueFull."""
    if not runs:
        return Enqueued([], rung=False)
    some = kinds(runs)
    if then is None and len(runs) <= _AT_ONCE and _need_nobodys_leave(some):
        # None of them, if what waits in their queue has to be counted: most have no `max_queued`, and no question is asked.
        inserted = dialect.insert_alone(runs, however_many=not any(map(_is_refusable, some)))
        if inserted.ids:
            settled = RunState.BLOCKED not in inserted.states
            return Enqueued(_all_created(runs, inserted), inserted.rung, settled)
    each = list(runs)
    made = dialect.write(lambda connection: _insert_counted(connection, dialect, each, then))
    return Enqueued([created for created in made if created is not None], rung=False)


def _need_nobodys_leave(runs: Sequence[NewRun]) -> bool:
    if any(map(_may_need_leave, runs)):
        return False
    return len(runs) == 1 or len({(run.namespace, run.queue) for run in runs}) == 1


def _may_need_leave(run: NewRun) -> bool:
    return bool(run.key or run.unique_key or run.scheduled_at or run.skipped)


def _all_created(runs: Sequence[NewRun], inserted: InsertedAlone) -> list[Created]:
    """In the order of the fields, without a call for each: this is made for each run."""
    first = runs[0]
    if len(runs) == 1:
        return [Created(inserted.ids[0], first.namespace, first.job, None, inserted.states[0], None)]
    jobs = repeat(first.job) if type(runs) is RunsAlike else [run.job for run in runs]
    fields = zip(
        inserted.ids, repeat(first.namespace), jobs, repeat(None), inserted.states, repeat(None), repeat(False)
    )
    return list(map(Created._make, fields))


def _insert_counted(
    connection: Connection, dialect: Dialect, runs: Sequence[NewRun], then: Then | None
) -> list[Created | None]:
    made = insert_runs(connection, dialect, runs)
    check_room(connection, _refusable(runs, made), lock=True)
    if then is not None:
        then(connection, made)
    return made


def _is_refusable(run: NewRun) -> bool:
    """What a program enqueues may be refused; slots, triggers and what is made of a failure must not get lost."""
    return run.source is Source.ENQUEUE


def _refusable(runs: Sequence[NewRun], made: Sequence[Created | None]) -> Iterator[Queue]:
    """The queues of those just made that a full queue refuses, one for each."""
    for run, one in zip(runs, made, strict=True):
        if _is_refusable(run) and one is not None and not one.existing:
            yield Queue(run.namespace, run.queue)


def enqueue_within(connection: Connection, dialect: Dialect, runs: Sequence[NewRun]) -> list[Created]:
    """Make runs in a transaction of somebody else's, all or none.

    No key and no queue is locked, since nobody knows how long that transaction lasts: what needs a place is scheduled
    for now, and gets it, like any run whose time has come, when it can be seen; and what others enqueue at the same time
    is not counted. Raises QueueFull.
    """
    limited = limits(connection, {run.namespace for run in runs})

    runs = list(runs)

    def place(some: Sequence[NewRun]) -> list[Placed]:
        needy = [run.key is not None or Queue(run.namespace, run.queue) in limited for run in some]
        return [Placed(run, RunState.SCHEDULED if needs else None) for run, needs in zip(some, needy, strict=True)]

    connection.exec_driver_sql("savepoint jobsched_enqueue")
    try:
        made = _make(connection, dialect, runs, place)
        check_room(connection, _refusable(runs, made), lock=False)
    except Exception:
        connection.exec_driver_sql("rollback to savepoint jobsched_enqueue")
        raise
    connection.exec_driver_sql("release savepoint jobsched_enqueue")
    return [created for created in made if created is not None]


def insert_runs(connection: Connection, dialect: Dialect, runs: Sequence[NewRun]) -> list[Created | None]:
    """What became of each run: None for a slot that has a row already, the existing run for a unique key that is taken."""
    rooms: dict[Key, Room] | None = None

    def place(some: Sequence[NewRun]) -> list[Placed]:
        nonlocal rooms
        if rooms is None:
            rooms = lock_rooms(connection, dialect, some)
        return _place_all(connection, dialect, some, rooms)

    made = _make(connection, dialect, runs, place)
    return _after_replacing(connection, dialect, runs, made, rooms or {})


def _make(
    connection: Connection,
    dialect: Dialect,
    runs: Sequence[NewRun],
    place: Callable[[Sequence[NewRun]], Sequence[Placed]],
) -> list[Created | None]:
    outcome: dict[int, Created | None] = {}
    for _ in range(_ROUNDS):
        over = _find_taken(connection, dialect, runs, outcome)
        first = _firsts(runs, outcome)
        todo = [
            index
            for index in range(len(runs))
            if index not in outcome and index == first.get(_identity(runs[index]), index)
        ]
        placed = place([runs[index] for index in todo])
        # Keys are locked by now, and rows of runs come after them, here as everywhere.
        unique_keys.release(connection, dialect, over)
        rows = _insert(connection, dialect, placed)
        for index, one, inserted in zip(todo, placed, rows, strict=True):
            if inserted is not None:
                outcome[index] = _created(one, inserted)
            elif one.run.unique_key is None:
                outcome[index] = None
        _resolve_twins(runs, first, outcome)
        if len(outcome) == len(runs):
            return conflicts.settle(connection, dialect, runs, [outcome[index] for index in range(len(runs))])
    raise StoreUnavailableError("a unique key was taken and freed too often while its run was looked up; try again")


def _insert(connection: Connection, dialect: Dialect, placed: Sequence[Placed]) -> list[Inserted | None]:
    parts = (placed[start : start + _AT_ONCE] for start in range(0, len(placed), _AT_ONCE))
    return [inserted for part in parts for inserted in dialect.insert(connection, part)]


def admitted_since(connection: Connection, made: Sequence[Created]) -> list[Created]:
    """What was made, those pending that were blocked and have been let in since; by now they may have gone on."""
    blocked = [one for one in made if one.state is RunState.BLOCKED]
    stands = as_they_stand(connection, blocked)
    let_in = {one.id for one in stands if one is not None and one.state is not RunState.BLOCKED}
    return [one._replace(state=RunState.PENDING) if one.id in let_in else one for one in made]


def _after_replacing(
    connection: Connection,
    dialect: Dialect,
    runs: Sequence[NewRun],
    made: list[Created | None],
    rooms: Mapping[Key, Room],
) -> list[Created | None]:
    """Other runs make way for those that replace them: once all are inserted, since some of these may have to as well."""
    replaced = replaced_keys(zip(runs, made, strict=True))
    if not replaced:
        return made
    make_way(connection, dialect, {key: rooms[key].limit for key in sorted(replaced)})
    return as_they_stand(connection, made)


_Identity = tuple[str, str, datetime | str]


def _identity(run: NewRun) -> _Identity | None:
    """What only one row (of those unfinished, for a unique key) may have."""
    if run.scheduled_at is not None and run.job is not None:
        return run.namespace, run.job, run.scheduled_at
    return None if run.unique_key is None else (run.namespace, "", run.unique_key)


def _firsts(runs: Sequence[NewRun], outcome: Mapping[int, Created | None]) -> dict[_Identity | None, int]:
    """Which run of the batch comes first with an identity; its twins get what it gets."""
    first: dict[_Identity | None, int] = {}
    for index, run in enumerate(runs):
        identity = _identity(run)
        if identity is not None and index not in outcome:
            first.setdefault(identity, index)
    return first


def _resolve_twins(
    runs: Sequence[NewRun], first: Mapping[_Identity | None, int], outcome: dict[int, Created | None]
) -> None:
    for index, run in enumerate(runs):
        leader = first.get(_identity(run))
        if index in outcome or leader is None or leader not in outcome:
            continue
        made = outcome[leader]
        outcome[index] = None if made is None or run.unique_key is None else _as_existing(made)


def _as_existing(created: Created) -> Created:
    return created._replace(existing=True)


def _find_taken(
    connection: Connection, dialect: Dialect, runs: Sequence[NewRun], outcome: dict[int, Created | None]
) -> Sequence[int]:
    """Settle what is there already, before anything is counted: it must not take a place of its key.

    Returns the runs that have one of these unique keys still, though their time with it is over.
    """
    open_ones = [index for index in range(len(runs)) if index not in outcome]
    if slots := [runs[index] for index in open_ones if runs[index].scheduled_at is not None]:
        taken = dialect.slots_taken(connection, slots)
        outcome |= {index: None for index in open_ones if taken and _slot(runs[index]) in taken}
    unique = {(run.namespace, run.unique_key) for index in open_ones if (run := runs[index]).unique_key is not None}
    if not unique:
        return ()
    holders = unique_keys.holders(connection, dialect, unique)
    for index in open_ones:
        holder = holders.get((runs[index].namespace, runs[index].unique_key))
        if holder is not None and not holder.is_over:
            outcome[index] = holder.run
    return [holder.run.id for holder in holders.values() if holder.is_over]


def _slot(run: NewRun) -> tuple[str, str | None, datetime | None]:
    return run.namespace, run.job, run.scheduled_at


def _place_all(
    connection: Connection, dialect: Dialect, runs: Sequence[NewRun], rooms: Mapping[Key, Room]
) -> list[Placed]:
    now = dialect.now(connection) if rooms else dialect.given_now()
    return [_place(run, rooms, now) for run in runs]


def _place(run: NewRun, rooms: Mapping[Key, Room], now: datetime | None) -> Placed:
    if run.skipped is not None:
        return Placed(run, RunState.SKIPPED, run.skipped)
    key = key_of(run)
    if key is None:
        return Placed(run, None)
    assert now is not None, "rooms were locked, so the clock was read"
    later = run.available_at is not None and run.available_at > now
    return Placed(run, *rooms[key].place(run, later=later))


def _created(placed: Placed, inserted: Inserted) -> Created:
    run = placed.run
    # In the order of the fields: this is made for each run.
    return Created._make((inserted.id, run.namespace, run.job, run.scheduled_at, inserted.state, placed.reason, False))
