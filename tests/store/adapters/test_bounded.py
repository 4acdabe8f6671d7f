"""The database stays as large as what is kept, however much comes and goes: rows and pages are counted, never time."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from jobsched.model.job import History
from jobsched.model.run import LogLine
from jobsched.runner.pruner import Pruner
from jobsched.store.open import open_store
from jobsched.store.port import Store
from jobsched.testing.builders import (
    START,
    a_free_job,
    a_node,
    a_retry,
    a_transition,
    a_trigger,
    claim,
    given_jobs,
    runs,
)
from jobsched.testing.clock import FakeClock

KEPT = 50
JOB = a_free_job("churn", history=History(success=KEPT))


@pytest.fixture
def store(database_url: str, clock: FakeClock) -> Iterator[Store]:
    with closing(open_store(database_url, clock=clock)) as opened:
        given_jobs(opened, JOB)
        yield opened


@pytest.fixture
def pages(database_url: str) -> Callable[[], int]:
    """How large all of it is, after what autovacuum does of itself when so much has died."""

    def of_file() -> int:
        with closing(sqlite3.connect(database_url.removeprefix("sqlite:///"))) as file:
            return int(file.execute("pragma page_count").fetchone()[0])

    def of_server() -> int:
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute("vacuum jobsched_runs, jobsched_run_logs, jobsched_nodes, jobsched_jobs")
            row = connection.execute(
                "select sum(pg_total_relation_size(oid)) / 8192 from pg_class where relname like 'jobsched%' and relkind = 'r'"
            ).fetchone()
        assert row is not None
        return int(row[0])

    return of_file if database_url.startswith("sqlite") else of_server


def churn(store: Store, clock: FakeClock, count: int) -> None:
    """Runs come, are tried twice, write a little, end, and go when there are too many."""
    store.enqueue([a_trigger(JOB, max_attempts=2, payload={"text": "x" * 200})] * count)
    node, pruner = a_node(store), Pruner(store, clock, ["default"])
    while claimed := claim(store, node):
        store.heartbeat(node, {"running": len(claimed)})
        store.append_log([LogLine(one.id, one.attempt, 0, START, "log", "y" * 100) for one in claimed])
        first = [a_retry(one, clock.now()) for one in claimed if one.attempt == 1]
        store.finish(first + [a_transition(one) for one in claimed if one.attempt == 2])
        clock.advance(1)
        store.promote(["default"], count)
    store.leave(node)
    pruner.touch([("default", "churn")])
    pruner()


def test_churn_leaves_what_is_kept_and_makes_the_database_no_larger(
    store: Store, clock: FakeClock, pages: Callable[[], int]
) -> None:
    sizes = []
    for _ in range(8):
        churn(store, clock, 300)
        sizes.append(pages())

    assert len(runs(store)) == KEPT
    assert sum(len(store.log(run.id)) for run in runs(store)) == 2 * KEPT
    assert sizes[-1] <= sizes[2] * 1.1, sizes


def test_heartbeats_make_the_table_of_nodes_no_larger(store: Store, pages: Callable[[], int]) -> None:
    nodes = [a_node(store) for _ in range(10)]
    before = pages()

    for _ in range(50):
        for node in nodes:
            store.heartbeat(node, {"running": 1})

    assert pages() == before


def test_history_does_not_keep_autovacuum_from_dead_rows(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        found = connection.execute("select relname, reloptions from pg_class where relkind = 'r'").fetchall()
    options = {name: chosen for name, chosen in found}  # noqa: C416 - of two columns

    for table in ("jobsched_runs", "jobsched_run_logs", "jobsched_jobs"):
        assert set(options[table]) == {"autovacuum_vacuum_scale_factor=0.01", "autovacuum_vacuum_threshold=1000"}
    assert options["jobsched_nodes"] == ["fillfactor=50"]


def test_heartbeats_touch_no_index(postgres_url: str) -> None:
    with closing(open_store(postgres_url)) as store, psycopg.connect(postgres_url, autocommit=True) as connection:
        node = a_node(store)
        for number in range(200):
            store.heartbeat(node, {"running": number})
        connection.execute("vacuum jobsched_nodes")
        row = connection.execute("select pg_relation_size('jobsched_nodes_pk') / 8192").fetchone()

    assert row == (2,), "the page of a tree's facts, and one of rows"


def test_the_log_of_a_file_is_emptied_once_nobody_reads_it(sqlite_url: str) -> None:
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    log = path.with_name(path.name + "-wal")
    with closing(open_store(sqlite_url)) as store:
        with closing(sqlite3.connect(path, isolation_level=None)) as reader:
            reader.execute("begin")
            reader.execute("select count(*) from jobsched_runs").fetchall()
            store.enqueue([a_trigger(JOB)] * 500)

            store.tidy()
            held = log.stat().st_size
        store.tidy()
        freed = log.stat().st_size

    assert (held > 0, freed) == (True, 0)
