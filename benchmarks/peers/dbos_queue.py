"""DBOS: workflows of one function on a queue that is polled each 50 ms (its default is a second); finished ones stay.

A process takes as many at once as there are: without `worker_concurrency`.

It enqueues by its client, one by one.
"""

import logging
from collections.abc import Callable

from dbos import DBOS, DBOSClient, DBOSConfig

_done: Callable[[object], None]


@DBOS.workflow(name="noop")
def noop(n: int, text: str) -> None:  # noqa: ARG001 - the payload's fields
    _done(n)


class Queue:
    package = "dbos"
    unfinished = (
        "select exists (select from dbos.workflow_status "
        "where queue_name = 'bench' and status in ('ENQUEUED', 'PENDING', 'DELAYED'))"
    )
    many = None

    def __init__(self, url: str) -> None:
        self._url = url.replace("postgresql://", "postgresql+psycopg://", 1)

    def install(self) -> None:
        self._launch()

    def open(self) -> None:
        self._client = DBOSClient(system_database_url=self._url)

    def one(self, payload: dict[str, object]) -> None:
        self._client.enqueue({"workflow_name": "noop", "queue_name": "bench", "app_version": "1"}, **payload)

    def work(self, done: Callable[[object], None]) -> None:
        global _done  # noqa: PLW0603 - a workflow is found by its name
        _done = done
        self._launch()
        DBOS.register_queue("bench", polling_interval_sec=0.05)

    def _launch(self) -> None:
        logging.getLogger("dbos").setLevel(logging.ERROR)
        config: DBOSConfig = {
            "name": "bench",
            "system_database_url": self._url,
            "application_version": "1",
            "log_level": "ERROR",
        }
        DBOS(config=config)
        DBOS.launch()
