"""Which files, which database, which namespace: option, environment, file, default, in this order (DESIGN §5)."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jobsched.errors import SchemaError

DEFAULT_FILE = Path("jobs.yaml")
DEFAULT_DATABASE = "sqlite:///jobsched.db"


@dataclass(frozen=True, slots=True)
class Target:
    """A database and a namespace in it."""

    url: str
    namespace: str


def files(paths: Sequence[Path]) -> list[Path]:
    """The given paths, or ./jobs.yaml."""
    return list(paths) or [DEFAULT_FILE]


def find_target(database: str | None, namespace: str | None) -> Target:
    """For commands without PATH: ./jobs.yaml, if it is there and valid enough, says what options and environment do not."""
    given = database or os.environ.get("JOBSCHED_DATABASE_URL")
    if (given and namespace) or not DEFAULT_FILE.exists():
        return Target(given or DEFAULT_DATABASE, namespace or "default")
    from jobsched.config.load import read_head

    head = read_head([DEFAULT_FILE])
    return Target(given or database_of(None, head), namespace or head.namespace)


def database_of(database: str | None, state: "DesiredState") -> str:
    """The database URL for commands with files."""
    from jobsched.config.database import database_url

    return database or os.environ.get("JOBSCHED_DATABASE_URL") or database_url(state, os.environ) or DEFAULT_DATABASE


@contextmanager
def client_of(target: Target, *, create: bool = False) -> "Iterator[Client]":
    """A client for commands that ask a store: its schema must be there and current."""
    from jobsched.client import Client
    from jobsched.store.open import open_store

    store = open_store(target.url, create=create)
    try:
        status = store.schema()
        if status.state == "missing":
            raise SchemaError(f"{store.name} holds no jobsched tables yet; run: jobsched sync, or jobsched run")
        if status.state == "older":
            raise SchemaError(f"the schema of {store.name} is older than this jobsched; run: jobsched db upgrade")
        if status.state == "newer":
            raise SchemaError(
                f"the schema of {store.name} is newer than this jobsched ({status.found}); upgrade jobsched"
            )
        yield Client(store, namespace=target.namespace)
    finally:
        store.close()


def prepare(store: "Store", *, migrate: bool) -> None:
    """Set up an empty database; upgrade an older schema on SQLite, elsewhere with `migrate` alone. Raises SchemaError."""
    status = store.schema()
    if status.state == "missing" or (status.state == "older" and (migrate or store.name.startswith("sqlite"))):
        store.migrate()
    elif status.state == "older":
        raise SchemaError(
            f"the schema of {store.name} is older than this jobsched ({status.found}, needs {status.needed}); "
            "run: jobsched db upgrade, or start with --migrate"
        )
    elif status.state == "newer":
        raise SchemaError(f"the schema of {store.name} is newer than this jobsched ({status.found}); upgrade jobsched")


database_option = click.option(
    "--database",
    metavar="URL",
    help="Database URL; else JOBSCHED_DATABASE_URL, the file's settings, sqlite:///jobsched.db.",
)
namespace_option = click.option("--namespace", metavar="NAME", help="Namespace; else that of ./jobs.yaml, or default.")
paths_argument = click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(path_type=Path))
output_option = click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="Form of the output.",
)


if TYPE_CHECKING:  # importing them would cost every command
    from jobsched.client import Client
    from jobsched.model.state import DesiredState
    from jobsched.store.port import Store
