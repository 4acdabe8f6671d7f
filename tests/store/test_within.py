"""Runs that are made in the caller's own transaction: they exist exactly if it commits."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.orm import Session

from jobsched.client import Client
from jobsched.errors import EnqueueError, PayloadError, QueueFull, SchemaError
from jobsched.model.enqueue import Enqueue
from jobsched.model.queue import QueueLimits
from jobsched.model.run import Created, RunState
from jobsched.store.open import open_store
from jobsched.store.port import Store
from jobsched.testing.builders import a_change, a_node, a_run, claim


@dataclass
class Shop:
    """A program with a table of its own beside ours, and its ways to reach the database."""

    url: str
    client: Client
    engine: Engine

    @property
    def store(self) -> Store:
        return self.client.store

    def raw(self) -> Any:
        if self.url.startswith("sqlite"):
            return sqlite3.connect(self.url.removeprefix("sqlite:///"))
        return psycopg.connect(self.url)

    def orders(self) -> int:
        with self.engine.connect() as connection:
            count: int = connection.execute(text("select count(*) from orders")).scalar_one()
            return count


@pytest.fixture
def shop(database_url: str) -> Iterator[Shop]:
    engine = create_engine(database_url.replace("postgresql:", "postgresql+psycopg:", 1))
    with engine.begin() as connection:
        connection.execute(text("create table orders (id integer)"))
    store = open_store(database_url)
    yield Shop(database_url, Client(store), engine)
    store.close()
    engine.dispose()


def by_sqlalchemy(shop: Shop, *, commit: bool) -> None:
    with shop.engine.connect() as connection:
        connection.execute(text("insert into orders values (1)"))
        shop.client.enqueue("ship", {"order": 1}, connection=connection)
        if commit:
            connection.commit()


def by_first_thing_in_sqlalchemy(shop: Shop, *, commit: bool) -> None:
    with shop.engine.connect() as connection:
        shop.client.enqueue("ship", {"order": 1}, connection=connection)
        connection.execute(text("insert into orders values (1)"))
        if commit:
            connection.commit()


def by_session(shop: Shop, *, commit: bool) -> None:
    with Session(shop.engine) as session:
        shop.client.enqueue("ship", {"order": 1}, connection=session)
        session.execute(text("insert into orders values (1)"))
        if commit:
            session.commit()


def by_driver(shop: Shop, *, commit: bool) -> None:
    with closing(shop.raw()) as connection:
        shop.client.enqueue("ship", {"order": 1}, connection=connection)
        connection.execute("insert into orders values (1)")
        if commit:
            connection.commit()


WAYS = [by_sqlalchemy, by_first_thing_in_sqlalchemy, by_session, by_driver]


@pytest.mark.parametrize("way", WAYS)
def test_a_run_exists_once_the_callers_transaction_commits(shop: Shop, way: Callable[..., None]) -> None:
    way(shop, commit=True)

    [run] = shop.client.runs()
    assert (run.handler, run.payload, run.state) == ("ship", {"order": 1}, RunState.PENDING)
    assert shop.orders() == 1


@pytest.mark.parametrize("way", WAYS)
def test_no_run_is_left_of_a_transaction_that_was_rolled_back(shop: Shop, way: Callable[..., None]) -> None:
    way(shop, commit=False)

    assert shop.client.runs() == []
    assert shop.orders() == 0


def test_nobody_sees_the_run_before_the_commit(shop: Shop) -> None:
    with closing(shop.raw()) as connection:
        made = shop.client.enqueue("ship", connection=connection)
        before = shop.client.runs()
        connection.commit()

    assert before == []
    assert [run.id for run in shop.client.runs()] == [made.id]


def test_rows_of_other_shapes_do_not_disturb(shop: Shop) -> None:
    with closing(shop.raw()) as connection:
        connection.row_factory = sqlite3.Row if shop.url.startswith("sqlite") else dict_row
        shop.client.enqueue_many([Enqueue("ship", unique_key="1"), Enqueue("ship")], connection=connection)
        connection.commit()

    assert len(shop.client.runs()) == 2


def test_a_unique_key_holds_in_the_callers_transaction(shop: Shop) -> None:
    first = shop.client.enqueue("ship", unique_key="1")

    with closing(shop.raw()) as connection:
        again, twin, other = shop.client.enqueue_many(
            [Enqueue("ship", unique_key="1"), Enqueue("ship", unique_key="2"), Enqueue("ship", unique_key="2")],
            connection=connection,
        )
        connection.commit()

    assert (again.id, again.existing) == (first.id, True)
    assert (twin.existing, other.existing, other.id) == (False, True, twin.id)


def test_a_unique_key_whose_time_is_over_is_free_in_the_callers_transaction(shop: Shop) -> None:
    first = shop.client.enqueue("ship", unique_key="1", unique_for="1h", batch="b", tags=["t"])
    shop.client.cancel(first.id)

    def again(*, commit: bool) -> list[Created]:
        with closing(shop.raw()) as connection:
            wanted = [Enqueue("ship", unique_key="1", batch="b", tags=["t"])] * 2
            made = shop.client.enqueue_many(wanted, connection=connection)
            if commit:
                connection.commit()
            return made

    within = again(commit=True)
    with shop.engine.begin() as connection:
        connection.execute(text("update jobsched_runs set unique_until = created_at"))
    again(commit=False)
    made, twin = again(commit=True)

    assert [one.id for one in within] == [first.id] * 2
    assert (made.existing, twin.existing, twin.id, made.id == first.id) == (False, True, made.id, False)
    assert [run.id for run in shop.client.runs(tag="t")] == [made.id, first.id]


def test_what_needs_a_place_is_scheduled_for_now_and_locks_nothing(shop: Shop) -> None:
    with closing(shop.raw()) as connection:
        made = shop.client.enqueue("ship", concurrency_key="k", connection=connection)
        if not shop.url.startswith("sqlite"):  # which has one writer anyway
            shop.client.enqueue("other", concurrency_key="k", delay=3600)
        connection.commit()
    shop.store.promote(["default"], 10)

    assert made.state is RunState.SCHEDULED
    assert shop.client.run(made.id).state is RunState.PENDING
    assert [one.id for one in claim(shop.store, a_node(shop.store))] == [made.id]


def test_a_mistake_leaves_the_callers_transaction_as_it_was(shop: Shop) -> None:
    with closing(shop.raw()) as connection:
        connection.execute("insert into orders values (1)")
        with pytest.raises(PayloadError):
            shop.client.enqueue("ship", {"set": {1}}, connection=connection)
        with pytest.raises(PayloadError):
            shop.store.enqueue([a_run(), a_run(payload={"no": object()})], connection)
        connection.commit()

    assert shop.client.runs() == []
    assert shop.orders() == 1


def test_a_full_queue_refuses_in_the_callers_transaction_and_leaves_it_as_it_was(shop: Shop) -> None:
    shop.store.apply(a_change(queues={"mail": QueueLimits(max_queued=2)}))
    with shop.engine.connect() as connection:
        connection.execute(text("insert into orders values (1)"))
        shop.client.enqueue("ship", queue="mail", connection=connection)
        with pytest.raises(QueueFull) as refused:
            shop.client.enqueue_many([Enqueue("ship", queue="mail")] * 2, connection=connection)
        connection.commit()

    assert (refused.value.depth, refused.value.limit) == (1, 2)
    assert (shop.orders(), len(shop.client.runs())) == (1, 1)


@pytest.mark.parametrize("given", ["sqlite:///x.db", 7])
def test_what_is_no_connection_is_refused_in_words(shop: Shop, given: object) -> None:
    with pytest.raises(EnqueueError, match=r"connection= takes a connection of (sqlite3|psycopg), or an SQLAlchemy"):
        shop.client.enqueue("ship", connection=given)


def test_a_connection_that_commits_by_itself_is_refused(shop: Shop) -> None:
    with closing(shop.raw()) as connection:
        if shop.url.startswith("sqlite"):
            connection.isolation_level = None
        else:
            connection.autocommit = True
        with pytest.raises(EnqueueError, match="no open transaction"):
            shop.client.enqueue("ship", connection=connection)

    assert shop.client.runs() == []


def test_a_transaction_that_was_begun_by_hand_is_used(shop: Shop) -> None:
    with shop.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("begin")
        shop.client.enqueue("ship", connection=connection)
        connection.exec_driver_sql("rollback")

    assert shop.client.runs() == []


def test_a_connection_to_another_file_is_refused(sqlite_url: str) -> None:
    with (
        Client(sqlite_url) as client,
        closing(sqlite3.connect(":memory:")) as connection,
        pytest.raises(EnqueueError, match="open on a database in memory, the client on sqlite:///"),
    ):
        client.enqueue("ship", connection=connection)


def test_a_client_of_a_file_that_does_not_exist_refuses_any_connection(sqlite_url: str, empty_sqlite_url: str) -> None:
    with (
        Client(empty_sqlite_url) as client,
        closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as connection,
        pytest.raises(EnqueueError, match=r"open on .*jobsched.db, the client on sqlite:///.*empty.db"),
    ):
        client.enqueue("ship", connection=connection)


def test_a_connection_to_a_database_without_our_tables_is_refused(postgres_url: str, empty_postgres_url: str) -> None:
    with (
        Client(postgres_url) as client,
        psycopg.connect(empty_postgres_url) as connection,
        pytest.raises(SchemaError),
    ):
        client.enqueue("ship", connection=connection)


def test_nodes_are_told_when_the_callers_transaction_commits(postgres_url: str) -> None:
    with (
        Client(postgres_url) as client,
        psycopg.connect(postgres_url, autocommit=True) as listener,
        psycopg.connect(postgres_url) as connection,
    ):
        listener.execute("listen jobsched")
        client.enqueue("ship", connection=connection)
        connection.commit()

        [told] = listener.notifies(timeout=20, stop_after=1)

    assert told.payload == "runs"
