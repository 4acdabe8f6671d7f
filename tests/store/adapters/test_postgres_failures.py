"""A server that is not there, goes away, or refuses; and what is told about it."""

import gc
import socket
import threading
import weakref
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, timedelta
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import errors, sql
from sqlalchemy.exc import DBAPIError, InternalError, OperationalError

from jobsched.clock import SystemClock
from jobsched.errors import (
    DatabaseUrlError,
    JobschedError,
    OutcomeUnknownError,
    SchemaError,
    StoreBrokenError,
    StoreError,
    StoreUnavailableError,
)
from jobsched.store.open import open_store
from jobsched.store.port import Store
from jobsched.testing.builders import a_node, a_run, a_transition, a_trigger, claim, runs
from jobsched.testing.clock import FakeClock
from jobsched_postgres.connections import TRUSTED_SECONDS, Connector
from jobsched_postgres.failures import is_retryable, told
from jobsched_postgres.location import parse
from jobsched_postgres.watchdog import SILENT_SECONDS, Watchdog

SECRET = "hunter2"


@pytest.fixture
def store(postgres_url: str) -> Iterator[Store]:
    with closing(open_store(postgres_url)) as opened:
        yield opened


@pytest.fixture
def admin(postgres_url: str) -> Iterator["psycopg.Connection[tuple[object, ...]]"]:
    with psycopg.connect(postgres_url, autocommit=True, application_name="admin") as connection:
        yield connection


def terminate_all(admin: "psycopg.Connection[tuple[object, ...]]") -> int:
    # With a time in milliseconds it returns when they have ended, not when they were told to.
    ended = admin.execute(
        "select pg_terminate_backend(pid, 10000) from pg_stat_activity "
        "where datname = current_database() and pid <> pg_backend_pid()"
    )
    return len(ended.fetchall())


# -- URLs


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (f"postgresql+asyncpg://u:{SECRET}@host/db", "psycopg 3"),
        (f"postgresql+psycopg2://u:{SECRET}@host/db", "psycopg 3"),
        (f"postgresql://u:{SECRET}@host/db?sslmod=require", "'sslmod'"),
        (f"postgresql://u:{SECRET}@host:port/db", "cannot be read"),
    ],
)
def test_a_url_that_cannot_be_meant_is_refused_without_its_password(url: str, said: str) -> None:
    with pytest.raises(DatabaseUrlError, match=said) as refused:
        open_store(url)

    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("postgresql://u@db.example:6000/jobs", "db.example:6000/jobs"),
        ("postgres://u@db.example/jobs", "db.example:5432/jobs"),
        ("postgresql+psycopg:///jobs?host=/run/postgresql", "/run/postgresql:5432/jobs"),
        ("postgresql://u@/?host=a&host=b", "a,b:5432/u"),
    ],
)
def test_messages_name_the_place(url: str, where: str) -> None:
    assert parse(url).where == where


# -- connecting


def test_a_server_that_is_not_there_is_worth_another_try() -> None:
    with closing(socket.socket()) as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]

        with (
            closing(open_store(f"postgresql://u:{SECRET}@127.0.0.1:{port}/jobs")) as store,
            pytest.raises(StoreUnavailableError, match=f"127.0.0.1:{port}/jobs") as refused,
        ):
            store.schema()

    assert SECRET not in str(refused.value)


def test_a_database_that_does_not_exist_is_not_waited_for(postgres_url: str) -> None:
    wrong = urlunsplit(urlsplit(postgres_url)._replace(path="/nowhere"))

    with closing(open_store(wrong)) as store, pytest.raises(StoreError, match=r"nowhere.*does not exist") as refused:
        store.schema()

    assert not isinstance(refused.value, StoreUnavailableError)


def test_a_role_that_does_not_exist_is_not_waited_for(postgres_url: str) -> None:
    wrong = postgres_url.replace("postgres:", "nobody:", 1)

    with closing(open_store(wrong)) as store, pytest.raises(StoreError, match="nobody") as refused:
        store.schema()

    assert not isinstance(refused.value, StoreUnavailableError)


def test_an_empty_database_is_told_what_to_run(empty_postgres_url: str) -> None:
    with (
        closing(open_store(empty_postgres_url)) as store,
        pytest.raises(SchemaError, match="jobsched db upgrade"),
    ):
        store.enqueue([a_run()])


