"""DatabaseMetrics: what a database tells a scrape, where there is no node: of a server, or of a program that only enqueues."""

from collections.abc import Sequence
from functools import partial

from jobsched.clock import Clock, SystemClock
from jobsched.observe.metrics import database
from jobsched.observe.metrics.cached import Cached
from jobsched.observe.metrics.exposition import Exposition
from jobsched.observe.metrics.limits import MOST, Limits
from jobsched.store.port import Store


class DatabaseMetrics(Exposition):
    """Of these namespaces: `DatabaseMetrics(client.store, [client.namespace]).text()`. Keep it: what it has read is kept with it."""

    def __init__(
        self, store: Store, namespaces: Sequence[str], *, most: int = MOST, clock: Clock | None = None
    ) -> None:
        clock, limits = clock or SystemClock(), Limits(most)
        cached = Cached(partial(database.read, store, namespaces, clock), clock)
        super().__init__(lambda: database.samples(cached.reading(), limits))
