"""A node in this process, on a real SQLite store; its handlers are functions of the test."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest

from jobsched.client import Client
from jobsched.handlers.registry import Registry
from jobsched.model.desired import DesiredState, Settings
from jobsched.model.handler import PythonHandler
from jobsched.model.job import Job
from jobsched.model.queue import QueueLimits
from jobsched.model.run import Run, RunState, Transition
from jobsched.runner.options import Options
from jobsched.runner.runner import Runner
from jobsched.store.open import open_store
from jobsched.store.port import ClaimWish, Store
from jobsched.sync.apply import sync
from jobsched.testing import Sandbox
from jobsched.testing.builders import queue_limits

PATIENCE = timedelta(seconds=20)
QUICK = Options(
    threads=4,
    heartbeat=timedelta(milliseconds=200),
    lease=timedelta(seconds=2),
    grace=timedelta(seconds=5),
    poll=timedelta(milliseconds=100),
)


class Between:
    """A store with something between it and the node: `on` replaces a method by one that gets the real one first."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._replaced: dict[str, Callable[..., Any]] = {}

    def on(self, name: str, call: Callable[..., Any]) -> None:
        real = getattr(self._store, name)
        self._replaced[name] = lambda *args, **kwargs: call(real, *args, **kwargs)

    def clear(self) -> None:
        self._replaced.clear()

    def fail(self, name: str, *errors: Exception) -> None:
        """The next calls raise these, one each; the ones after that are made."""
        left = list(errors)

        def call(real: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
            if left:
                raise left.pop(0)
            return real(*args, **kwargs)

        self.on(name, call)

    def finish_and_claim(self, transitions: Sequence[Transition], wish: ClaimWish) -> Any:
        """By two calls, so that neither passes by what is between."""
        return self.finish(transitions), self.claim(wish)

    def __getattr__(self, name: str) -> Any:
        return self._replaced.get(name) or getattr(self._store, name)


class Bench:
    """A client, a registry, and nodes that are stopped in the end."""

    def __init__(self, url: str) -> None:
        self.store = Between(open_store(url))
        self.client = Client(cast("Store", self.store))
        self.registry = Registry()
        self.nodes: list[Runner] = []
        self._jobs: dict[str, Job] = {}
        self._settings = Settings()
        self._syncs = 0

    def handler(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Register under the function's own name."""
        return self.registry.handler(function.__name__)(function)

    def declare(self, name: str, handler: str | None = None, **fields: Any) -> Job:
        """Sync a job beside those declared before; its handler is named as the job unless said."""
        performs = fields.pop("performs", None) or PythonHandler(handler or name)
        self._jobs[name] = replace(Job(namespace="default", name=name, handler=performs), **fields)
        self._apply()
        return self._jobs[name]

    def limit_queues(self, **limits: int | QueueLimits) -> None:
        """Sync limits of queues beside the jobs declared before."""
        self._settings = Settings(queues=queue_limits(limits))
        self._apply()

    def undeclare(self, name: str) -> None:
        del self._jobs[name]
        self._apply()

    def _apply(self) -> None:
        self._syncs += 1
        desired = DesiredState(
            namespace="default", jobs=dict(self._jobs), settings=self._settings, content_hash=str(self._syncs)
        )
        sync(self.client.store, desired, applied_by="test", allow_delete=True)

    def node(self, registry: Registry | None = None, **options: Any) -> Runner:
        registry = registry or self.registry
        runner = Runner(self.client, options=replace(QUICK, **options), registry=registry, namespaces=["default"])
        runner.start()
        self.nodes.append(runner)
        return runner

    def trigger(self, name: str, **payload: Any) -> int:
        return self.client.trigger(name, payload or None).id

    def ended(self, run_id: int) -> Run:
        return self.client.wait(run_id, PATIENCE)

    def eventually(self, run_id: int, state: RunState) -> Run:
        """The run, once it is in this state."""
        never = threading.Event()
        for _ in range(400):
            run = self.client.run(run_id)
            if run.state is state:
                return run
            never.wait(0.05)
        raise AssertionError(f"never {state}: {run}")

    def log(self, run_id: int) -> list[str]:
        return [line.text for line in self.client.log(run_id)]

    def close(self) -> None:
        for node in self.nodes:
            self.store.clear()
            node.stop(hard=True)
            node.shut_down()
        self.store.close()


@pytest.fixture
def bench(sqlite_url: str) -> Iterator[Bench]:
    made = Bench(sqlite_url)
    yield made
    made.close()


@pytest.fixture
def either_bench(database_url: str) -> Iterator[Bench]:
    """On SQLite, and on PostgreSQL."""
    made = Bench(database_url)
    yield made
    made.close()


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.fixture
def sandbox(registry: Registry) -> Iterator[Sandbox]:
    with Sandbox(registry=registry) as made:
        yield made