def test_payloads_do_not_stand_in_error_messages(store: Store, admin: "psycopg.Connection[tuple[object, ...]]") -> None:
    admin.execute("alter table jobsched_runs drop column payload")

    with pytest.raises(JobschedError) as refused:
        store.enqueue([a_run(payload={"token": SECRET})])

    cause = refused.value.__cause__
    assert SECRET not in str(refused.value)
    assert SECRET not in str(cause)


# -- what passes


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (errors.AdminShutdown(), True),
        (errors.DeadlockDetected(), True),
        (errors.SerializationFailure(), True),
        (errors.LockNotAvailable(), True),
        (errors.QueryCanceled(), True),
        (errors.TooManyConnections(), True),
        (errors.DiskFull(), True),
        (errors.IdleInTransactionSessionTimeout(), True),
        (errors.ReadOnlySqlTransaction(), True),
        (errors.UniqueViolation(), False),
        (errors.UndefinedTable(), False),
        (errors.UntranslatableCharacter(), False),
        (errors.InvalidPassword(), False),
        (psycopg.OperationalError("the database system is starting up"), True),
        (psycopg.OperationalError("server closed the connection unexpectedly"), True),
        (psycopg.OperationalError("FATAL: sorry, too many clients already"), True),
        (psycopg.OperationalError('FATAL: password authentication failed for user "u"'), False),
        (psycopg.OperationalError('FATAL: database "x" does not exist'), False),
        (psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes"), False),
    ],
    ids=lambda value: str(value) or type(value).__name__ if isinstance(value, Exception) else "",
)
def test_what_is_worth_another_try(error: psycopg.Error, passes: bool) -> None:
    kind = OperationalError if isinstance(error, psycopg.OperationalError) else InternalError

    assert is_retryable(error) is passes
    assert is_retryable(kind("", {}, error)) is passes


def test_any_error_that_cost_the_connection_is_worth_another_try() -> None:
    assert is_retryable(DBAPIError("", {}, psycopg.InternalError(), connection_invalidated=True))


@pytest.mark.parametrize(
    "error", [psycopg.OperationalError("password authentication failed"), errors.InsufficientPrivilege()]
)
def test_what_is_refused_to_the_role_is_no_matter_of_what_was_to_be_written(error: psycopg.Error) -> None:
    assert isinstance(told("here", error), StoreBrokenError)


# -- connections that end


def test_idle_connections_that_were_ended_are_replaced_unseen(
    store: Store, admin: "psycopg.Connection[tuple[object, ...]]"
) -> None:
    store.enqueue([a_run()])

    assert terminate_all(admin) >= 1

    store.enqueue([a_run()])
    assert len(runs(store)) == 2


def test_an_idle_node_asks_by_another_connection_when_its_own_were_ended(
    store: Store, admin: "psycopg.Connection[tuple[object, ...]]"
) -> None:
    before = store.outlook(["default"])

    assert terminate_all(admin) >= 1

    assert store.outlook(["default"]) == before


def test_an_idle_node_whose_connection_is_lost_does_not_ask_those_that_rested_beside_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    direct = store._dialect._direct  # type: ignore[attr-defined]
    beside = [direct.take(), direct.take()]
    for one in beside:
        direct.give_back(one)

    def silent(*_: Any) -> Any:
        raise psycopg.OperationalError("no answer")

    monkeypatch.setattr("jobsched_postgres.dialect.execute_once", silent)
    with pytest.raises(StoreUnavailableError):
        store.outlook(["default"])

    assert not any(one.is_valid for one in beside)


