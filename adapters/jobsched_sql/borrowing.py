"""A connection that belongs to somebody else, used inside its transaction: never committed, rolled back or closed here."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, Engine
from sqlalchemy.pool import PoolProxiedConnection

from jobsched.errors import EnqueueError

Driver = TypeVar("Driver")


def driver_connection(given: object, driver: type[Driver], name: str) -> Driver:
    """The driver's connection that is given, or is behind an SQLAlchemy connection or session. Raises EnqueueError."""
    found = given
    if not isinstance(given, Connection | driver) and callable(getattr(given, "connection", None)):
        found = cast("Any", given).connection()
    if isinstance(found, Connection):
        # Otherwise its owner's commit would have nothing to commit.
        if not found.in_transaction():
            found.begin()
        found = found.connection.dbapi_connection
    if not isinstance(found, driver):
        raise EnqueueError(
            f"connection= takes a connection of {name}, or an SQLAlchemy connection or session that uses it, "
            f"not {type(found).__module__}.{type(found).__name__}"
        )
    return found


def borrowed(engine: Engine, raw: object, cursor: Callable[[], object]) -> Connection:
    """A connection that speaks as the engine does through `raw`. To be left alone after use: closing it would do nothing."""
    return Connection(engine, cast("PoolProxiedConnection", _Borrowed(raw, cursor)))


class _Borrowed:
    """What SQLAlchemy wants of a connection out of a pool, without the right to end its transaction."""

    is_valid = False  #: so that nobody throws away what is not ours

    def __init__(self, raw: object, cursor: Callable[[], object]) -> None:
        self.dbapi_connection = self.driver_connection = raw
        self.cursor = cursor
        self.info: dict[str, object] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.dbapi_connection, name)

    def commit(self) -> None: ...

    def rollback(self) -> None: ...

    def close(self) -> None: ...

    def invalidate(self, *_: object, **__: object) -> None: ...
