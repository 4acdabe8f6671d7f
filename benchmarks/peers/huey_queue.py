"""Huey on SQLite: 4 threads (more did not help), WAL, `fsync=True` so that a commit is as durable as jobsched's; no results kept.

Between looks at an empty queue its workers sleep 10 ms, rising by a twentieth to 50 ms: less than its default of 100 ms
to 10 s, for the sake of latency; an idle consumer takes 1.6 % of a core so, by its default (`hurried` false) 0.1 %. It has
no call that enqueues many. At most once: a task is deleted when it is taken.
"""

import logging
from collections.abc import Callable

from huey import SqliteHuey


class Queue:
    package = "huey"
    unfinished = "select exists (select 1 from task)"
    many = None

    def __init__(self, url: str, threads: int = 4, *, hurried: bool = True) -> None:
        self._file, self._threads, self._hurried = url.removeprefix("sqlite:///"), threads, hurried
        logging.getLogger("huey").setLevel(logging.WARNING)

    def install(self) -> None:
        self.open()

    def open(self) -> None:
        self._huey = SqliteHuey(filename=self._file, fsync=True, results=False)
        self._done: Callable[[object], None] = lambda _: None

        @self._huey.task(name="noop")
        def noop(n: int, text: str) -> None:  # noqa: ARG001 - the payload's fields
            self._done(n)

        self._noop = noop

    def one(self, payload: dict[str, object]) -> None:
        self._noop(**payload)

    def work(self, done: Callable[[object], None]) -> None:
        self._done = done
        sleeps = {"initial_delay": 0.01, "backoff": 1.05, "max_delay": 0.05} if self._hurried else {}
        self._huey.create_consumer(workers=self._threads, periodic=False, check_worker_health=False, **sleeps).start()
