"""What `doctor` asks of the database: the schema as it stands against the tables, and work that waits or is owned by nobody."""

from collections.abc import Iterator

from sqlalchemy import Connection, Inspector, Table, func, select
from sqlalchemy import inspect as reflect

from jobsched.model.health import BlockedOnKey, Inspection, Orphans, WaitingInQueue
from jobsched.model.run import RunState
from jobsched_sql.admission import lacks
from jobsched_sql.dialect import Dialect
from jobsched_sql.tables import in_state, metadata, nodes, rules, runs

#: Of blocked keys so many are told of: those with the most runs.
_MOST_KEYS = 20


def inspection(dialect: Dialect, namespace: str) -> Inspection:
    """Everything; it counts all that waits, so it is for people, not for polls."""
    return Inspection(
        missing=dialect.read(_missing),
        invalid=dialect.read(dialect.invalid),
        orphans=dialect.read(lambda connection: _orphans(connection, dialect)),
        pending=dialect.read(lambda connection: _pending(connection, namespace)),
        blocked=dialect.read(lambda connection: _blocked(connection, dialect, namespace)),
        database=dialect.facts(),
    )


def _missing(connection: Connection) -> tuple[str, ...]:
    found = reflect(connection)
    there = set(found.get_table_names())
    return tuple(
        name
        for table in metadata.sorted_tables
        for name in ([table.name] if table.name not in there else _missing_of(found, table))
    )


def _missing_of(found: Inspector, table: Table) -> Iterator[str]:
    indexes = {index["name"]: (index["column_names"], bool(index["unique"])) for index in found.get_indexes(table.name)}
    for index in sorted(table.indexes, key=lambda index: str(index.name)):
        if indexes.get(str(index.name)) != ([column.name for column in index.columns], bool(index.unique)):
            yield str(index.name)
    held = {rule["name"] for rule in found.get_check_constraints(table.name)}
    held |= {rule["name"] for rule in found.get_foreign_keys(table.name)}
    yield from sorted(rules(table, found.dialect.name) - held)
    # SQLite forgets the name of one that counts up.
    if found.get_pk_constraint(table.name)["constrained_columns"] != [column.name for column in table.primary_key]:
        yield str(table.primary_key.name)


def _orphans(connection: Connection, dialect: Dialect) -> tuple[Orphans, ...]:
    alive = select(nodes.c.id).where(
        nodes.c.id == runs.c.node, nodes.c.dead_at.is_(None), dialect.lease_end() >= dialect.now_expression()
    )
    statement = (
        select(runs.c.node, func.count())
        .where(in_state(RunState.RUNNING), ~alive.exists())
        .group_by(runs.c.node)
        .order_by(runs.c.node)
    )
    return tuple(Orphans(*row) for row in connection.execute(statement))


def _pending(connection: Connection, namespace: str) -> tuple[WaitingInQueue, ...]:
    statement = (
        select(runs.c.queue, func.count(), func.min(runs.c.available_at))
        .where(in_state(RunState.PENDING), runs.c.namespace == namespace)
        .group_by(runs.c.queue)
        .order_by(runs.c.queue)
    )
    return tuple(WaitingInQueue(*row) for row in connection.execute(statement))


def _blocked(connection: Connection, dialect: Dialect, namespace: str) -> tuple[BlockedOnKey, ...]:
    c = runs.c
    statement = (
        select(c.concurrency_key, func.count(), func.count(c.job), func.min(c.available_at), func.min(c.id))
        .where(in_state(RunState.BLOCKED), c.namespace == namespace, c.concurrency_key.is_not(None))
        .group_by(c.concurrency_key)
        .order_by(func.count().desc(), c.concurrency_key)
        .limit(_MOST_KEYS)
    )
    return tuple(
        BlockedOnKey(key, count, of_jobs, since, tuple(lacks(connection, dialect, first)))
        for key, count, of_jobs, since, first in connection.execute(statement).fetchall()
    )
