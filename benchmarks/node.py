"""jobsched inside this process: a store, a handler that does nothing, jobs, a node."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from jobsched.client import Client
from jobsched.handlers.registry import Registry
from jobsched.model.desired import DesiredState
from jobsched.model.handler import PythonHandler
from jobsched.model.job import Job
from jobsched.runner import garbage
from jobsched.runner.options import Options
from jobsched.runner.runner import Runner
from jobsched.store.open import open_store
from jobsched.store.port import Store
from jobsched.sync.apply import sync


@contextmanager
def prepared(url: str) -> Iterator[tuple[Store, Registry]]:
    store, registry = open_store(url), Registry()
    try:
        store.migrate()
        registry.handler("noop")(lambda **_: None)
        yield store, registry
    finally:
        store.close()


def a_job(name: str, **fields: object) -> Job:
    return Job(namespace="default", name=name, handler=PythonHandler("noop"), **fields)  # type: ignore[arg-type]


def apply(store: Store, jobs: list[Job]) -> None:
    desired = DesiredState(namespace="default", jobs={job.name: job for job in jobs}, content_hash=str(time.time()))
    sync(store, desired, applied_by="bench", allow_delete=True)


@contextmanager
def node(store: Store, registry: Registry, threads: int = 8) -> Iterator[Runner]:
    runner = Runner(Client(store), options=Options(threads=threads), registry=registry, namespaces=["default"])
    runner.start(garbage.settle)  # as `jobsched run` does
    try:
        yield runner
    finally:
        runner.shut_down()
