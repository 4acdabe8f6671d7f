"""Nodes: their leases by the store's clock, and whom they leave behind."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import ColumnElement, Connection, Select, and_, delete, insert, select, update

from jobsched.model.run import OwnedRun, RunState
from jobsched.model.state import Node
from jobsched.store.port import Beat
from jobsched_sql.dialect import Dialect
from jobsched_sql.tables import in_state, nodes, runs
from jobsched_sql.types import HIGHEST_ID

#: How long the row of a dead node is kept for people to see.
KEPT_DEAD = timedelta(days=1)
_CHUNK = 500
# The range is that of all ids. Until it has statistics, PostgreSQL expects few rows in a range, and reads the index; but of
# "is not null" it expects most, and would read the table.
_ABANDONED = and_(runs.c.abandoned_by.is_not(None), runs.c.abandoned_by.between(1, HIGHEST_ID))


def register(connection: Connection, dialect: Dialect, row: Mapping[str, Any]) -> int:
    """A new node with a fresh heartbeat."""
    now = dialect.now_expression()
    statement = insert(nodes).values(**row, started_at=now, heartbeat_at=now).returning(nodes.c.id)
    node: int = connection.execute(statement).scalar_one()
    return node


def heartbeat(connection: Connection, dialect: Dialect, node: int, info: Mapping[str, Any]) -> Beat:
    """Renew the lease of a node that nobody declared dead. One that is late, but not buried, lives on."""
    now = dialect.now_expression()
    statement = (
        update(nodes)
        .where(nodes.c.id == node, nodes.c.dead_at.is_(None))
        .values(heartbeat_at=now, info=dict(info))
        .returning(nodes.c.heartbeat_at)
    )
    beat: datetime | None = connection.execute(statement).scalar_one_or_none()
    return Beat(now=beat or dialect.now(connection), alive=beat is not None)


def leave(connection: Connection, node: int) -> None:
    """The row goes, and its hold on keys; runs it still owns are found by `bury`, as those of a node that is not there."""
    connection.execute(delete(nodes).where(nodes.c.id == node))
    connection.execute(update(runs).where(runs.c.abandoned_by == node).values(abandoned_by=None))


def bury(dialect: Dialect) -> list[int]:
    """Declare dead whose lease has run out; these, and all others that own running runs without being alive.

    Nothing is written, nor locked, where a look finds that there are none: nearly always.
    """
    return dialect.write(lambda connection: _bury(connection, dialect)) if any(dialect.look(_look(dialect), {})) else []


#: Put together once for each store: that takes longer than asking.
_LOOKS: WeakKeyDictionary[Dialect, Select[bool, bool, bool]] = WeakKeyDictionary()


def _look(dialect: Dialect) -> Select[bool, bool, bool]:
    """Whether there is a node to bury, a run of one that is not alive, or a place held by one."""
    if dialect not in _LOOKS:
        late = select(nodes.c.id).where(nodes.c.dead_at.is_(None), dialect.lease_end() < dialect.now_expression())
        haunted = select(runs.c.id).where(in_state(RunState.RUNNING), ~_lives(runs.c.node))
        held = select(runs.c.id).where(_ABANDONED, ~_lives(runs.c.abandoned_by))
        _LOOKS[dialect] = select(late.exists(), haunted.exists(), held.exists())
    return _LOOKS[dialect]


def _bury(connection: Connection, dialect: Dialect) -> list[int]:
    now = dialect.now_expression()
    buried = connection.execute(
        update(nodes)
        .where(nodes.c.dead_at.is_(None), dialect.lease_end() < now)
        .values(dead_at=now)
        .returning(nodes.c.id)
    ).scalars()
    dead = set(buried)
    haunting = select(runs.c.node).distinct().where(in_state(RunState.RUNNING), ~_lives(runs.c.node))
    _free_places_of_the_dead(connection)
    return sorted(dead | set(connection.execute(haunting).scalars()))


def _free_places_of_the_dead(connection: Connection) -> None:
    """Of all that are not alive, not only of those buried now: until its runs are rescued, a dead node may still finish one."""
    connection.execute(update(runs).where(_ABANDONED, ~_lives(runs.c.abandoned_by)).values(abandoned_by=None))


def _lives(node: ColumnElement[int | None]) -> ColumnElement[bool]:
    return select(nodes.c.id).where(nodes.c.id == node, nodes.c.dead_at.is_(None)).exists()


def end_abandoned(connection: Connection, run_ids: Sequence[int], node: int) -> None:
    """These runs hold their keys no longer, if it was for a thread of this node that they did."""
    for start in range(0, len(run_ids), _CHUNK):
        ours = update(runs).where(runs.c.id.in_(run_ids[start : start + _CHUNK]), runs.c.abandoned_by == node)
        connection.execute(ours.values(abandoned_by=None))


def listed(connection: Connection, dialect: Dialect) -> list[Node]:
    """All nodes that have not left, newest first."""
    alive = and_(nodes.c.dead_at.is_(None), dialect.lease_end() >= dialect.now_expression()).label("alive")
    return [
        Node(
            id=row.id,
            host=row.host,
            pid=row.pid,
            version=row.version,
            started_at=row.started_at,
            heartbeat_at=row.heartbeat_at,
            alive=bool(row.alive),
            namespaces=tuple(row.namespaces),
            info=row.info,
        )
        for row in connection.execute(select(nodes, alive).order_by(nodes.c.id.desc()))
    ]


def owned(connection: Connection, node: int) -> list[OwnedRun]:
    """The running runs of a node."""
    c = runs.c
    statement = (
        select(c.id, c.claim_no, c.node, c.namespace, c.job, c.attempt, c.max_attempts, c.losses)
        .where(in_state(RunState.RUNNING), c.node == node)
        .order_by(c.id)
    )
    return [OwnedRun(*row) for row in connection.execute(statement)]


def forget_dead(connection: Connection, dialect: Dialect) -> None:
    """Rows of nodes that are dead for long and own nothing any more."""
    horizon = dialect.now(connection) - KEPT_DEAD
    owns = select(runs.c.id).where(in_state(RunState.RUNNING), runs.c.node == nodes.c.id).exists()
    connection.execute(delete(nodes).where(nodes.c.dead_at < horizon, ~owns))


def node_row(
    *, host: str, pid: int, version: str, namespaces: Sequence[str], lease: timedelta, info: Mapping[str, Any]
) -> dict[str, Any]:
    """What is stored of a node when it starts."""
    return {
        "host": host,
        "pid": pid,
        "version": version,
        "namespaces": list(namespaces),
        "lease_ms": lease // timedelta(milliseconds=1),
        "info": dict(info),
    }
