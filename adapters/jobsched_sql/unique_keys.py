"""Who has a unique key: an unfinished run, or one that is over, until its `unique_for` is.

The index admits one run with the key of those that are unfinished or have an `unique_until`. Time alone takes nobody out
of an index, so whoever wants a key releases it first, in the same transaction, if the time of its holder is over.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, and_, func, select, update

from jobsched.model.run import Created, Reason, RunState
from jobsched_sql.dialect import Dialect
from jobsched_sql.tables import HAS_UNIQUE_KEY, runs

_CHUNK = 500
_UniqueKey = tuple[str, str | None]


@dataclass(frozen=True, slots=True)
class Holder:
    """`is_over`: so is its time with the key; who wants it may release it."""

    run: Created
    is_over: bool


def holders(connection: Connection, dialect: Dialect, wanted: Collection[_UniqueKey]) -> dict[_UniqueKey, Holder]:
    """Of each of these (namespace, key) the run that has it, if one does."""
    c = runs.c
    is_over = func.coalesce(and_(c.finished_at.is_not(None), c.unique_until <= dialect.now_expression()), False)
    found: dict[_UniqueKey, Holder] = {}
    for namespace in {namespace for namespace, _ in wanted}:
        keys = sorted(key for place, key in wanted if place == namespace and key is not None)
        for start in range(0, len(keys), _CHUNK):
            statement = select(
                c.id, c.namespace, c.unique_key, c.job, c.scheduled_at, c.state, c.reason, is_over.label("is_over")
            ).where(
                c.namespace == namespace,
                c.unique_key.in_(keys[start : start + _CHUNK]),
                c.unique_key.is_not(None),
                HAS_UNIQUE_KEY,
            )
            for row in connection.execute(statement):
                reason = None if row.reason is None else Reason(row.reason)
                state = RunState(row.state)
                run = Created(row.id, row.namespace, row.job, row.scheduled_at, state, reason, existing=True)
                found[row.namespace, row.unique_key] = Holder(run, bool(row.is_over))
    return found


def release(connection: Connection, dialect: Dialect, over: Sequence[int]) -> None:
    """These runs no longer have their keys, unless they have been requeued since we looked."""
    c = runs.c
    for start in range(0, len(over), _CHUNK):
        released = update(runs).where(
            c.id.in_(sorted(over)[start : start + _CHUNK]),
            c.finished_at.is_not(None),
            c.unique_until <= dialect.now_expression(),
        )
        connection.execute(released.values(unique_until=None))
