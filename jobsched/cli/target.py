"""Which files, which database, which namespace: option, environment, file, default, in this order (DESIGN §5)."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jobsched.errors import ConfigError, SchemaError, StoreError
from jobsched.model.names import LONGEST_NAME, is_name

DEFAULT_FILE = Path("jobs.yaml")
_GUESSED = Path("jobsched.db")
DEFAULT_DATABASE = f"sqlite:///{_GUESSED}"
NOTHING_HERE = f"there is neither {DEFAULT_FILE} nor {_GUESSED} in this folder"
WAYS_OUT = "go to theirs, name the database (--database URL, or JOBSCHED_DATABASE_URL), or begin with: jobsched init"


@dataclass(frozen=True, slots=True)
class Target:
    """A database and a namespace in it."""

    url: str
    namespace: str
    #: Neither option, environment nor a file said which; it is that of this folder.
    guessed: bool = False


def files(paths: Sequence[Path]) -> list[Path]:
    """The given paths, or ./jobs.yaml."""
    return list(paths) or [DEFAULT_FILE]


def find_target(database: str | None, namespace: str | None) -> Target:
    """For commands without PATH: ./jobs.yaml, if it is there and valid enough, says what options and environment do not."""
    given = database or os.environ.get("JOBSCHED_DATABASE_URL")
    if (given and namespace) or not DEFAULT_FILE.exists():
        return Target(given or DEFAULT_DATABASE, namespace or "default", guessed=not given)
    from jobsched.config.load import read_head

    try:
        head = read_head([DEFAULT_FILE])
    except ConfigError as error:
        if not given:
            _say_unknown()
            raise
        # The database is known: a file that is being edited must not keep anybody from looking into it.
        _say_unread(error)
        return Target(given, "default")
    return Target(given or database_of(None, head), namespace or head.namespace)


def _say_unknown() -> None:
    from jobsched.cli.output import say_prose

    say_prose(
        f"until {DEFAULT_FILE} is mended, it does not say which database is meant; --database URL --namespace NAME do",
        err=True,
    )


def _say_unread(error: ConfigError) -> None:
    from jobsched.cli.output import say

    say(f"{DEFAULT_FILE} cannot be read, so this is about namespace default: {error}", err=True)


def database_of(database: str | None, state: "DesiredState") -> str:
    """The database URL for commands with files."""
    from jobsched.config.database import database_url

    return database or os.environ.get("JOBSCHED_DATABASE_URL") or database_url(state, os.environ) or DEFAULT_DATABASE


def may_be_wrong_folder(target: Target) -> bool:
    """Whether nothing says which database is meant, and this folder has none."""
    return target.guessed and not _GUESSED.exists()


def refuse_wrong_folder(target: Target) -> None:
    """Raise StoreError, for commands that make no database, if this may be the wrong one."""
    if may_be_wrong_folder(target):
        raise StoreError(f"{NOTHING_HERE}; {WAYS_OUT}")


@contextmanager
def client_of(target: Target, *, create: bool = False) -> "Iterator[Client]":
    """A client for commands that ask a store: its schema must be there and current."""
    from jobsched.client import Client
    from jobsched.model.audit import Actor, Via
    from jobsched.store.open import open_store
    from jobsched.who import who

    if not create:
        refuse_wrong_folder(target)
    store = open_store(target.url, create=create)
    try:
        status = store.schema()
        if status.state == "missing":
            raise SchemaError(f"{store.name} holds no jobsched tables yet; run: jobsched sync, or jobsched run")
        refuse_other_schema(status, store.name)
        yield Client(store, namespace=target.namespace, actor=Actor(by=who(), via=Via.CLI))
    finally:
        store.close()


def prepare(store: "Store", *, migrate: bool) -> None:
    """Set up an empty database; upgrade an older schema on SQLite, elsewhere with `migrate` alone. Raises SchemaError."""
    status = store.schema()
    if status.state == "missing" or (status.state == "older" and (migrate or store.name.startswith("sqlite"))):
        store.migrate()
    else:
        refuse_other_schema(status, store.name)


def refuse_other_schema(status: "SchemaStatus", name: str) -> None:
    """Raise SchemaError unless the schema is this program's."""
    if status.state == "older":
        raise SchemaError(
            f"the schema of {name} is older than this jobsched (it is {status.found}, needed is {status.needed}); "
            "stop the old nodes, then run: jobsched db upgrade (or start a node with --migrate)"
        )
    if status.state == "newer":
        raise SchemaError(f"the schema of {name} is newer than this jobsched knows ({status.found}); upgrade jobsched")


def load_and_warn(paths: Sequence[Path], *, job: str | None = None) -> "DesiredState":
    """The files' state, with what is worth a warning said on standard error. Raises ConfigError.

    With `job`, what is said of other jobs is left out.
    """
    from jobsched.cli.errors import print_diagnostic
    from jobsched.clock import SystemClock
    from jobsched.config.load import check

    loaded = check(paths, os.environ, now=SystemClock().now())
    if loaded.state is None:
        raise ConfigError([found for found in loaded.diagnostics if found.severity == "error"])
    for found in loaded.diagnostics:
        if job is None or not found.path.startswith("jobs.") or f"{found.path}.".startswith(f"jobs.{job}."):
            print_diagnostic(found, err=True)
    return loaded.state


database_option = click.option(
    "--database",
    metavar="URL",
    help="Database URL; else JOBSCHED_DATABASE_URL, the file's settings, sqlite:///jobsched.db.",
)


class NamespaceName(click.ParamType[str]):
    """The name of a namespace."""

    name = "namespace"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not is_name(value):
            self.fail(
                f"{value!r} is no name: use letters, digits, '.', '_' and '-', at most {LONGEST_NAME}", param, ctx
            )
        return value


namespace_option = click.option(
    "--namespace",
    type=NamespaceName(),
    metavar="NAME",
    help="Namespace; else that of ./jobs.yaml, or default.",
)
paths_argument = click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(path_type=Path))
output_option = click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="Form of the output.",
)
#: Of commands whose answer is no table.
text_output_option = click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Form of the output.",
)


if TYPE_CHECKING:  # importing them would cost every command
    from jobsched.client import Client
    from jobsched.model.desired import DesiredState
    from jobsched.model.state import SchemaStatus
    from jobsched.store.port import Store
