"""What only one kind of database can tell `doctor` of itself."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from jobsched.model.health import FileFacts, ServerFacts
from jobsched.store.open import open_store
from jobsched.store.port import Store
from jobsched.testing.builders import NAMESPACE, a_run


@pytest.fixture
def opened_store(database_url: str) -> Iterator[Store]:
    with closing(open_store(database_url)) as store:
        yield store


@pytest.fixture
def execute(database_url: str) -> Callable[[str], None]:
    """A statement of somebody else's."""

    def run(statement: str) -> None:
        if database_url.startswith("sqlite"):
            with closing(sqlite3.connect(database_url.removeprefix("sqlite:///"))) as file, file:
                file.execute(statement)
        else:
            with psycopg.connect(database_url, autocommit=True) as connection:
                connection.execute(statement.encode())

    return run


def test_an_index_that_was_dropped_is_missing(opened_store: Store, execute: Callable[[str], None]) -> None:
    execute("drop index jobsched_runs_slot")

    assert opened_store.inspect(NAMESPACE).missing == ("jobsched_runs_slot",)


def test_an_index_that_is_no_longer_unique_counts_as_missing(
    opened_store: Store, execute: Callable[[str], None]
) -> None:
    execute("drop index jobsched_runs_slot")
    execute("create index jobsched_runs_slot on jobsched_runs (namespace, job, scheduled_at)")

    assert opened_store.inspect(NAMESPACE).missing == ("jobsched_runs_slot",)


def server(store: Store) -> ServerFacts:
    found = store.inspect(NAMESPACE).database
    assert isinstance(found, ServerFacts)
    return found


def file(store: Store) -> FileFacts:
    found = store.inspect(NAMESPACE).database
    assert isinstance(found, FileFacts)
    return found


@pytest.fixture
def on_postgres(postgres_url: str) -> Iterator[Store]:
    with closing(open_store(postgres_url)) as store:
        yield store


def test_a_rule_that_was_dropped_or_never_checked_is_told_of(on_postgres: Store, postgres_url: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("alter table jobsched_nodes drop constraint jobsched_nodes_lease_positive")
        connection.execute("alter table jobsched_keys drop constraint jobsched_keys_limit_positive")
        connection.execute(
            "alter table jobsched_keys add constraint jobsched_keys_limit_positive check (max_running > 0) not valid"
        )

    seen = on_postgres.inspect(NAMESPACE)

    assert seen.missing == ("jobsched_nodes_lease_positive",)
    assert seen.invalid == ("jobsched_keys_limit_positive",)


def test_a_transaction_that_pins_dead_rows_is_seen_with_its_process(on_postgres: Store, postgres_url: str) -> None:
    with psycopg.connect(postgres_url, application_name="a report") as holder:
        holder.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        holder.execute("select 1 from jobsched_runs")

        [seen], pid = server(on_postgres).transactions, holder.info.backend_pid

    assert (seen.pid, seen.application, seen.pins) == (pid, "a report", True)
    assert server(on_postgres).transactions == ()


def test_a_server_tells_of_its_tables_settings_and_log(on_postgres: Store) -> None:
    on_postgres.enqueue([a_run()])

    found = server(on_postgres)

    assert {"jobsched_runs", "jobsched_run_logs", "jobsched_nodes"} <= {table.name for table in found.tables}
    assert all(table.autovacuum and table.bytes for table in found.tables)
    assert int(found.settings["max_connections"]) > found.connections > 0
    assert (found.pooled, found.standby, bool(found.wal_bytes)) == (False, False, True)


def test_a_table_without_autovacuum_is_seen(on_postgres: Store, postgres_url: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("alter table jobsched_runs set (autovacuum_enabled = false)")

    assert [table.name for table in server(on_postgres).tables if not table.autovacuum] == ["jobsched_runs"]


@pytest.fixture
def path(sqlite_url: str) -> Path:
    return Path(sqlite_url.removeprefix("sqlite:///"))


@pytest.fixture
def on_sqlite(sqlite_url: str) -> Iterator[Store]:
    with closing(open_store(sqlite_url)) as store:
        yield store


def test_a_reader_that_does_not_end_keeps_the_log_from_the_file(on_sqlite: Store, path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("begin")
        reader.execute("select count(*) from jobsched_runs").fetchall()
        on_sqlite.enqueue([a_run()] * 100)

        held = file(on_sqlite)
    free = file(on_sqlite)

    assert held.wal_pages is not None
    assert held.checkpointed_pages is not None
    assert held.checkpointed_pages < held.wal_pages
    assert free.checkpointed_pages == free.wal_pages
    assert held.wal_bytes > 0


def test_a_file_tells_of_its_size_and_of_the_disk(on_sqlite: Store, path: Path) -> None:
    on_sqlite.enqueue([a_run()])

    found = file(on_sqlite)

    assert found.files == (str(path), f"{path}-wal", f"{path}-shm")
    assert found.bytes >= path.stat().st_size
    assert found.disk_free_bytes > 0
    assert (found.journal_mode, found.unwritable) == ("wal", ())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_what_this_user_may_not_write_is_told_of(on_sqlite: Store, path: Path) -> None:
    path.parent.chmod(0o555)
    try:
        found = file(on_sqlite)
    finally:
        path.parent.chmod(0o755)

    assert found.unwritable == (str(path.parent),)
