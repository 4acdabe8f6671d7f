"""Questions that are asked all the time are answered by the index that is there for them, however much work is done."""

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, event
from sqlalchemy.engine import Engine

from jobsched.model.job import History
from jobsched.model.run import RunFilter, RunState
from jobsched.store.open import open_store
from jobsched.store.port import ClaimWish, Retention, Store
from jobsched.testing.builders import (
    MINUTE,
    START,
    a_change,
    a_firing,
    a_job,
    a_node,
    a_pause,
    a_run,
    a_slot,
    a_transition,
    claim,
)
from jobsched_postgres import direct
from jobsched_sqlite.connections import Driver

AD_HOC = Retention(
    namespace="default", job=None, history=History(), ad_hoc_ages={RunState.SUCCEEDED: timedelta(days=1)}
)


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """2,000 finished runs, 200 scheduled and 200 pending ones, 200 jobs."""
    with closing(open_store(database_url)) as opened:
        # Else plans depend on when the server looks at the table by itself: while all of them are running, say.
        alter(opened, "alter table jobsched_runs set (autovacuum_enabled = false)")
        opened.apply(a_change(*[a_job(f"job-{number}") for number in range(200)]))
        opened.enqueue([a_run()] * 2000)
        node = a_node(opened)
        while claimed := claim(opened, node):
            opened.finish([a_transition(one) for one in claimed])
        later = opened.now().replace(year=2100)
        opened.enqueue([a_run(queue="quick")] * 200 + [a_run(available_at=later)] * 200)
        yield opened
        alter(opened, "alter table jobsched_runs reset (autovacuum_enabled)")


def alter(store: Any, statement: str) -> None:
    """PostgreSQL alone knows it."""
    if store._dialect.sql_name == "postgresql":
        store._dialect.write(lambda connection: connection.exec_driver_sql(statement))


def plan_of(store: Store, ask: Any) -> str:
    """The plans of all statements that `ask` executes."""
    plans: list[str] = []

    def explain(connection: Connection, _cursor: Any, statement: str, parameters: Any, _: Any, many: bool) -> None:
        if statement.lower().startswith(("begin", "explain", "pragma", "savepoint", "select clock", "show")):
            return
        prefix = "explain query plan " if connection.dialect.name == "sqlite" else "explain "
        cursor = connection.connection.cursor()
        cursor.execute(prefix + statement, parameters[0] if many else parameters)
        plans.extend(str(row) for row in cursor.fetchall())
        cursor.close()

    event.listen(Engine, "before_cursor_execute", explain)
    try:
        with explained_by_the_driver(plans):
            ask()
    finally:
        event.remove(Engine, "before_cursor_execute", explain)
    return "\n".join(plans)


@contextmanager
def explained_by_the_driver(plans: list[str]) -> Iterator[None]:
    """What adapters ask without SQLAlchemy."""

    execute = psycopg.Connection.execute

    def explaining(connection: Any, statement: Any, *args: Any, **options: Any) -> Any:
        if "jobsched_runs" in statement or "jobsched_jobs" in statement:
            plans.extend(str(row) for row in execute(connection, "explain " + statement, *args).fetchall())
        return execute(connection, statement, *args, **options)

    execute_named = direct.execute_named

    def explaining_named(pooled: Any, statement: str, asked: Any, *, binary: bool) -> Any:
        plan = execute(pooled.driver_connection, "explain " + statement, asked).fetchall()
        plans.extend(str(row) for row in plan)
        return execute_named(pooled, statement, asked, binary=binary)

    execute_once = direct.execute_once

    def explaining_once(pooled: Any, statement: str, asked: Any) -> Any:
        plans.extend(str(row) for row in execute(pooled.driver_connection, "explain " + statement, asked).fetchall())
        return execute_once(pooled, statement, asked)

    ask = Driver.exec_driver_sql

    def asking(driver: Driver, statement: str, parameters: Any = ()) -> Any:
        if "jobsched_runs" in statement:
            one = parameters[0] if isinstance(parameters, list) else parameters
            plans.extend(str(row) for row in ask(driver, "explain query plan " + statement, one).fetchall())
        return ask(driver, statement, parameters)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Driver, "exec_driver_sql", asking)
        patch.setattr(psycopg.Connection, "execute", explaining)
        patch.setattr("jobsched_postgres.dialect.execute_named", explaining_named)
        patch.setattr("jobsched_postgres.dialect.execute_once", explaining_once)
        yield


def test_ad_hoc_history_is_pruned_without_reading_what_is_kept(store: Store) -> None:
    plan = plan_of(store, lambda: store.prune([AD_HOC], 10))

    assert "jobsched_runs_finished_ad_hoc" in plan
    assert "jobsched_runs_finished_of_jobs" in plan, "for what is left of jobs that are gone"
    # The condition of the first, in the words of either database.
    assert any(re.search(r"namespace\W.*\bstate\W.*\bfinished_at *<", line) for line in plan.splitlines()), plan


