"""jobsched db."""

import click

from jobsched.cli.output import print_json, say
from jobsched.cli.progress import progress
from jobsched.cli.target import database_option, find_target, refuse_wrong_folder, text_output_option


@click.group("db")
def command() -> None:
    """Look after the database's schema."""


@command.command("upgrade")
@database_option
def upgrade(*, database: str | None) -> None:
    """Bring the schema up to this jobsched; harmless when it is."""
    from jobsched.store.open import open_store

    store = open_store(find_target(database, "default").url)
    try:
        before = store.schema()
        with progress("upgrading the schema"):
            store.migrate()
        done = (
            "is current"
            if before.state == "current"
            else f"upgraded from {before.found or 'nothing'} to {before.needed}"
        )
        say(f"{store.name}: {done}")
    finally:
        store.close()


@command.command("check")
@database_option
@text_output_option
def check(*, database: str | None, output: str) -> None:
    """Say whether the schema fits this jobsched; exit code 1 if not."""
    from jobsched.store.open import open_store

    target = find_target(database, "default")
    refuse_wrong_folder(target)
    store = open_store(target.url, create=False)
    try:
        status = store.schema()
    finally:
        store.close()
    if output == "json":
        print_json({"database": store.name, "state": status.state, "found": status.found, "needed": status.needed})
    else:
        say(f"{store.name}: {status.state} (found {status.found or 'none'}, this jobsched needs {status.needed})")
    if status.state != "current":
        raise SystemExit(1)


@command.command("sql")
@database_option
def sql(*, database: str | None) -> None:
    """Print the SQL that sets up an empty database, for whoever must apply it by hand. Connects to none.

    The database's URL only says which dialect it is.
    """
    from jobsched.store.open import open_store

    store = open_store(find_target(database, "default").url, create=False)
    try:
        say(store.schema_script().rstrip())
    finally:
        store.close()
