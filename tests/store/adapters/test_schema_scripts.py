"""The migrations: what they make is what the program believes is there, and nothing else is touched."""

import logging
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Column, Engine, MetaData, Table, Text, create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import IntegrityError
from sqlalchemy.pool import NullPool

from jobsched.store.open import open_store
from jobsched.testing.builders import a_run, runs
from jobsched_sql.schema import HEAD, REVISIONS, VERSION_TABLE
from jobsched_sql.tables import metadata, rules


def engine_for(url: str) -> Engine:
    return create_engine(make_url(url.replace("postgresql://", "postgresql+psycopg://", 1)), poolclass=NullPool)


def test_the_known_revisions_are_those_of_the_scripts() -> None:
    config = Config()
    config.set_main_option("script_location", "jobsched_sql:migrations")
    scripts = ScriptDirectory.from_config(config)

    assert [script.revision for script in scripts.walk_revisions()][::-1] == list(REVISIONS)
    assert scripts.get_current_head() == HEAD


@pytest.fixture(params=["migrated", "by script"])
def made_url(request: pytest.FixtureRequest, database_kind: str) -> str:
    """A database whose schema was made by `migrate`, or by hand with the script."""
    if request.param == "migrated":
        migrated: str = request.getfixturevalue(f"{database_kind}_url")
        return migrated
    url: str = request.getfixturevalue(f"empty_{database_kind}_url")
    store = open_store(url, create=False)
    script = store.schema_script()
    store.close()
    if database_kind == "sqlite":
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as file:
            file.executescript(script)
    else:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(script.encode())
    return url


@pytest.fixture(params=["sqlite", "postgres"])
def database_kind(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


def test_the_schema_made_is_the_one_needed(made_url: str) -> None:
    store = open_store(made_url)
    store.enqueue([a_run()])
    state, made = store.schema().state, runs(store)
    store.close()

    assert state == "current"
    assert len(made) == 1


def test_an_sqlite_file_made_by_script_lets_readers_and_a_writer_work_at_once(empty_sqlite_url: str) -> None:
    store = open_store(empty_sqlite_url, create=False)

    with closing(sqlite3.connect(empty_sqlite_url.removeprefix("sqlite:///"))) as file:
        file.executescript(store.schema_script())
        mode = file.execute("pragma journal_mode").fetchone()
    store.close()

    assert mode == ("wal",)


def test_the_migrated_schema_is_that_of_the_tables(made_url: str) -> None:
    options = {"version_table": VERSION_TABLE, "compare_type": False}

    with engine_for(made_url).connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)

    assert differences == []


def test_named_rules_of_the_migrated_schema_are_those_of_the_tables(made_url: str) -> None:
    found = inspect(engine_for(made_url))

    for table in metadata.sorted_tables:
        held = {
            rule["name"] for rule in [*found.get_check_constraints(table.name), *found.get_foreign_keys(table.name)]
        }
        indexes = {str(index["name"]) for index in found.get_indexes(table.name)}

        assert held == rules(table, found.dialect.name)
        assert indexes == {str(index.name) for index in table.indexes}


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        ("state = 'unheard of'", "state_known"),
        ("reason = 'whim'", "reason_known"),
        ("source = 'thin air'", "source_known"),
        ("state = 'skipped'", "final_is_finished"),
        ("finished_at = created_at", "final_is_finished"),
        ("state = 'running'", "running_is_owned"),
        ("scheduled_at = created_at, job = null", "slot_has_job"),
        ("losses = -1", "counts_not_negative"),
        ("covers_first = available_at, covers_last = created_at", "covers_in_order"),
    ],
)
def test_the_database_holds_the_rules_of_runs_and_names_the_broken_one(made_url: str, wrong: str, rule: str) -> None:
    with closing(open_store(made_url)) as store:
        store.enqueue([a_run(available_at=datetime.now(UTC) + timedelta(days=1))])

    with engine_for(made_url).connect() as connection, pytest.raises(IntegrityError) as refused:
        connection.execute(text(f"update jobsched_runs set {wrong}"))

    assert f"jobsched_runs_{rule}" in str(refused.value)


def test_sqlite_makes_no_table_for_the_rules_of_each_run(sqlite_url: str) -> None:
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as file:
        [rules] = file.execute("select sql from sqlite_master where name = 'jobsched_runs'").fetchone()
        intact = file.execute("pragma integrity_check").fetchone()

    assert " in (" not in rules
    assert intact == ("ok",)


