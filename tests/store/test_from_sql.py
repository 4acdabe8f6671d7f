"""Runs that SQL makes: the function on PostgreSQL, and the documented INSERT on SQLite."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from jobsched.client import Client
from jobsched.model.queue import QueueLimits, Rate
from jobsched.model.run import RunState, Source
from jobsched.testing.builders import a_change, a_node, claim

PAGE = Path(__file__).parents[2] / "docs" / "runs.md"


@pytest.fixture
def sql(postgres_url: str) -> Iterator["psycopg.Connection[Any]"]:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def client(postgres_url: str) -> Iterator[Client]:
    with Client(postgres_url) as client:
        yield client


def made_by(sql: "psycopg.Connection[Any]", call: str) -> int:
    row = sql.execute(f"select {call}".encode()).fetchone()
    assert row is not None
    made: int = row[0]
    return made


def test_sql_makes_a_run_with_the_defaults(sql: "psycopg.Connection[Any]", client: Client) -> None:
    made = made_by(sql, "jobsched_enqueue('ship')")

    [run] = client.runs()
    assert (run.id, run.handler, run.payload, run.queue, run.priority) == (made, "ship", {}, "default", 0)
    assert (run.state, run.source, run.max_attempts) == (RunState.PENDING, Source.ENQUEUE, 1)
    assert [one.id for one in claim(client.store, a_node(client.store))] == [made]


def test_sql_says_all_that_a_program_can(sql: "psycopg.Connection[Any]", client: Client) -> None:
    made = made_by(
        sql,
        """jobsched_enqueue('ship', json_build_object('order', 7), queue => 'mail', priority => -1,
        run_at => '2099-01-01T00:00:00Z', max_attempts => 3, unique_key => 'k', concurrency_key => 'c',
        timeout => '1.5 seconds', unique_for => '10 minutes', tags => array['shop', 'eu'], batch => 'b')""",
    )

    run = client.run(made)
    assert (run.payload, run.queue, run.priority, run.max_attempts) == ({"order": 7}, "mail", -1, 3)
    assert (run.state, run.available_at.year) == (RunState.SCHEDULED, 2099)
    assert (run.timeout, run.tags, run.batch) == (timedelta(seconds=1.5), ("shop", "eu"), "b")
    assert run.unique_until is not None
    assert abs(run.unique_until - run.created_at - timedelta(minutes=10)) < timedelta(seconds=1)
    assert [one.id for one in client.runs(tag="eu")] == [made]
    assert client.enqueue("ship", unique_key="k").id == made


def test_a_taken_unique_key_gives_sql_the_run_that_has_it(sql: "psycopg.Connection[Any]", client: Client) -> None:
    first = client.enqueue("ship", unique_key="k")

    assert made_by(sql, "jobsched_enqueue('ship', unique_key => 'k')") == first.id
    assert len(client.runs()) == 1


def test_sql_meets_a_unique_key_that_is_kept_and_frees_it_when_its_time_is_over(
    sql: "psycopg.Connection[Any]", client: Client
) -> None:
    call = "jobsched_enqueue('ship', unique_key => 'k', unique_for => '1 hour')"
    first = made_by(sql, call)
    client.cancel(first)

    within = made_by(sql, call)
    sql.execute("update jobsched_runs set unique_until = now()")
    after = made_by(sql, call)

    assert within == first
    assert after != first
    assert client.run(first).unique_until is None


def test_a_run_of_sql_gets_its_place_by_promotion(sql: "psycopg.Connection[Any]", client: Client) -> None:
    first = made_by(sql, "jobsched_enqueue('ship', concurrency_key => 'k')")
    second = made_by(sql, "jobsched_enqueue('ship', concurrency_key => 'k')")

    client.store.promote(["default"], 10)

    assert [client.run(id_).state for id_ in (first, second)] == [RunState.PENDING, RunState.BLOCKED]


def test_a_trigger_enqueues_exactly_what_is_committed(sql: "psycopg.Connection[Any]", client: Client) -> None:
    sql.execute("create table orders (id integer)")
    sql.execute(
        """create function ship() returns trigger language plpgsql as $$
        begin perform jobsched_enqueue('orders.ship', json_build_object('order', new.id)); return new; end $$"""
    )
    sql.execute("create trigger ship after insert on orders for each row execute function ship()")
    sql.execute("listen jobsched")

    with sql.transaction(force_rollback=True):
        sql.execute("insert into orders values (1)")
    sql.execute("insert into orders values (2), (3)")

    assert [run.payload for run in client.runs()] == [{"order": 3}, {"order": 2}]
    assert [told.payload for told in sql.notifies(timeout=20, stop_after=1)] == ["runs"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("'ship', '[1]'", "a payload is a JSON object"),
        ("'ship', null", "a payload is a JSON object"),
        ("'ship', json_build_object('text', repeat('x', 1048576))", "more than 1 MiB"),
        ("'ship', max_attempts => 0", "max_attempts is at least 1"),
        ("''", "a handler is a registered name"),
        ("'ship', timeout => '0 seconds'", "timeout and unique_for are more than 0"),
        ("'ship', unique_for => '1 hour'", "unique_for needs a unique_key"),
        ("'ship', tags => array['a', null]", "at most 32 tags of 1 to 64 characters"),
        ("'ship', tags => array_fill('x'::text, array[33])", "at most 32 tags"),
        ("'ship', batch => ''", "the name of a batch has 1 to 200 characters"),
        ("""'{"shell": "true"}'""", "a handler is a registered name"),
    ],
)
def test_what_sql_asks_wrongly_is_refused_in_words(
    sql: "psycopg.Connection[Any]", client: Client, arguments: str, words: str
) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue, match=words):
        made_by(sql, f"jobsched_enqueue({arguments})")

    assert client.runs() == []


def test_a_full_queue_refuses_sql_in_words(sql: "psycopg.Connection[Any]", client: Client) -> None:
    client.store.apply(a_change(queues={"mail": QueueLimits(max_queued=1)}))
    first = made_by(sql, "jobsched_enqueue('ship', queue => 'mail', unique_key => 'k')")

    with pytest.raises(psycopg.errors.ConfigurationLimitExceeded, match="queue mail is full") as refused:
        made_by(sql, "jobsched_enqueue('ship', queue => 'mail')")

    assert "raise settings.queues.mail.max_queued" in str(refused.value.diag.message_hint)
    assert made_by(sql, "jobsched_enqueue('ship', queue => 'mail', unique_key => 'k')") == first
    assert [run.state for run in client.runs()] == [RunState.PENDING]


def test_a_run_of_sql_waits_for_the_rate_of_its_queue(sql: "psycopg.Connection[Any]", client: Client) -> None:
    client.store.apply(a_change(queues={"mail": QueueLimits(rate=Rate(1, timedelta(hours=1)))}))
    made = [made_by(sql, "jobsched_enqueue('ship', queue => 'mail')") for _ in range(2)]

    client.store.promote(["default"], 10)

    assert [client.run(id_).state for id_ in made] == [RunState.PENDING, RunState.BLOCKED]


def documented(heading: str) -> str:
    block = re.search(rf"```sql\n(-- {heading}\n.*?)```", PAGE.read_text(), re.DOTALL)
    assert block is not None
    return block[1]


def executed(sqlite_url: str, script: str) -> None:
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as connection:
        connection.executescript(script)


def test_the_documented_insert_makes_a_run_on_sqlite(sqlite_url: str) -> None:
    before = Client(sqlite_url)
    first = before.enqueue("ship")

    executed(sqlite_url, documented("SQLite"))
    before.store.promote(["default"], 10)
    last = before.enqueue("ship")

    newest, run, oldest = before.runs()
    tagged, batch = before.runs(tag="shop"), before.batch("import-42")
    before.close()
    assert (tagged, batch.counts, run.timeout) == ([run], {RunState.PENDING: 1}, timedelta(seconds=30))
    assert (newest.id, oldest.id) == (last.id, first.id)
    assert (run.handler, run.payload, run.state) == ("orders.ship", {"order": 7}, RunState.PENDING)
    assert abs((run.available_at - oldest.available_at).total_seconds()) < 3600


def test_the_documented_insert_with_a_unique_key_makes_one_run_on_sqlite(sqlite_url: str) -> None:
    script = documented("SQLite, with a unique key")
    with Client(sqlite_url) as client:
        executed(sqlite_url, script)
        [first] = client.runs()
        client.cancel(first.id)

        executed(sqlite_url, script)
        within = client.enqueue("orders.ship", unique_key="order-7")
        executed(sqlite_url, "update jobsched_runs set unique_until = created_at")
        executed(sqlite_url, script)

        assert first.unique_until == first.created_at + timedelta(minutes=10)
        assert (within.id, within.existing) == (first.id, True)
        assert [run.unique_until is None for run in client.runs()] == [False, True]
