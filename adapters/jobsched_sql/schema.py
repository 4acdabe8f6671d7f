"""The schema's version: compared here without alembic, which is imported only to migrate."""

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, inspect, text

from jobsched.errors import SchemaError
from jobsched.model.state import SchemaStatus
from jobsched.store.faults import fault_point
from jobsched_sql.dialect import Dialect

VERSION_TABLE = "jobsched_schema_version"
#: Every migration, oldest first; a test holds this against the scripts.
REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009", "0010", "0011")
HEAD = REVISIONS[-1]
_SCRIPTS = "jobsched_sql:migrations"
#: Alembic imports mako, and mako this if it can, with forty lexers of pygments, for template errors in HTML: 5 MiB of a node.
_HIGHLIGHTING = "mako.ext.pygmentplugin"


def schema(dialect: Dialect) -> SchemaStatus:
    """The version found beside the one needed."""
    if not dialect.exists():
        return SchemaStatus("missing", None, HEAD)
    return dialect.read(_status)


def _status(connection: Connection) -> SchemaStatus:
    found = _found(connection)
    if found is None:
        return SchemaStatus("missing", None, HEAD)
    if found == HEAD:
        return SchemaStatus("current", found, HEAD)
    return SchemaStatus("older" if found in REVISIONS else "newer", found, HEAD)


def _found(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found: str | None = connection.execute(text("select version_num from jobsched_schema_version")).scalar_one_or_none()
    return found


def migrate(dialect: Dialect) -> None:
    """Bring the schema up to HEAD. Under a lock: of two that start at once, the second finds nothing to do."""
    dialect.migration(_migrate)


def _migrate(connection: Connection) -> None:
    status = _status(connection)
    if status.state == "newer":
        raise SchemaError(
            f"the database's schema is {status.found}, newer than this program's {status.needed}: upgrade jobsched"
        )
    if status.state == "current":
        return
    _upgrade(connection=connection)
    fault_point("in_migration")


def script(dialect: Dialect) -> str:
    """The statements that `migrate` would make in an empty database; connects to none."""
    written = io.StringIO()
    _upgrade(written, dialect_name=dialect.sql_name)
    return dialect.before_schema + written.getvalue()


def _upgrade(script: io.StringIO | None = None, **attributes: object) -> None:
    """Have alembic run the scripts, or write them down; they read the attributes."""
    with _without(_HIGHLIGHTING):
        from alembic import command
        from alembic.config import Config

    config = Config(output_buffer=script)
    config.set_main_option("script_location", _SCRIPTS)
    config.attributes.update(attributes)
    command.upgrade(config, "head", sql=script is not None)


@contextmanager
def _without(module: str) -> Iterator[None]:
    """Whoever wants to import this module finds that it is not installed."""
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[module]
