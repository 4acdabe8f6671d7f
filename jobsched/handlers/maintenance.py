"""Handlers that come with jobsched, for jobs.yaml to name: `jobsched.handlers.maintenance:backup`, `…:prune`."""

import os
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from jobsched.handlers.context import Context
from jobsched.handlers.sqlite_copy import copy_database
from jobsched.model.durations import format_duration, parse_duration
from jobsched.model.job import History
from jobsched.store.open import open_store
from jobsched.store.port import Retention, Store

_RUNS_AT_ONCE = 1000


def backup(ctx: Context, source: str, target: str, keep: int = 7) -> dict[str, Any]:
    """Copy an SQLite database while it is in use, and keep the newest `keep` copies; {path, bytes, pages}.

    `target`: a folder (it exists, or the text ends with `/`), or a file name with strftime placeholders (UTC), like
    `backups/shop-%Y-%m-%d.db`. A name without any is replaced each time. Only copies whose names are of that form are
    ever deleted. The copy is checked before it takes its name. Relative paths are relative to the node's directory.
    """
    origin = Path(source).expanduser()
    made = copy_database(origin, target, at=ctx.started_at, keep=keep, during=ctx.check, mark=ctx.run_id)
    ctx.log.info("copied %s to %s, %d pages; removed %d older copies", origin, made.path, made.pages, made.removed)
    return {"path": str(made.path), "bytes": made.size, "pages": made.pages}


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
