"""The queue as a program uses it: many runs at once, lists of them, and a client that was closed."""

import asyncio
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobsched import AsyncClient, Client, Context, Enqueue
from jobsched.errors import ClosedError, EnqueueError, PayloadError, RefusedError, StoreError
from jobsched.model.run import RunState

if TYPE_CHECKING:
    from tests.runner.conftest import Bench

PATIENCE = timedelta(seconds=20)


def test_many_runs_are_made_in_their_order(bench: "Bench") -> None:
    made = bench.client.enqueue_many(
        Enqueue("work", {"number": number}, queue=f"q{number % 2}", priority=number) for number in range(10)
    )

    listed = bench.client.runs()
    assert [run.id for run in reversed(listed)] == [one.id for one in made]
    assert [run.payload["number"] for run in reversed(listed)] == list(range(10))
    assert [run.id for run in bench.client.runs(queue="q1")] == [one.id for one in made[9:0:-2]]
    assert bench.client.runs(handler="other") == []


@pytest.mark.parametrize(
    ("wrong", "error"),
    [(Enqueue("work", queue="a b"), EnqueueError), (Enqueue("work", {"set": {1}}), PayloadError)],
)
def test_one_wrong_run_of_many_is_named_and_none_is_made(
    bench: "Bench", wrong: Enqueue, error: type[Exception]
) -> None:
    with pytest.raises(error, match=r"number 2 of 3: .*; none was made"):
        bench.client.enqueue_many([Enqueue("work"), wrong, Enqueue("work")])

    assert bench.client.runs() == []


def test_pages_of_a_list_hold_still_while_runs_are_made(bench: "Bench") -> None:
    made = bench.client.enqueue_many([Enqueue("work")] * 4)
    first = bench.client.runs(limit=2)
    bench.client.enqueue("work")

    second = bench.client.runs(limit=2, before_id=first[-1].id)

    assert [run.id for run in (*first, *second)] == [one.id for one in reversed(made)]


def test_a_debounced_run_is_performed_once_after_the_last_call(bench: "Bench") -> None:
    bench.registry.handler("index")(lambda n: n)
    for n in range(3):
        made = bench.client.enqueue("index", {"n": n}, delay=3600, unique_key="u", on_conflict="replace")
    bench.node()

    moved = bench.client.reschedule(made.id, datetime(2026, 1, 1, tzinfo=UTC))

    assert moved.state in ("scheduled", "pending", "running", "succeeded")
    assert bench.ended(made.id).result == 2
    assert len(bench.client.runs()) == 1
    with pytest.raises(RefusedError, match="cannot be rescheduled: it is over: succeeded"):
        bench.client.reschedule(made.id, datetime(2026, 1, 1, tzinfo=UTC))


def test_a_batch_is_enqueued_performed_and_waited_for(either_bench: "Bench") -> None:
    either_bench.registry.handler("divide")(lambda by: 1 / by)
    either_bench.node()
    wanted = [Enqueue("divide", {"by": by}) for by in range(4)]
    made = either_bench.client.enqueue_many([*wanted, Enqueue("divide", {"by": 1}, batch="other")], batch="import-42")

    done = either_bench.client.batch("import-42").wait(PATIENCE)

    assert (done.name, done.total, done.done) == ("import-42", 4, True)
    assert done.counts == {RunState.SUCCEEDED: 3, RunState.FAILED: 1}
    assert [run.id for run in either_bench.client.runs(batch="import-42")] == [one.id for one in made[3::-1]]
    assert either_bench.client.enqueue("divide", {"by": 2}, batch="other").existing is False
    assert either_bench.client.wait_batch("other", PATIENCE).total == 2


def test_waiting_for_a_batch_ends_in_time(bench: "Bench") -> None:
    bench.client.enqueue_many([Enqueue("never", delay=delay) for delay in (None, None, "1h")], batch="b")

    with pytest.raises(TimeoutError, match=r"after 0s batch b: 3 of 3 runs are not over \(2 pending, 1 scheduled\)"):
        bench.client.batch("b").wait(timedelta(0))

    assert bench.client.batch("none").wait(timedelta(0)).total == 0


def test_a_closed_client_says_so(database_url: str) -> None:
    with Client(database_url) as client:
        client.enqueue("work")

    with pytest.raises(ClosedError, match="is closed; make a new one"):
        client.enqueue("work")
    with pytest.raises(ClosedError):
        client.runs()


def test_a_full_disk_is_said_in_words_and_nothing_is_enqueued(sqlite_url: str) -> None:
    from jobsched_sqlite.dialect import SqliteDialect  # what makes the file full is SQLite's own limit on pages

    with Client(sqlite_url) as client:
        dialect = client.store._dialect  # type: ignore[attr-defined]
        assert isinstance(dialect, SqliteDialect)
        dialect.read(lambda _: None)
        with dialect._writer.connection() as connection:
            pages = connection.exec_driver_sql("pragma page_count").scalar_one()
            connection.exec_driver_sql(f"pragma max_page_count = {pages}").fetchall()

        with pytest.raises(StoreError, match=r"jobsched.db: SQLITE_FULL: .*make room"):
            client.enqueue_many([Enqueue("work", {"text": "x" * 100_000})] * 10)

        assert client.runs() == []


SOURCE = """
import os
from jobsched import Context, handler

@handler
async def send(ctx: Context, to: str, subject: str = "none"):
    return {"to": to, "subject": subject, "pid": os.getpid()}
"""


def test_a_decorated_function_is_performed_in_a_process_of_its_own_by_its_import_path(
    bench: "Bench", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "enqueued_by_path.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    bench.declare("mail", "enqueued_by_path:send", executor="process")
    bench.node()

    run = bench.ended(bench.trigger("mail", to="ana"))

    assert (run.result["to"], run.result["subject"]) == ("ana", "none")
    assert run.result["pid"] != os.getpid()


def test_a_handler_is_enqueued_by_its_own_parameters_also_awaited(either_bench: "Bench") -> None:
    @either_bench.registry.handler("send")
    def send(ctx: Context, to: str, subject: str = "none") -> str:
        return f"{ctx.attempt} {to} {subject}"

    async def awaited() -> int:
        async with AsyncClient(either_bench.client.store) as client:
            return (await send.options(queue="mail").enqueue(client, "bob", subject="hi")).id

    made = send.enqueue(either_bench.client, to="ana").id, asyncio.run(awaited())
    either_bench.node()

    runs = [either_bench.ended(one) for one in made]
    assert [(run.result, run.queue) for run in runs] == [("1 ana none", "default"), ("1 bob hi", "mail")]


def test_runs_are_listed_by_the_word_of_their_state(either_bench: "Bench") -> None:
    client = either_bench.client
    scheduled, pending = client.enqueue("a", delay="1h").id, client.enqueue("a").id

    assert [run.id for run in client.runs(state="scheduled")] == [scheduled]
    assert [run.id for run in client.runs(states=["pending", "scheduled"])] == [pending, scheduled]
    with pytest.raises(ValueError, match="'done' is no state of a run; there are scheduled, pending"):
        client.runs(state="done")
