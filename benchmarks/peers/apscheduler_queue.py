"""APScheduler 3 in one process: a job that is added for now, as soon as may be; 10 threads, its jobs in the database."""

import threading
from collections.abc import Callable
from datetime import UTC

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.background import BackgroundScheduler
from benchmarks.peers.apscheduler_engine import engine_of

_done: Callable[[object], None]


def noop(n: int, text: str) -> None:  # noqa: ARG001 - the payload's fields
    _done(n)


class Queue:
    package = "apscheduler"
    unfinished = "select exists (select 1 from apscheduler_jobs)"
    many = None

    def __init__(self, url: str, threads: int = 10) -> None:
        self._lock = threading.Lock()
        self._scheduler = BackgroundScheduler(
            jobstores={"default": SQLAlchemyJobStore(engine=engine_of(url))},
            executors={"default": ThreadPoolExecutor(threads)},
            job_defaults={"misfire_grace_time": None},
            timezone=UTC,
        )

    def install(self) -> None: ...

    def open(self) -> None: ...

    def one(self, payload: dict[str, object]) -> None:
        self._scheduler.add_job(noop, kwargs=payload)

    def work(self, done: Callable[[object], None]) -> None:
        global _done  # noqa: PLW0603 - a job is found by its module's name
        _done = done
        self._scheduler.start()