@pytest.mark.parametrize(
    ("ask", "index"),
    [
        (lambda store: claim(store, 1, 10), "jobsched_runs_pending"),
        (lambda store: claim(store, 1, 10, queues=["quick"]), "jobsched_runs_pending_by_queue"),
        (lambda store: claim(store, 1, 10, paused=[a_pause("queue", "mail")]), "jobsched_runs_pending_by_queue"),
        (lambda store: store.promote(["default"], 10), "jobsched_runs_scheduled"),
        (lambda store: store.owned(1), "jobsched_runs_running"),
        (lambda store: store.admit(["default"]), "jobsched_runs_blocked"),
        (lambda store: store.next_due(["default"]), "jobsched_jobs_due"),
        (lambda store: store.due(["default"], START, 10), "jobsched_jobs_due"),
        (lambda store: store.counts(["default"]), "jobsched_runs_pending"),
        (lambda store: store.enqueue([a_run(key="k")]), "jobsched_runs_admitted"),
        (lambda store: store.enqueue([a_run(key="k")]), "jobsched_runs_abandoned"),
        (lambda store: store.bury(), "jobsched_runs_abandoned"),
        (lambda store: store.bury(), "jobsched_runs_running"),
        (lambda store: store.outlook(["default"]), "jobsched_runs_pending"),
        (lambda store: store.outlook(["default"]), "jobsched_runs_scheduled"),
        (lambda store: store.leave(1), "jobsched_runs_abandoned"),
    ],
    ids=[
        "claim",
        "claim of queues",
        "claim beside a paused queue",
        "promote",
        "owned",
        "admit",
        "next_due",
        "due",
        "counts",
        "places",
        "abandoned places",
        "bury",
        "bury who owns runs",
        "outlook of pending runs",
        "outlook of scheduled runs",
        "leave",
    ],
)
def test_a_poll_reads_only_what_is_unfinished(store: Store, ask: Any, index: str) -> None:
    plan = plan_of(store, lambda: ask(store))

    assert index in plan
    assert "Seq Scan on jobsched_runs" not in plan
    assert "SCAN jobsched_runs\n" not in plan + "\n"


@pytest.mark.parametrize("namespaces", [("default",), ("default", "other")])
def test_of_a_few_hundred_runs_none_is_read_but_what_is_claimed(postgres_url: str, namespaces: tuple[str, ...]) -> None:
    """By the server's own costs it would read them all until there are thousands."""
    with closing(open_store(postgres_url)) as store:
        alter(store, "alter table jobsched_runs set (autovacuum_enabled = false)")
        store.enqueue([a_run()] * 300)

        plan = plan_of(store, lambda: claim(store, 1, 8, generations=dict.fromkeys(namespaces)))

        alter(store, "alter table jobsched_runs reset (autovacuum_enabled)")
    assert "jobsched_runs_pk" in plan
    assert "jobsched_runs_pending" in plan
    assert "Seq Scan on jobsched_runs" not in plan


def test_a_fire_looks_jobs_and_keys_up_by_their_names(store: Store) -> None:
    stored = {one.job.name: one for one in store.jobs("default")}
    firings = [a_firing(stored[name], a_slot(stored[name].job, START + MINUTE)) for name in ("job-1", "job-2")]

    plan = plan_of(store, lambda: store.fire(firings))

    if "SEARCH" in plan:
        assert "SEARCH jobsched_jobs USING INDEX" in plan
        assert "SCAN jobsched_jobs" not in plan
        assert "SCAN r" not in plan
    else:
        assert "Seq Scan on jobsched_runs" not in plan
    assert "jobsched_runs_admitted" in plan


def test_what_is_fired_and_claimed_reads_neither_all_pauses_nor_all_runs(store: Store) -> None:
    store.pause([a_pause("job", f"job-{number}") for number in range(100, 200)])
    [stored] = store.jobs("default", ["job-1"])
    wish = ClaimWish(node=a_node(store), generations={"default": 1}, limit=1)

    plan = plan_of(store, lambda: store.fire_and_claim([a_firing(stored, a_slot(stored.job, START + MINUTE))], wish))

    if "SEARCH" in plan:
        pauses = [line for line in plan.splitlines() if " p USING" in line]
        assert any("(namespace=? AND scope=? AND name=?)" in line for line in pauses)
        assert all("scope=?" in line for line in pauses)
        assert "SCAN p" not in plan
    else:
        # Read once and hashed, not once for each job.
        assert "hashed SubPlan" in plan
        assert "Seq Scan on jobsched_runs" not in plan
    assert "jobsched_runs_pending" in plan


@pytest.mark.parametrize(
    ("ask", "index"),
    [
        (lambda store: store.batch_counts("default", "b"), "jobsched_runs_batch"),
        (lambda store: store.is_batch_done("default", "b"), "jobsched_runs_batch"),
        (lambda store: store.runs(RunFilter(namespace="default", batch="b")), "jobsched_runs_batch"),
        (lambda store: store.runs(RunFilter(namespace="default", tag="t", before_id=5000)), "jobsched_run_tags"),
        (lambda store: store.enqueue([a_run(unique_key="k")]), "jobsched_runs_unique_key"),
    ],
    ids=["counts", "done", "runs", "tagged", "unique key"],
)
def test_what_is_asked_of_a_batch_or_a_tag_reads_no_other_run(store: Store, ask: Any, index: str) -> None:
    store.enqueue([a_run(batch="b", tags=("t",)), a_run(unique_key="k")])

    plan = plan_of(store, lambda: ask(store))

    assert index in plan
    assert "Seq Scan on jobsched_runs" not in plan
    assert "SCAN jobsched_runs" not in plan


@pytest.mark.parametrize("state", [RunState.SUCCEEDED, RunState.FAILED, RunState.PENDING])
def test_what_ends_is_looked_up_by_its_id_and_not_among_all_that_runs(store: Store, state: RunState) -> None:
    owned = claim(store, a_node(store), 50)

    plan = plan_of(store, lambda: store.finish([a_transition(one, state) for one in owned]))

    # A join over the index of running runs reads all of them for each.
    assert "jobsched_runs_running" not in plan
    assert "SCAN jobsched_runs" not in plan
    assert "Seq Scan on jobsched_runs" not in plan
    assert "jobsched_runs_pk" in plan or "PRIMARY KEY" in plan
    # An array of all of them beside the join is sorted anew for each.
    assert not re.search(r"\(id = \w+\.id\) AND \(id = ANY", plan)
