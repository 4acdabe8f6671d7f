"""Client: everything that a program, the command line and the web ask of a store: enqueue, query, manage.

A file a topic; each is a class that stands alone on an open store, and a client is all of them.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from jobsched.client.alerts import Alerts
from jobsched.client.backfilling import MOST_SLOTS, Backfilling
from jobsched.client.changing import Changing, why_refused
from jobsched.client.enqueuing import Enqueuing
from jobsched.client.fates import Fates
from jobsched.client.figures import Figures
from jobsched.client.given import as_timeout, can_be_found
from jobsched.client.pausing import Pausing
from jobsched.client.repeating import Repeating
from jobsched.client.watching import Watching
from jobsched.model.audit import Actor
from jobsched.model.batch import BatchCounts
from jobsched.model.durations import format_duration

__all__ = ["MOST_SLOTS", "Batch", "Client", "why_refused"]


class Client(Enqueuing, Pausing, Backfilling, Fates, Changing, Watching, Alerts, Figures, Repeating):
    """A store and one namespace of it. Thread-safe; close it, or use it as a context manager."""

    def acting_as(self, actor: Actor) -> "Client":
        """A client of the same store and namespace, whose acts are on record as this one's."""
        return Client(self.store, namespace=self.namespace, clock=self._clock, actor=actor)

    def batch(self, name: str) -> "Batch":
        """The runs that were enqueued with this `batch`, counted by state; those that were pruned are no longer there."""
        return Batch(name, self.store.batch_counts(self.namespace, name) if can_be_found(batch=name) else {}, self)

    def wait_batch(self, name: str, timeout: timedelta | float | str | None = None) -> "Batch":
        """Wait until all runs of a batch are final, and count them. A batch without runs is done. Raises TimeoutError.

        `timeout`: as of `wait`.
        """
        never = threading.Event()
        for batch, pause in self.batch_looks(name, timeout):
            if batch is not None:
                return batch
            self._clock.wait(never, pause)
        raise AssertionError("one looks until the batch is done")

    def batch_looks(
        self, name: str, timeout: timedelta | float | str | None = None
    ) -> Iterator[tuple["Batch | None", float]]:
        """What `wait_batch` sees: None at each look, the batch once it is done, and how many seconds to pause after it."""
        timeout = as_timeout(timeout)
        pauses = self._pauses(timeout)
        while can_be_found(batch=name) and not self.store.is_batch_done(self.namespace, name):
            pause = next(pauses, None)
            if timeout is not None and pause is None:
                raise TimeoutError(f"after {format_duration(timeout)} {self.batch(name)}")
            yield None, pause or 0.0
        yield self.batch(name), 0.0


@dataclass(frozen=True, slots=True)
class Batch(BatchCounts):
    """A batch as it stood when it was asked for."""

    client: Client = field(repr=False, compare=False)

    def wait(self, timeout: timedelta | float | str | None = None) -> "Batch":
        """It as it stands once all its runs are final. `timeout`: a timedelta, seconds, or text like `10m`. Raises TimeoutError."""
        return self.client.wait_batch(self.name, timeout)
