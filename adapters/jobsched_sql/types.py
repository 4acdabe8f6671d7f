"""Column types that mean the same on both databases: instants in UTC, and JSON kept as the text that was written."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Dialect, Text
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.types import TypeDecorator, TypeEngine, UserDefinedType

from jobsched_sql.texts import encode

#: Of what a database's integers hold; it refuses to compare with more.
HIGHEST_ID = 2**63 - 1

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MILLISECOND = timedelta(milliseconds=1)


def to_micros(instant: datetime) -> int:
    """Microseconds since the UTC epoch: exact, and sortable as an integer."""
    return (instant - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)


def to_millis(duration: timedelta) -> int:
    """Whole milliseconds, up: what a duration is kept in."""
    return -(-duration // _MILLISECOND)


class Instant(TypeDecorator[datetime]):
    """An aware instant: timestamptz on PostgreSQL, microseconds since the epoch on SQLite, which has no such type."""

    impl = TIMESTAMP(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(BigInteger())
        return dialect.type_descriptor(TIMESTAMP(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None or dialect.name != "sqlite":
            return value
        return to_micros(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return from_micros(value) if dialect.name == "sqlite" else value.astimezone(UTC)


class _Json(UserDefinedType[str]):
    """PostgreSQL's `json`, not `jsonb`: it keeps the order of keys, and a NUL in a string does not make it fail."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "JSON"


class Document(TypeDecorator[Any]):
    """A JSON value. Both drivers hand over text; what is NULL in SQL is None."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else _Json())

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002 - the same on both
        return None if value is None else encode(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002 - the same on both
        return None if value is None else json.loads(value)
