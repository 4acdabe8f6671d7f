"""pgqueuer: asyncpg and uvloop, one connection for all, coroutines as handlers; `batch` is what a worker claims at once.

Measured at 100 and at 500, which was its best. It deletes the row of a finished job, and writes one to its log.
Payloads are bytes, encoded before time is taken.
"""

import json
from collections.abc import Callable

import asyncpg
from pgqueuer import PgQueuer
from pgqueuer.models import Job
from pgqueuer.queries import Queries


class Queue:
    package = "pgqueuer"
    unfinished = "select exists (select from pgqueuer)"

    def __init__(self, url: str, batch: int = 500) -> None:
        self._url, self._batch = url, batch

    @staticmethod
    def encode(payload: dict[str, object]) -> bytes:
        return json.dumps(payload).encode()

    async def install(self) -> None:
        await self.open()
        await self._queries.install()

    async def open(self) -> None:
        self._connection = await asyncpg.connect(self._url)
        self._queries = Queries.from_asyncpg_connection(self._connection)

    async def one(self, payload: bytes) -> None:
        await self._queries.enqueue("noop", payload)

    async def many(self, payloads: list[bytes]) -> None:
        count = len(payloads)
        await self._queries.enqueue(["noop"] * count, list(payloads), [0] * count)

    async def work(self, done: Callable[[object], None]) -> None:
        queue = PgQueuer.from_asyncpg_connection(self._connection)

        @queue.entrypoint("noop")
        async def noop(job: Job) -> None:
            done(job.payload)

        await queue.run(batch_size=self._batch)
