"""Handlers that come with jobsched, for jobs.yaml to name: `jobsched.handlers.maintenance:backup`, `…:prune`."""

import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from jobsched.handlers.context import Context
from jobsched.model.durations import format_duration, parse_duration
from jobsched.model.job import History
from jobsched.store.open import open_store
from jobsched.store.port import Retention, Store

#: Pages copied between two looks at whether to stop; 8 MiB of the usual size.
_STEP = 2048
_RUNS_AT_ONCE = 1000


def backup(ctx: Context, source: str, target: str, keep: int = 7) -> dict[str, Any]:
    """Copy an SQLite database while it is in use, and keep the newest `keep` copies; {path, bytes, pages}.

    `target`: a folder (it exists, or the text ends with `/`), or a file name with strftime placeholders (UTC), like
    `backups/shop-%Y-%m-%d.db`. A name without any is replaced each time. Only copies whose names are of that form are
    ever deleted. The copy is checked before it takes its name. Relative paths are relative to the node's directory.
    """
    if keep < 1:
        raise ValueError(f"keep is how many copies stay, at least 1, not {keep}")
    origin = Path(source).expanduser()
    if not origin.is_file():
        raise FileNotFoundError(f"no database to copy: {origin} (in {Path.cwd()}) is not a file")
    folder, pattern = _destination(target, origin)
    if folder.resolve() / pattern == origin.resolve():
        raise ValueError(f"target is the database itself: {origin}")
    path = folder / ctx.started_at.strftime(pattern)
    # Raised before the work, not when the first old copy ought to go: what cannot be read back would pile up.
    datetime.strptime(path.name, pattern).replace(tzinfo=UTC)
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{path.name}.{ctx.run_id}.partial"
    try:
        pages = _copy(ctx, origin, partial)
        partial.replace(path)
    finally:
        for leftover in (partial, Path(f"{partial}-wal"), Path(f"{partial}-shm"), Path(f"{partial}-journal")):
            leftover.unlink(missing_ok=True)
    removed = _remove_old(folder, pattern, keep)
    ctx.log.info("copied %s to %s, %d pages; removed %d older copies", origin, path, pages, removed)
    return {"path": str(path), "bytes": path.stat().st_size, "pages": pages}


def prune(ctx: Context, older_than: str | float, database: str | None = None) -> dict[str, int]:
    """Delete finished runs, with their logs, that ended before `older_than` (a duration: `30d`), of all namespaces; {pruned}.

    Nodes do what `history` says by themselves; this is for a shorter memory than that, or for another database.
    `database`: a URL; else JOBSCHED_DATABASE_URL of the node, else sqlite:///jobsched.db.
    """
    age = parse_duration(older_than)
    url = database or os.environ.get("JOBSCHED_DATABASE_URL") or "sqlite:///jobsched.db"
    store = open_store(url, create=False)
    try:
        pruned = sum(_prune(ctx, store, retention) for retention in _retentions(store, age))
    finally:
        store.close()
    ctx.log.info("pruned %d runs older than %s", pruned, format_duration(age))
    return {"pruned": pruned}


def _retentions(store: Store, age: timedelta) -> Iterator[Retention]:
    """By age alone: no count deletes anything."""
    every = History(success=sys.maxsize, failed=sys.maxsize, skipped=sys.maxsize, max_age=age)
    for namespace in store.namespaces():
        for stored in store.jobs(namespace):
            yield Retention(namespace=namespace, job=stored.job.name, history=every)
        yield Retention(namespace=namespace, job=None, history=every)


def _prune(ctx: Context, store: Store, retention: Retention) -> int:
    total = 0
    while (deleted := store.prune([retention], _RUNS_AT_ONCE)) > 0:
        ctx.check()
        total += deleted
    return total


def _destination(target: str, origin: Path) -> tuple[Path, str]:
    """The folder, and the file name as a strftime pattern."""
    path = Path(target).expanduser()
    if target.endswith("/") or path.is_dir():
        return path, f"{_literal(origin.stem)}-%Y%m%dT%H%M%SZ{_literal(origin.suffix)}"
    if "%" in str(path.parent):
        raise ValueError(f"placeholders stand in the file name only, not in its folder: {target}")
    return path.parent, path.name


def _literal(text: str) -> str:
    return text.replace("%", "%%")


def _copy(ctx: Context, origin: Path, path: Path) -> int:
    """Write a consistent copy and prove it; the number of its pages."""
    # Made by us, so that nobody else can read it: a copy is as secret as the database.
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600))
    with (
        closing(sqlite3.connect(f"{origin.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)) as database,
        closing(sqlite3.connect(path, isolation_level=None)) as copy,
    ):
        # One read transaction around it all: without it, a write by another process makes the copying start again.
        database.execute("BEGIN")
        database.execute("SELECT count(*) FROM sqlite_master").fetchone()
        database.backup(copy, pages=_STEP, progress=lambda *_: ctx.check())
        # WAL belongs to a database in use; without it the copy is one file, whoever opens it.
        copy.execute("PRAGMA journal_mode = DELETE").fetchone()
        [(answer,), *_] = copy.execute("PRAGMA integrity_check(1)").fetchall()
        if answer != "ok":
            raise sqlite3.DatabaseError(f"the copy of {origin} is damaged, and so may be the database: {answer}")
        [pages] = copy.execute("PRAGMA page_count").fetchone()
    with path.open("rb") as written:
        os.fsync(written.fileno())
    return int(pages)


def _remove_old(folder: Path, pattern: str, keep: int) -> int:
    """Delete all but the newest copies, by the time in their names; how many."""
    dated = []
    for path in folder.iterdir():
        with suppress(ValueError):
            at = datetime.strptime(path.name, pattern).replace(tzinfo=UTC)
            if path.is_file() and at.strftime(pattern) == path.name:
                dated.append((at, path.name, path))
    old = sorted(dated, reverse=True)[keep:]
    for *_, path in old:
        path.unlink(missing_ok=True)
    return len(old)
