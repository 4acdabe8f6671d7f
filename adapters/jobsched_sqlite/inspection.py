"""What `doctor` asks of an SQLite file: its size, its log, the disk below it, and who may write."""

import os
import shutil
import sqlite3
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from jobsched.model.figures import Sizes
from jobsched.model.health import FileFacts


def facts(connection: Connection, path: Path) -> FileFacts:
    """`connection` may write: only then can be asked how far the log could be brought into the file."""
    log = _side(path, "-wal")
    page_size = _pragma(connection, "pragma page_size")
    wal_pages, checkpointed = _checkpointed(connection)
    files = [path, *(file for file in (log, _side(path, "-shm")) if file.exists())]
    return FileFacts(
        version=sqlite3.sqlite_version,
        files=tuple(map(str, files)),
        bytes=page_size * _pragma(connection, "pragma page_count"),
        unused_bytes=page_size * _pragma(connection, "pragma freelist_count"),
        wal_bytes=log.stat().st_size if log.exists() else 0,
        wal_pages=wal_pages,
        checkpointed_pages=checkpointed,
        journal_mode=str(connection.exec_driver_sql("pragma journal_mode").scalar_one()),
        disk_free_bytes=shutil.disk_usage(path.parent).free,
        unwritable=tuple(str(file) for file in (*files, path.parent) if not os.access(file, os.W_OK)),
    )


def sizes(connection: Connection, path: Path) -> Sizes:
    """Of the file and its log; how many rows a table has an SQLite file does not know without counting."""
    log = _side(path, "-wal")
    size = _pragma(connection, "pragma page_size") * _pragma(connection, "pragma page_count")
    return Sizes(bytes=size, wal_bytes=log.stat().st_size if log.exists() else 0)


def _side(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _pragma(connection: Connection, statement: str) -> int:
    value: int = connection.exec_driver_sql(statement).scalar_one()
    return value


def _checkpointed(connection: Connection) -> tuple[int | None, int | None]:
    """Pages of the log, and how many of them are in the file now; a passive checkpoint waits for nobody."""
    try:
        _, pages, done = connection.exec_driver_sql("pragma wal_checkpoint(passive)").one()
    except DBAPIError:  # a file that may not be written, or a writer that is at it
        return None, None
    return pages, done
