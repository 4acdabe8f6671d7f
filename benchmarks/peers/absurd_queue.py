"""absurd: its worker with 8 at once and claims of 100, which polls each 10 ms (its default is 250); finished tasks stay.

Its schema is the one that its command-line tool brings along. It enqueues one by one.
"""

from collections.abc import Callable

import psycopg
from absurd_sdk import AsyncAbsurd
from absurdctl import BUNDLED_SCHEMA_SQL


class Queue:
    package = "absurd-sdk"
    unfinished = "select exists (select from absurd.t_default where state in ('pending', 'running', 'sleeping'))"
    many = None

    def __init__(self, url: str, concurrency: int = 100) -> None:
        self._url, self._concurrency = url, concurrency

    async def install(self) -> None:
        async with await psycopg.AsyncConnection.connect(self._url) as connection:
            await connection.execute(BUNDLED_SCHEMA_SQL)
        await self.open()
        await self._absurd.create_queue()

    async def open(self) -> None:
        self._absurd = AsyncAbsurd(self._url, queue_name="default")

    async def one(self, payload: dict[str, object]) -> None:
        await self._absurd.spawn("noop", payload, queue="default")

    async def work(self, done: Callable[[object], None]) -> None:
        @self._absurd.register_task("noop")
        async def noop(params: dict[str, object], _: object) -> None:
            done(params)

        await self._absurd.start_worker(concurrency=self._concurrency, batch_size=self._concurrency, poll_interval=0.01)
