"""chancy: coroutines in its async executor, concurrency 100, polled eagerly and woken by NOTIFY; its log held to warnings.

Finished jobs stay, and are written a moment after they ended: the drain is over when the last of them is.
"""

import logging
from collections.abc import Callable

from chancy import Chancy, Job, Worker
from chancy import Queue as Declared

_done: Callable[[object], None]


async def noop(n: int, text: str) -> None:  # noqa: ARG001 - the payload's fields
    _done(n)


class Queue:
    package = "chancy"
    unfinished = "select exists (select from chancy_jobs where state in ('pending', 'running', 'retrying'))"

    def __init__(self, url: str, concurrency: int = 100) -> None:
        logging.getLogger("chancy").setLevel(logging.WARNING)
        logging.getLogger("chancy").addHandler(logging.NullHandler())
        self._chancy = Chancy(url)
        self._queue = Declared(
            "default", concurrency=concurrency, executor=Chancy.Executor.Async, polling_interval=1, eager_polling=True
        )

    async def install(self) -> None:
        await self._chancy.pool.open()
        await self._chancy.migrate()
        await self._chancy.declare(self._queue, upsert=True)

    async def open(self) -> None:
        await self._chancy.pool.open()

    async def one(self, payload: dict[str, object]) -> None:
        await self._chancy.push(Job.from_func(noop).with_kwargs(**payload))

    async def many(self, payloads: list[dict[str, object]]) -> None:
        async for _ in self._chancy.push_many(
            [Job.from_func(noop).with_kwargs(**payload) for payload in payloads], batch_size=1000
        ):
            pass

    async def work(self, done: Callable[[object], None]) -> None:
        global _done  # noqa: PLW0603 - a job is found by its module's name
        _done = done
        async with Worker(self._chancy) as worker:
            await worker.wait_for_shutdown()
