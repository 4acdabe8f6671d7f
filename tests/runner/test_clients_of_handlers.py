"""`ctx.client`: what a handler does with the queue that it is performed from."""

from typing import TYPE_CHECKING

import pytest

from jobsched import Context, Retry
from jobsched.errors import NoClientError
from jobsched.handlers.registry import Registry
from jobsched.testing import Sandbox, perform

if TYPE_CHECKING:
    from pathlib import Path

    from tests.runner.conftest import Bench


def test_a_handler_enqueues_what_comes_next(sandbox: Sandbox, registry: Registry) -> None:
    @registry.handler("order.ship")
    def ship(order: int) -> str:
        return f"{order} is on its way"

    @registry.handler("order.pay")
    async def pay(ctx: Context, order: int) -> str:
        ship.enqueue(ctx.client, order=order)
        return "paid"

    pay.enqueue(sandbox.client, order=7)

    assert sandbox.drain().results == ["paid", "7 is on its way"]


def test_what_it_enqueues_once_is_there_once_after_another_attempt(sandbox: Sandbox, registry: Registry) -> None:
    @registry.handler("next")
    def following() -> None: ...

    @registry.handler("work", retries=1)
    def work(ctx: Context) -> None:
        following.options(unique_key=ctx.idempotency_key, unique_for="1d").enqueue(ctx.client)
        if ctx.attempt == 1:
            raise Retry(after=0)

    work.enqueue(sandbox.client)
    sandbox.run_for("1s")

    assert [run.handler for run in sandbox.client.runs()] == ["next", "work"]


def test_it_is_of_the_runs_namespace_and_what_it_does_is_on_record_as_the_runs(either_bench: "Bench") -> None:
    either_bench.declare("other", "other")
    either_bench.registry.handler("other")(lambda: None)

    @either_bench.registry.handler("work")
    def work(ctx: Context) -> str:
        ctx.client.trigger("other")
        return ctx.client.namespace

    made = either_bench.client.enqueue("work")
    either_bench.node()
    assert either_bench.ended(made.id).result == "default"

    [row] = either_bench.client.audit()
    assert (row.action, row.details["program"]) == ("trigger", f"run {made.id}")


def test_without_a_node_there_is_none_and_the_error_says_what_to_do() -> None:
    def work(ctx: Context) -> None:
        ctx.client.trigger("other")

    with pytest.raises(NoClientError, match=r"make your own, Client\(URL\)"):
        perform(work)


def test_a_process_of_its_own_has_none(bench: "Bench", tmp_path: "Path", monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "apart_without_client.py").write_text(
        "from jobsched import Context\ndef work(ctx: Context): ctx.client.trigger('work')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    bench.declare("work", "apart_without_client:work", executor="process")

    made = bench.client.trigger("work")
    bench.node()
    run = bench.ended(made.id)

    assert "NoClientError" in str(run.error)