def test_a_build_of_sqlite_that_guards_its_schema_keeps_the_rules_as_they_were(empty_sqlite_url: str) -> None:
    def guard(action: int, name: str | None, value: str | None, *_: object) -> int:
        guarded = (action, name, value) == (sqlite3.SQLITE_PRAGMA, "writable_schema", "on")
        return sqlite3.SQLITE_DENY if guarded else sqlite3.SQLITE_OK

    with closing(open_store(empty_sqlite_url)) as store:
        writer = store._dialect._writer._engine  # type: ignore[attr-defined]
        event.listen(writer, "connect", lambda connection, _: connection.set_authorizer(guard))

        store.migrate()

        store.enqueue([a_run()])
        state, made = store.schema().state, len(runs(store))
    with closing(sqlite3.connect(empty_sqlite_url.removeprefix("sqlite:///"))) as file:
        [rules] = file.execute("select sql from sqlite_master where name = 'jobsched_runs'").fetchone()
    assert (state, made) == ("current", 1)
    assert "state in (" in rules


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_tables_of_others_are_left_alone(kind: str, request: pytest.FixtureRequest) -> None:
    url: str = request.getfixturevalue(f"empty_{kind}_url")
    others = MetaData()
    Table("customers", others, Column("name", Text))
    others.create_all(engine_for(url))

    store = open_store(url)
    store.migrate()
    store.close()

    assert {"customers", "jobsched_runs", VERSION_TABLE} <= set(inspect(engine_for(url)).get_table_names())


def test_migrating_leaves_logging_as_it_was(empty_sqlite_url: str) -> None:
    root = logging.getLogger()
    before = (root.level, list(root.handlers), logging.getLogger("somebody").disabled)

    store = open_store(empty_sqlite_url)
    store.migrate()
    store.close()

    assert (root.level, list(root.handlers), logging.getLogger("somebody").disabled) == before


def test_asking_for_the_schema_does_not_import_alembic(sqlite_url: str) -> None:
    program = (
        "import sys; from jobsched.store.open import open_store; store = open_store(sys.argv[1]); "
        "print(store.schema().state, 'alembic' in sys.modules); store.close()"
    )

    said = subprocess.run(
        [sys.executable, "-c", program, sqlite_url], check=True, capture_output=True, text=True
    ).stdout

    assert said.split() == ["current", "False"]


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_migration_that_is_killed_leaves_nothing_half_done(kind: str, request: pytest.FixtureRequest) -> None:
    url: str = request.getfixturevalue(f"empty_{kind}_url")
    program = "import sys; from jobsched.store.open import open_store; open_store(sys.argv[1]).migrate()"
    environment = {**os.environ, "JOBSCHED_TESTING": "1", "JOBSCHED_FAULT": "in_migration"}

    died = subprocess.run([sys.executable, "-c", program, url], check=False, env=environment, cwd=Path.cwd())
    store = open_store(url)
    found = store.schema().state
    store.migrate()
    after = store.schema().state
    store.close()

    assert (died.returncode, found, after) == (9, "missing", "current")


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_runs_of_the_first_schema_stay_and_their_unique_keys_hold(
    kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    url: str = request.getfixturevalue(f"empty_{kind}_url")
    store = open_store(url)
    with monkeypatch.context() as patched:
        patched.setattr("alembic.command.upgrade", only_to("0001"))
        store.migrate()
    with engine_for(url).begin() as connection:
        for number, state in enumerate(["pending", "running", "succeeded"]):
            connection.execute(OLD_RUN, {"number": str(number), "state": state, **OLD_INSTANTS[kind]})
        if kind == "postgres":
            connection.execute(text("drop function jobsched_enqueue"))
            connection.execute(OLD_FUNCTION)

    store.migrate()

    keys = [f"{number}" for number in range(3)]
    made = store.enqueue([a_run(unique_key=key, tags=("t",)) for key in keys])
    functions = text("select count(*) from pg_proc where proname = 'jobsched_enqueue'")
    with engine_for(url).connect() as connection:
        count = connection.execute(functions).scalar_one() if kind == "postgres" else 1
    found = runs(store)
    store.close()
    assert [one.existing for one in made] == [True, True, False]
    assert [(run.unique_key, run.tags, run.batch, run.timeout, run.unique_until) for run in found[:3]] == [
        (key, (), None, None, None) for key in keys
    ]
    assert (found[3].tags, count) == (("t",), 1)


def only_to(revision: str) -> Callable[..., None]:
    from alembic import command

    upgrade = command.upgrade
    return lambda config, _, **others: upgrade(config, revision, **others)


OLD_RUN = text(
    "insert into jobsched_runs (namespace, handler, source, queue, priority, state, max_attempts, payload, available_at, "
    "created_at, unique_key, finished_at, node, started_at) values ('default', 'h', 'enqueue', 'default', 0, :state, 1, '{}', "
    ":now, :now, :number, case when :state = 'succeeded' then :now end, 1, :now)"
)
OLD_INSTANTS: dict[str, dict[str, object]] = {
    "sqlite": {"now": 0},
    "postgres": {"now": datetime(2026, 1, 1, tzinfo=UTC)},
}
OLD_FUNCTION = text(
    "create function jobsched_enqueue(handler text, payload json default '{}') returns bigint language sql as 'select 1::bigint'"
)