def test_a_kept_connection_that_rested_for_long_is_asked_whether_it_lives(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    direct: Any = store._dialect._direct  # type: ignore[attr-defined]
    asked: list[Any] = []
    monkeypatch.setattr("jobsched_postgres.connections._ask", asked.append)
    kept = direct.take()
    connection = kept.driver_connection
    direct.give_back(kept)
    now = direct._clock.monotonic()
    monkeypatch.setattr(direct, "_clock", SimpleNamespace(monotonic=lambda: now + TRUSTED_SECONDS + 1))

    again = direct.take()

    assert again.driver_connection is connection
    assert asked == [connection]
    again.close()


def test_nothing_is_kept_of_a_store_that_was_closed(postgres_url: str) -> None:
    opened: Any = open_store(postgres_url)
    opened.bury()
    opened.outlook(["default"])
    opened.close()
    kept = weakref.ref(opened._dialect._engine.dialect)

    del opened
    gc.collect()

    assert kept() is None


def test_a_connection_that_ends_while_an_idle_node_asks_is_worth_another_try(
    store: Store, admin: "psycopg.Connection[tuple[object, ...]]", monkeypatch: pytest.MonkeyPatch
) -> None:
    from jobsched_postgres.direct import execute_once

    def ended(*asked: Any) -> Any:
        terminate_all(admin)
        return execute_once(*asked)

    monkeypatch.setattr("jobsched_postgres.dialect.execute_once", ended)
    with pytest.raises(StoreUnavailableError) as failed:
        store.outlook(["default"])
    monkeypatch.undo()

    assert not isinstance(failed.value, OutcomeUnknownError)
    assert not store.outlook(["default"]).pending


def test_a_connection_that_ends_inside_a_transaction_is_worth_another_try(
    store: Store, admin: "psycopg.Connection[tuple[object, ...]]", monkeypatch: pytest.MonkeyPatch
) -> None:
    from jobsched_sql import insertion

    def ended(*_: object, **__: object) -> None:
        terminate_all(admin)

    monkeypatch.setattr(insertion, "check_room", ended)
    with pytest.raises(StoreUnavailableError) as failed:
        store.enqueue([a_run(key="k")])
    monkeypatch.undo()

    # Ended after the last statement, so only the commit could notice.
    assert isinstance(failed.value, OutcomeUnknownError)
    assert runs(store) == []


def test_a_server_without_an_answer_is_cut_off(postgres_url: str) -> None:
    clock = FakeClock()
    failed: list[Exception] = []
    sleeping = threading.Event()
    connector = Connector(parse(postgres_url), SystemClock())
    watchdog = Watchdog(clock)

    with closing(connector.connect()) as connection, closing(watchdog):

        def ask() -> None:
            sleeping.set()
            try:
                connection.execute("select pg_sleep(60)")
            except psycopg.OperationalError as error:
                failed.append(error)

        watchdog.watch(connection)
        asking = threading.Thread(target=ask)
        asking.start()
        assert sleeping.wait(10)
        watchdog.look()
        assert asking.is_alive()

        clock.advance(SILENT_SECONDS + 1)
        watchdog.look()
        asking.join(10)

    assert len(failed) == 1


def test_a_connection_in_use_is_not_cut_off(postgres_url: str) -> None:
    clock = FakeClock()
    with (
        closing(Connector(parse(postgres_url), SystemClock()).connect()) as connection,
        closing(Watchdog(clock)) as dog,
    ):
        dog.watch(connection)
        clock.advance(SILENT_SECONDS - 1)
        dog.touch(connection)
        clock.advance(SILENT_SECONDS - 1)

        dog.look()

        assert connection.execute("select 1").fetchone() == (1,)


# -- time-outs, with a pooler between us and without


def test_the_server_gives_up_before_we_do(postgres_url: str) -> None:
    with closing(Connector(parse(postgres_url), SystemClock()).connect()) as connection:
        shown = [
            connection.execute(f"show {name}").fetchone()
            for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
        ]

    assert shown == [("15s",), ("5s",), ("30s",)]


def test_the_planner_is_told_that_pages_are_at_hand(postgres_url: str) -> None:
    with closing(Connector(parse(postgres_url), SystemClock()).connect()) as connection:
        assert connection.execute("show random_page_cost").fetchone() == ("1.1",)


def test_a_pooler_that_refuses_options_gets_them_in_each_transaction(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = psycopg.connect

    def pooler(*args: object, **arguments: object) -> object:
        if "options" in arguments:
            raise psycopg.OperationalError("FATAL:  unsupported startup parameter: options")
        return connect(*args, **arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(psycopg, "connect", pooler)
    from jobsched_postgres.dialect import PostgresDialect

    dialect = PostgresDialect(parse(postgres_url), clock=None)
    with closing(dialect):
        inside = dialect.write(lambda connection: connection.exec_driver_sql("show statement_timeout").scalar_one())
        outside = dialect.read(lambda connection: connection.exec_driver_sql("show statement_timeout").scalar_one())

    assert (inside, outside) == ("15s", "0")


@pytest.mark.parametrize("pooler", [False, True])
def test_a_transaction_sees_what_others_have_committed_whatever_the_database_has_as_default(
    postgres_url: str,
    admin: "psycopg.Connection[tuple[object, ...]]",
    *,
    pooler: bool,
) -> None:
    from jobsched_postgres.dialect import PostgresDialect

    database = sql.Identifier(admin.info.dbname)
    admin.execute(sql.SQL("alter database {} set default_transaction_isolation = 'serializable'").format(database))
    seen = []

    def count_twice(connection: Any) -> None:
        counting = "select count(*) from jobsched_keys"
        seen.append(connection.exec_driver_sql(counting).scalar_one())
        admin.execute("insert into jobsched_keys (namespace, key, max_running) values ('default', 'k', 1)")
        seen.append(connection.exec_driver_sql(counting).scalar_one())

    with closing(PostgresDialect(parse(postgres_url), clock=None)) as dialect:
        dialect._connector._options_refused = pooler
        dialect.write(count_twice)

    assert seen == [0, 1]


def test_a_statement_by_itself_does_not_lose_to_another_whatever_the_database_has_as_default(
    postgres_url: str, admin: "psycopg.Connection[tuple[object, ...]]"
) -> None:
    database = sql.Identifier(admin.info.dbname)
    admin.execute(sql.SQL("alter database {} set default_transaction_isolation = 'serializable'").format(database))

    with closing(Connector(parse(postgres_url), SystemClock()).connect()) as connection:
        assert connection.execute("show transaction_isolation").fetchone() == ("read committed",)


# -- how texts and instants are written


def test_texts_and_instants_are_read_whatever_the_database_and_the_environment_say(
    postgres_url: str, admin: "psycopg.Connection[tuple[object, ...]]", monkeypatch: pytest.MonkeyPatch
) -> None:
    database = sql.Identifier(admin.info.dbname)
    admin.execute(sql.SQL("alter database {} set datestyle = 'SQL, DMY'").format(database))
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")

    with closing(open_store(postgres_url)) as store:
        store.enqueue([a_run(payload={"text": "\u65e5\u672c"})])
        found = runs(store)

    assert [(run.payload, run.created_at.tzinfo) for run in found] == [({"text": "\u65e5\u672c"}, UTC)]


def test_instants_that_a_pooler_leaves_in_another_style_are_refused_with_the_way_out(
    postgres_url: str, admin: "psycopg.Connection[tuple[object, ...]]"
) -> None:
    database = sql.Identifier(admin.info.dbname)
    admin.execute(sql.SQL("alter database {} set datestyle = 'German'").format(database))
    connector = Connector(parse(postgres_url), SystemClock())
    connector._options_refused = True

    with pytest.raises(StoreError, match=r"DateStyle is 'German, DMY' and has to be ISO: alter role"):
        connector.connect()


def test_a_database_of_another_encoding_is_refused_with_the_way_out(
    empty_postgres_url: str, admin: "psycopg.Connection[tuple[object, ...]]"
) -> None:
    parts = urlsplit(empty_postgres_url)
    admin.execute("create database latin encoding 'LATIN1' lc_collate 'C' lc_ctype 'C' template template0")
    try:
        with (
            closing(open_store(urlunsplit(parts._replace(path="/latin")))) as store,
            pytest.raises(StoreError, match=r"encoding is LATIN1, .* needs UTF8: create database"),
        ):
            store.schema()
    finally:
        admin.execute("drop database latin with (force)")


def prepared(store: Store) -> list[bytes]:
    """What the connection that is kept from one statement to the next has prepared on the server."""
    from jobsched_postgres.dialect import PostgresDialect

    dialect = store._dialect  # type: ignore[attr-defined]
    assert isinstance(dialect, PostgresDialect)
    return [row[0] for row in by_the_kept_connection(dialect, "select statement from pg_prepared_statements")]


def by_the_kept_connection(dialect: Any, statement: str) -> list[Any]:
    """By libpq itself: the driver would take note of what it sees."""
    pooled = dialect._direct.take()
    try:
        result = pooled.driver_connection.pgconn.exec_(statement.encode())
        return [(result.get_value(row, 0) or b"",) for row in range(result.ntuples)]
    finally:
        dialect._direct.give_back(pooled)


def test_only_what_runs_pass_through_by_the_thousand_is_prepared_on_the_server(store: Store) -> None:
    node = a_node(store)
    for _ in range(20):
        store.enqueue([a_run()])
        store.enqueue([a_run(key="k")])
        store.next_due(["default"])
        store.outlook(["default"])
        store.bury()
        store.finish([a_transition(one) for one in claim(store, node)])

    # Enqueue, claim, finish; not what is asked once in a while.
    assert {statement.split()[0] for statement in prepared(store)} == {b"with"}


def test_who_asks_again_is_given_the_connection_that_was_used_last(store: Store) -> None:
    direct = store._dialect._direct  # type: ignore[attr-defined]
    first = direct.take()
    second = direct.take()
    direct.give_back(first)
    direct.give_back(second)

    assert direct.take() is second
    assert direct.take() is first


def test_of_many_that_ask_at_once_few_keep_their_connections_from_the_pool(store: Store) -> None:
    dialect: Any = store._dialect  # type: ignore[attr-defined]
    taken = [dialect._direct.take() for _ in range(5)]

    for one in taken:
        dialect._direct.give_back(one)

    assert (len(dialect._direct._kept), dialect._engine.pool.checkedin()) == (3, 2)


def test_two_threads_may_find_at_once_that_what_was_kept_is_lost(store: Store) -> None:
    class TakenMeanwhile(list[Any]):
        def __len__(self) -> int:
            return 1

    direct = store._dialect._direct  # type: ignore[attr-defined]
    direct._kept = TakenMeanwhile()

    direct.drop()

    direct._kept = []


@pytest.mark.parametrize("lost", ["discard", "prepare"])
def test_a_connection_that_is_lost_before_the_statement_is_sent_costs_another_one(
    store: Store, admin: "psycopg.Connection[tuple[object, ...]]", monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    """Nothing was done, so nobody is told that something may have been."""
    node = a_node(store)
    store.enqueue([a_run()])
    dialect: Any = store._dialect  # type: ignore[attr-defined]
    pooled = dialect._direct.take()
    # As if the server went away after it was looked at.
    monkeypatch.setattr("jobsched_postgres.direct._Server.was_told_something", lambda _: False)
    pooled.info["jobsched_planned_at"] = float("-inf")
    pooled.info.pop("jobsched_server", None)  # nor is it known to have anything prepared
    dialect._direct.give_back(pooled)
    assert terminate_all(admin) > 0

    if lost == "discard":
        assert len(claim(store, node)) == 1
    else:
        store.enqueue([a_run()])
        assert len(runs(store)) == 2


def test_what_is_prepared_is_planned_anew_once_a_second(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    connector, info = Connector(parse(postgres_url), clock), dict[Any, Any]()
    with closing(connector.connect()) as connection:
        connection.prepare_threshold = 5
        statements: list[str] = []
        monkeypatch.setattr(connection, "execute", statements.append)
        connector.plan_anew(connection, info)
        clock.advance(timedelta(seconds=0.5))
        connector.plan_anew(connection, info)
        before = list(statements)
        clock.advance(timedelta(seconds=1))
        connector.plan_anew(connection, info)

    assert (before, statements) == ([], ["discard plans"])


def test_nothing_is_prepared_where_a_pooler_is_between_us(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psycopg.ConnectionInfo, "backend_pid", 4711)

    for _ in range(20):
        store.enqueue([a_run()])

    assert prepared(store) == []


def test_a_pooler_that_was_not_seen_and_forgets_what_was_prepared_loses_no_run(store: Store) -> None:
    store.enqueue([a_run()])
    by_the_kept_connection(store._dialect, "deallocate all")  # type: ignore[attr-defined]

    store.enqueue([a_run()])
    store.enqueue([a_run()])

    assert len(runs(store)) == 3
    assert prepared(store) == []


def test_of_two_threads_that_find_such_a_pooler_at_once_neither_fails(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    dialect: Any = store._dialect  # type: ignore[attr-defined]
    asked: list[object] = []

    def work(pooled: object) -> list[Any]:
        asked.append(pooled)
        dialect._connector.prepare_nothing()  # as the other one does meanwhile
        if len(asked) == 1:
            raise errors.InvalidSqlStatementName
        return [1]

    assert dialect._alone(work) == [1]
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_a_rollback_on_a_connection_of_the_pool_costs_no_statement_its_preparation(store: Store) -> None:
    node = a_node(store)
    store.enqueue([a_run()])
    store.finish([a_transition(one) for one in claim(store, node)])
    dialect = store._dialect  # type: ignore[attr-defined]
    before = prepared(store)
    dialect._direct._kept.pop()[1].close()  # to the pool, as when two threads ask at once

    def fail(connection: Any) -> None:
        connection.exec_driver_sql("select 1")
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - our own
        dialect.write(fail)
    store.enqueue([a_run()])

    assert prepared(store) == before
    assert len(runs(store)) == 2


def test_a_server_that_has_become_a_standby_is_left_at_once(store: Store) -> None:
    """A connection to it that rests is found out by the first statement, and no second one is sent to it."""
    store.enqueue([a_run()])
    by_the_kept_connection(store._dialect, "set default_transaction_read_only = on")  # type: ignore[attr-defined]

    with pytest.raises(StoreUnavailableError):
        store.enqueue([a_run()])
    store.enqueue([a_run()])

    assert len(runs(store)) == 2


# -- races that only several connections can have


def test_a_transaction_that_loses_a_deadlock_is_made_again(
    store: Store, admin: "psycopg.Connection[tuple[object, ...]]", postgres_url: str
) -> None:
    """Two syncs of keys in opposite orders, the other one by hand."""
    store.enqueue([a_run(key="a"), a_run(key="b")])
    done = threading.Event()

    def other() -> None:
        with psycopg.connect(postgres_url) as connection, suppress(errors.DeadlockDetected):
            connection.execute("select 1 from jobsched_keys where key = 'b' for update")
            held.set()
            assert waiting.wait(10)
            connection.execute("select 1 from jobsched_keys where key = 'a' for update")
        done.set()

    held, waiting = threading.Event(), threading.Event()
    thread = threading.Thread(target=other)
    thread.start()
    assert held.wait(10)
    enqueueing = threading.Thread(target=lambda: store.enqueue([a_run(key="a"), a_run(key="b")]))
    enqueueing.start()
    _until_somebody_waits(admin)
    waiting.set()
    enqueueing.join(20)
    thread.join(20)

    assert done.is_set()
    assert len(runs(store)) == 4


def _until_somebody_waits(admin: "psycopg.Connection[tuple[object, ...]]") -> None:
    blocked = "select count(*) from pg_locks where not granted"
    while admin.execute(blocked).fetchone() == (0,):
        continue


def test_a_holder_that_finishes_while_it_is_counted_leaves_nobody_blocked(
    store: Store, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It finishes after the new run's transaction counted it, and admits before it can see the new run."""
    from jobsched.model.run import RunState
    from jobsched.testing.builders import a_job, a_limited_job, a_node, a_transition, claim, given_jobs, states
    from jobsched_postgres.dialect import PostgresDialect

    job = a_limited_job(limit=1)
    given_jobs(store, job, a_job("other"))
    store.enqueue([a_trigger(job)])
    [running] = claim(store, a_node(store))
    loads = PostgresDialect.loads

    with closing(open_store(postgres_url)) as finisher:

        def finish_after_counting(self: PostgresDialect, *args: object) -> object:
            counted = loads(self, *args)  # type: ignore[arg-type]
            monkeypatch.undo()
            finisher.finish([a_transition(running)])
            finisher.admit(["default"], ["job:nightly"])
            return counted

        monkeypatch.setattr(PostgresDialect, "loads", finish_after_counting)
        store.enqueue([a_trigger(job)])

    assert states(store) == [RunState.SUCCEEDED, RunState.PENDING]


def test_a_full_disk_of_the_server_is_said_in_words() -> None:
    said = told("postgresql://here/db", errors.DiskFull("could not extend file: No space left on device"))

    assert isinstance(said, StoreUnavailableError)
    assert str(said) == (
        "postgresql://here/db: could not extend file: No space left on device; the server's disk is full: make room there"
    )
