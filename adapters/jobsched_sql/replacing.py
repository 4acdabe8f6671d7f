"""Making way for a newer run of a key: those that wait are cancelled, those that run are asked to stop."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select, text
from sqlalchemy.engine import Row

from jobsched.model.run import Created, NewRun, Reason, RunState
from jobsched_sql.admission import admit_locked, key_of
from jobsched_sql.by_hand import AT_ONCE, locked_rows, stop
from jobsched_sql.dialect import Dialect, Key
from jobsched_sql.tables import runs

#: What counts as unfinished (DESIGN §7), a condition for each of the partial indexes of keys.
_UNFINISHED = (
    text("state in ('pending', 'running') and concurrency_key is not null"),
    text("state = 'blocked'"),
    text("state = 'scheduled' and concurrency_key is not null and (claim_no > 0 or source = 'slot')"),
)


def replaced_keys(made: Iterable[tuple[NewRun, Created | None]]) -> set[Key]:
    """Keys of those runs just made that replace others."""
    return {key for run, one in made if run.replaces and one is not None and (key := key_of(run)) is not None}


def make_way(connection: Connection, dialect: Dialect, limits: Mapping[Key, int]) -> None:
    """Of the unfinished runs of each of these locked keys stay the newest, as many as its limit; their places are filled.

    A running one holds its place until it has ended.
    """
    now = dialect.now(connection)
    for key, limit in limits.items():
        ids = sorted(_unfinished(connection, key))
        rows = [row for row in locked_rows(connection, ids[:-limit]).values() if row.finished_at is None]
        stop(connection, rows, Reason.REPLACED, now)
    admit_locked(connection, dialect, limits)


def _unfinished(connection: Connection, key: Key) -> list[int]:
    """All that other transactions may do meanwhile is to bring one nearer to its end: the key is locked."""
    of_key = select(runs.c.id).where(runs.c.namespace == key.namespace, runs.c.concurrency_key == key.key)
    return [id_ for condition in _UNFINISHED for id_ in connection.execute(of_key.where(condition)).scalars()]


def as_they_stand(connection: Connection, made: Sequence[Created | None]) -> list[Created | None]:
    """What was made, with the states that it has after others, or some of these, have made way."""
    ids = sorted({one.id for one in made if one is not None})
    c = runs.c
    stands: dict[int, Row[*tuple[Any, ...]]] = {}
    for start in range(0, len(ids), AT_ONCE):
        chosen = select(c.id, c.state, c.reason).where(c.id.in_(ids[start : start + AT_ONCE]))
        stands |= {row.id: row for row in connection.execute(chosen)}
    return [None if one is None else _moved(one, stands[one.id]) for one in made]


def _moved(one: Created, row: Row[*tuple[Any, ...]]) -> Created:
    reason = None if row.reason is None else Reason(row.reason)
    return one._replace(state=RunState(row.state), reason=reason)
