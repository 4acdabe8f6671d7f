"""AsyncClient: the same methods as `Client`, awaited."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from datetime import timedelta
from functools import wraps
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from jobsched.client import Client
from jobsched.clock import Clock
from jobsched.model.batch import BatchCounts
from jobsched.model.run import LogLine, Run
from jobsched.store.port import Store

P = ParamSpec("P")
R = TypeVar("R")


def _awaited(
    method: Callable[Concatenate[Client, P], R],
) -> Callable[Concatenate["AsyncClient", P], Coroutine[Any, Any, R]]:
    """The same in a worker thread. A call that is cancelled meanwhile is made to its end; its answer is dropped."""

    @wraps(method)
    async def call(self: "AsyncClient", /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await asyncio.to_thread(method, self.client, *args, **kwargs)

    return call


class AsyncClient:
    """A `Client` for programs on asyncio: each method means what it means there, and runs in a worker thread.

    `client` is the one behind it, for what a program wants to do without awaiting, and for `Runner`.
    """

    def __init__(self, store: Store | str, *, namespace: str = "default", clock: Clock | None = None) -> None:
        """As of `Client`: nothing is connected yet."""
        self.client = Client(store, namespace=namespace, clock=clock)

    @property
    def namespace(self) -> str:
        return self.client.namespace

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # A thread each; nothing but `wait` takes long.
    close = _awaited(Client.close)
    audit = _awaited(Client.audit)
    jobs = _awaited(Client.jobs)
    job = _awaited(Client.job)
    create_job = _awaited(Client.create_job)
    update_job = _awaited(Client.update_job)
    delete_job = _awaited(Client.delete_job)
    last_runs = _awaited(Client.last_runs)
    last_run = _awaited(Client.last_run)
    recent_runs = _awaited(Client.recent_runs)
    upcoming = _awaited(Client.upcoming)
    why = _awaited(Client.why)
    trigger = _awaited(Client.trigger)
    plan_backfill = _awaited(Client.plan_backfill)
    backfill = _awaited(Client.backfill)
    pauses = _awaited(Client.pauses)
    pause = _awaited(Client.pause)
    resume = _awaited(Client.resume)
    end_expired_pauses = _awaited(Client.end_expired_pauses)
    enqueue = _awaited(Client.enqueue)
    enqueue_many = _awaited(Client.enqueue_many)
    run = _awaited(Client.run)
    runs_of = _awaited(Client.runs_of)
    lacks = _awaited(Client.lacks)
    runs = _awaited(Client.runs)
    failure_runs = _awaited(Client.failure_runs)
    open_breaches = _awaited(Client.open_breaches)
    notifiers = _awaited(Client.notifiers)
    unsent_alerts = _awaited(Client.unsent_alerts)
    test_alert = _awaited(Client.test_alert)
    requeue = _awaited(Client.requeue)
    requeue_all = _awaited(Client.requeue_all)
    cancel = _awaited(Client.cancel)
    cancel_all = _awaited(Client.cancel_all)
    reschedule = _awaited(Client.reschedule)
    reschedule_all = _awaited(Client.reschedule_all)
    delete = _awaited(Client.delete)
    delete_all = _awaited(Client.delete_all)
    log = _awaited(Client.log)
    progress = _awaited(Client.progress)
    made_once = _awaited(Client.made_once)
    keep_answer = _awaited(Client.keep_answer)
    nodes = _awaited(Client.nodes)
    generations = _awaited(Client.generations)
    counts = _awaited(Client.counts)
    queue_limits = _awaited(Client.queue_limits)
    oldest_pending = _awaited(Client.oldest_pending)
    stats = _awaited(Client.stats)

    async def wait(self, run_id: int, timeout: timedelta | float | str | None = None) -> Run:  # noqa: ASYNC109 - as of `Client`
        """As of `Client`. Between two looks no thread is held, so that many can be waited for at once."""
        looks = self.client.looks(run_id, timeout)
        while True:
            run, pause = await asyncio.to_thread(next, looks)
            if run.state.final:
                return run
            await asyncio.sleep(pause)

    async def follow(
        self, run_id: int, *, attempt: int | None = None, looked: Callable[[Run], object] | None = None
    ) -> AsyncIterator[LogLine]:
        """As of `Client`. Between two looks no thread is held."""
        looks = self.client.line_looks(run_id, attempt=attempt, looked=looked)
        while (look := await asyncio.to_thread(next, looks, None)) is not None:
            lines, pause = look
            for line in lines:
                yield line
            await asyncio.sleep(pause)

    async def batch(self, name: str) -> "AsyncBatch":
        """As of `Client`."""
        found = await asyncio.to_thread(self.client.batch, name)
        return AsyncBatch(found.name, found.counts, self)

    async def wait_batch(self, name: str, timeout: timedelta | float | str | None = None) -> "AsyncBatch":  # noqa: ASYNC109 - as of `Client`
        """As of `Client`. Between two looks no thread is held."""
        looks = self.client.batch_looks(name, timeout)
        while True:
            done, pause = await asyncio.to_thread(next, looks)
            if done is not None:
                return AsyncBatch(done.name, done.counts, self)
            await asyncio.sleep(pause)


@dataclass(frozen=True, slots=True)
class AsyncBatch(BatchCounts):
    """A batch as it stood when it was asked for."""

    client: AsyncClient = field(repr=False, compare=False)

    async def wait(self, timeout: timedelta | float | str | None = None) -> "AsyncBatch":  # noqa: ASYNC109 - as of `Batch`
        """It as it stands once all its runs are final. Raises TimeoutError."""
        return await self.client.wait_batch(self.name, timeout)
