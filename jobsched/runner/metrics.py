"""NodeMetrics: what a node says, how it is, and what its database says, for a scrape."""

import socket
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from jobsched._version import __version__
from jobsched.clock import Clock, SystemClock
from jobsched.observe.metrics import database, node
from jobsched.observe.metrics.cached import Cached
from jobsched.observe.metrics.exposition import Exposition
from jobsched.observe.metrics.limits import MOST, Limits
from jobsched.observe.metrics.metric import Sample
from jobsched.observe.metrics.tally import Tally
from jobsched.runner.runner import Runner

if TYPE_CHECKING:
    from prometheus_client.registry import Collector


class NodeMetrics(Exposition):
    """Of this runner, from now on: make it before the runner starts. `text()` is what a scrape gets.

    It is a collector too: `prometheus_client.REGISTRY.register(NodeMetrics(runner))` shows it among a program's own
    metrics; `beside` shows those below these. Of more than `most` jobs, ad-hoc handlers or queues, the rest is one.
    """

    def __init__(
        self, runner: Runner, *, most: int = MOST, beside: "Sequence[Collector]" = (), clock: Clock | None = None
    ) -> None:
        clock = clock or SystemClock()
        self._runner, self._limits = runner, Limits(most)
        self._tally = Tally(self._limits)
        namespaces = runner.definitions.namespaces
        self._cached = Cached(partial(database.read, runner.client.store, namespaces, clock), clock)
        super().__init__(self._tally.samples, self._of_node, self._of_database, beside=beside)
        runner.events.count(self._tally.hear)

    def _of_node(self) -> Iterator[Sample]:
        return node.samples(_reading(self._runner))

    def _of_database(self) -> Iterator[Sample]:
        return database.samples(self._cached.reading(), self._limits)


def _reading(runner: Runner) -> node.NodeReading:
    reload = runner.reload
    return node.NodeReading(
        node_id=runner.heartbeat.node,
        host=socket.gethostname(),
        version=__version__,
        threads=runner.options.threads,
        running=runner.pool.active,
        buffered=runner.pool.waiting,
        unwritten=runner.completer.backlog,
        abandoned=runner.pool.abandoned,
        config_ok=None if reload is None else reload.error is None,
        config_stale=None if reload is None else reload.stale,
        generations=runner.definitions.generations,
        skew_seconds=runner.heartbeat.skew.total_seconds(),
        heartbeat_age_seconds=runner.heartbeat.silence,
    )
