"""Procrastinate: psycopg 3 async, coroutines as tasks, concurrency 10 (more did not help), woken by LISTEN/NOTIFY; finished jobs stay.

Enqueues over its pool; many by `batch_defer_async`.
"""

from collections.abc import Callable

import procrastinate


class Queue:
    package = "procrastinate"
    unfinished = "select exists (select from procrastinate_jobs where status in ('todo', 'doing'))"

    def __init__(self, url: str, concurrency: int = 10) -> None:
        self._concurrency = concurrency
        self._done: Callable[[object], None] = lambda _: None
        self._app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=url, min_size=4, max_size=12))

        @self._app.task(name="noop", queue="default")
        async def noop(n: int, text: str) -> None:  # noqa: ARG001 - the payload's fields
            self._done(n)

        self._noop = noop

    async def install(self) -> None:
        async with self._app.open_async():
            await self._app.schema_manager.apply_schema_async()

    async def open(self) -> None:
        await self._app.open_async()

    async def one(self, payload: dict[str, object]) -> None:
        await self._noop.defer_async(**payload)

    async def many(self, payloads: list[dict[str, object]]) -> None:
        await self._noop.batch_defer_async(*payloads)

    async def work(self, done: Callable[[object], None]) -> None:
        self._done = done
        await self._app.run_worker_async(concurrency=self._concurrency, install_signal_handlers=False)
