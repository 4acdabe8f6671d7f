"""What was made under an idempotency key: noted in the transaction that makes it, with the answer once that is known."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, delete, select, tuple_, update

from jobsched.errors import MadeBeforeError
from jobsched.model.once import KEY_KEPT, MadeOnce, Once
from jobsched_sql.dialect import Dialect
from jobsched_sql.tables import idempotency_keys as table

_AT_ONCE = 500
_C = table.c


def claim(connection: Connection, dialect: Dialect, once: Once | None, made: Mapping[str, Any]) -> None:
    """Note what is made in this transaction. Raises MadeBeforeError, for a rollback, if something was under this key.

    Of two at once the second waits here for the first to commit: the primary key lets one have it.
    """
    if once is None:
        return
    now = dialect.now(connection)
    over = delete(table).where(_C.namespace == once.namespace, _C.key == once.key, _C.made_at <= now - KEY_KEPT)
    connection.execute(over)
    row = {
        "namespace": once.namespace,
        "key": once.key,
        "request": once.request,
        "made": made,
        "answer": None,
        "made_at": now,
    }
    if dialect.insert_unless_known(connection, table, [row]) == 0:
        raise MadeBeforeError(once.key)


def find(connection: Connection, dialect: Dialect, namespace: str, key: str) -> MadeOnce | None:
    """What stands under this key, unless its time is over."""
    horizon = dialect.now(connection) - KEY_KEPT
    statement = select(_C.request, _C.made, _C.answer).where(
        _C.namespace == namespace, _C.key == key, _C.made_at > horizon
    )
    row = connection.execute(statement).one_or_none()
    return None if row is None else MadeOnce(request=row.request, made=row.made, answer=row.answer)


def keep_answer(connection: Connection, once: Once, answer: Any) -> Any:
    """The answer that stands: this one, unless somebody has kept one already."""
    row = (_C.namespace == once.namespace, _C.key == once.key)
    connection.execute(update(table).where(*row, _C.answer.is_(None)).values(answer=answer))
    kept = connection.execute(select(_C.answer).where(*row)).scalar_one_or_none()
    return answer if kept is None else kept


def forget(dialect: Dialect) -> None:
    """Keys whose time is over, some at once, each time in a transaction of their own."""
    while dialect.write(lambda connection: _forget_some(connection, dialect)) == _AT_ONCE:
        pass


def _forget_some(connection: Connection, dialect: Dialect) -> int:
    old = select(_C.namespace, _C.key).where(_C.made_at <= dialect.now(connection) - KEY_KEPT).limit(_AT_ONCE)
    chosen = connection.execute(old).fetchall()
    if not chosen:
        return 0
    return connection.execute(
        delete(table).where(tuple_(_C.namespace, _C.key).in_([tuple(row) for row in chosen]))
    ).rowcount
