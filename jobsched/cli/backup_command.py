"""jobsched backup."""

import os
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jobsched.cli.errors import Failure
from jobsched.cli.output import print_json, say
from jobsched.cli.progress import progress
from jobsched.cli.target import database_option, find_target, text_output_option

if TYPE_CHECKING:
    from jobsched.handlers.sqlite_copy import Copied


@click.command("backup")
@click.argument("target", metavar="[FILE]", default="backups/")
@click.option("--keep", type=click.IntRange(min=1), metavar="N", help="Delete all but the newest N copies; else none.")
@database_option
@text_output_option
def command(target: str, *, keep: int | None, database: str | None, output: str) -> None:
    """Copy an SQLite database while it is in use, as the handler jobsched.handlers.maintenance:backup does.

    FILE: a folder, in which the copy is named after the database and the time; or a name with strftime placeholders
    (UTC), like backups/shop-%Y-%m-%d.db; without any it is replaced. The copy is checked before it takes its name.
    Without FILE it goes to backups/.
    """
    from jobsched.clock import SystemClock
    from jobsched.handlers.sqlite_copy import copy_database

    origin = _file_of(find_target(database, "default").url)
    try:
        with progress(f"copying {origin.name}", hidden=output == "json"):
            made = copy_database(
                origin, target, at=SystemClock().now(), keep=keep, during=lambda: None, mark=os.getpid()
            )
    except (OSError, ValueError, sqlite3.Error) as error:
        raise Failure(f"{origin} was not copied: {error}") from error
    if output == "json":
        print_json(as_json(origin, made))
        return
    removed = f"; {made.removed} older removed" if made.removed else ""
    say(f"{origin} copied to {made.path}: {made.size:,} bytes, checked{removed}")


def as_json(origin: Path, made: "Copied") -> dict[str, Any]:
    return {
        "database": str(origin),
        "path": str(made.path),
        "bytes": made.size,
        "pages": made.pages,
        "removed": made.removed,
    }


def _file_of(url: str) -> Path:
    """Raises Failure on a server's database, which brings tools of its own."""
    from jobsched.store.open import open_store

    store = open_store(url, create=False)
    try:
        scheme, _, path = store.name.partition(":///")
    finally:
        store.close()
    if scheme != "sqlite":
        raise Failure(
            f"backup copies SQLite files, and {store.name} is none. Copy it with the server's own tools: "
            "pg_dump --format=custom --file=jobsched.dump, or its continuous archiving"
        )
    return Path(path)
