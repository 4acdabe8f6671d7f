"""jobsched itself: its client, and a node of 8 threads as `jobsched run` has it; history and results are kept."""

from collections.abc import Callable

from jobsched import Client, Enqueue, Runner
from jobsched.handlers.registry import Registry
from jobsched.runner import garbage
from jobsched.runner.options import Options


class Queue:
    package = "jobsched"
    unfinished = (
        "select exists (select 1 from jobsched_runs where state = 'pending') "
        "or exists (select 1 from jobsched_runs where state = 'running')"
    )

    def __init__(self, url: str, threads: int = 8) -> None:
        self._client, self._threads = Client(url), threads

    def install(self) -> None:
        self._client.store.migrate()

    def open(self) -> None:
        self._client.counts()

    def one(self, payload: dict[str, object]) -> None:
        self._client.enqueue("noop", payload)

    def many(self, payloads: list[dict[str, object]]) -> None:
        self._client.enqueue_many([Enqueue("noop", payload) for payload in payloads])

    def work(self, done: Callable[[object], None]) -> None:
        registry = Registry()

        @registry.handler("noop")
        def noop(n: int, text: str) -> None:  # noqa: ARG001 - the payload's fields
            done(n)

        options = Options(threads=self._threads)
        Runner(self._client, options=options, registry=registry, namespaces=["default"]).start(garbage.settle)
