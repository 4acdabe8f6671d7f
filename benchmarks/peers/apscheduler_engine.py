"""The database of APScheduler 3; on SQLite as jobsched has it, WAL and synchronous FULL, in place of the slower default."""

from typing import Any

from sqlalchemy import create_engine, event


def engine_of(url: str) -> Any:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def prepare(connection: Any, _: object) -> None:
            connection.execute("pragma journal_mode = wal")
            connection.execute("pragma synchronous = full")

    return engine
