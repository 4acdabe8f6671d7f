"""The client of programs on asyncio: `Client`'s methods, awaited."""

import asyncio
import inspect
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from jobsched import AsyncClient, Client, Enqueue
from jobsched.errors import ClosedError, UnknownRunError
from jobsched.model.run import Run, RunState

if TYPE_CHECKING:
    from tests.runner.conftest import Bench

PATIENCE = timedelta(seconds=20)
#: What `wait`, `follow` and `wait_batch` are made of, and what asks nothing.
NOT_AWAITED = {"looks", "line_looks", "batch_looks", "acting_as", "act"}


def public(kind: type) -> set[str]:
    return {name for name, _ in inspect.getmembers(kind, inspect.isfunction) if not name.startswith("_")}


def test_it_has_every_method_of_the_client() -> None:
    assert public(AsyncClient) == public(Client) - NOT_AWAITED
    assert all(inspect.iscoroutinefunction(getattr(AsyncClient, name)) for name in public(AsyncClient) - {"follow"})


@pytest.fixture
def bench(either_bench: "Bench") -> "Bench":
    return either_bench


def test_the_lines_of_a_run_are_followed_to_its_end(bench: "Bench") -> None:
    looked_at = threading.Event()

    @bench.registry.handler("speak")
    def speak() -> None:
        print("first")
        looked_at.wait(PATIENCE.total_seconds())
        print("last")

    bench.node()

    async def main() -> list[str]:
        async with AsyncClient(bench.client.store) as client:
            made, said = await client.enqueue("speak"), list[str]()
            async for line in client.follow(made.id):
                said.append(line.text)
                looked_at.set()
            with pytest.raises(UnknownRunError):
                await anext(client.follow(made.id + 1))
            return said

    assert asyncio.run(main()) == ["first", "last"]


def test_a_run_is_enqueued_performed_and_waited_for(bench: "Bench") -> None:
    bench.registry.handler("double")(lambda number: 2 * number)
    bench.node()

    async def main() -> list[Any]:
        async with AsyncClient(bench.client.store) as client:
            made = await client.enqueue_many([Enqueue("double", {"number": number}) for number in range(50)])
            runs = await asyncio.gather(*(client.wait(one.id, PATIENCE) for one in made))
            return [run.result for run in runs]

    assert asyncio.run(main()) == [2 * number for number in range(50)]


def test_a_batch_is_awaited(bench: "Bench") -> None:
    bench.registry.handler("double")(lambda number: 2 * number)

    async def main() -> tuple[bool, int]:
        async with AsyncClient(bench.client.store) as client:
            await client.enqueue_many([Enqueue("double", {"number": number}) for number in range(5)], batch="b")
            batch = await client.batch("b")
            with pytest.raises(TimeoutError):
                await batch.wait(timedelta(0))
            bench.node()
            return batch.done, (await batch.wait(PATIENCE)).counts[RunState.SUCCEEDED]

    assert asyncio.run(main()) == (False, 5)


def test_waiting_ends_in_time(bench: "Bench") -> None:
    async def main() -> Run:
        async with AsyncClient(bench.client.store) as client:
            made = await client.enqueue("never.performed")
            return await client.wait(made.id, timedelta(0))

    with pytest.raises(TimeoutError, match="run 1 is still pending"):
        asyncio.run(main())


def test_its_errors_are_those_of_the_client(sqlite_url: str) -> None:
    async def main() -> None:
        async with AsyncClient(sqlite_url) as client:
            with pytest.raises(UnknownRunError):
                await client.run(7)
            made = await client.enqueue("send", delay="1h")
            assert made.state is RunState.SCHEDULED
        with pytest.raises(ClosedError):
            await client.runs()

    asyncio.run(main())
