"""Tally: counts what a node says of its runs."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

from jobsched.model.run import Reason, RunState
from jobsched.observe.events import (
    AttemptEnded,
    Event,
    NodeLost,
    ResultDropped,
    RunCancelled,
    RunFailed,
    RunGivenBack,
    RunLost,
    RunRetrying,
    RunSkipped,
    RunSnoozed,
    RunStarted,
    RunSucceeded,
)
from jobsched.observe.metrics import declared
from jobsched.observe.metrics.limits import Limits
from jobsched.observe.metrics.metric import Distribution, Metric, Sample

_Who = tuple[str, str, str]


class Tally:
    """Give `hear` to `Events.count`. Thread-safe; what `samples` tell never goes down."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._counts: dict[tuple[Metric, tuple[str, ...]], int] = {(declared.NODES_LOST, ()): 0}
        self._seen: dict[tuple[Metric, tuple[str, ...]], Distribution] = {}
        self._hear: dict[type[Event], Callable[[Any], None]] = {
            RunStarted: self._started,
            RunSucceeded: self._succeeded,
            RunRetrying: self._retrying,
            RunFailed: self._failed,
            RunCancelled: self._cancelled,
            RunSnoozed: self._snoozed,
            RunGivenBack: self._given_back,
            ResultDropped: self._dropped,
            RunSkipped: self._skipped,
            RunLost: self._lost,
            NodeLost: self._node_lost,
        }

    def hear(self, event: Event) -> None:
        """Count it, if it is of a kind that is counted."""
        count = self._hear.get(type(event))
        if count is not None:
            with self._lock:
                count(event)

    def samples(self) -> Iterator[Sample]:
        """What has been counted until now."""
        with self._lock:
            counts = list(self._counts.items())
            seen = [(key, distribution.copy()) for key, distribution in self._seen.items()]
        yield from (Sample(metric, labels, count) for (metric, labels), count in counts)
        yield from (Sample(metric, labels, distribution) for (metric, labels), distribution in seen)

    # -- one for each kind of event

    def _started(self, event: RunStarted) -> None:
        who = self._who(event)
        self._count(declared.ATTEMPTS_STARTED, who)
        # Of a series that begins with 1 nobody can see the increase.
        self._counts.setdefault((declared.RUNS_FINISHED, (*who, RunState.FAILED, Reason.ERROR)), 0)
        queue = self._limits.queues.of(event.namespace, event.queue)
        self._see(declared.QUEUE_WAIT, (event.namespace, queue), event.waited_seconds)
        if event.late_seconds is not None:
            self._see(declared.SLOT_LATE, who[:2], event.late_seconds)

    def _succeeded(self, event: RunSucceeded) -> None:
        self._finished(self._took(event), RunState.SUCCEEDED, None)

    def _failed(self, event: RunFailed) -> None:
        self._finished(self._took(event), RunState.FAILED, event.reason)

    def _cancelled(self, event: RunCancelled) -> None:
        self._finished(self._took(event), RunState.CANCELLED, event.reason)

    def _retrying(self, event: RunRetrying) -> None:
        self._count(declared.RETRIES, (*self._took(event), event.reason or ""))

    def _snoozed(self, event: RunSnoozed) -> None:
        self._count(declared.SNOOZES, self._took(event))

    def _given_back(self, event: RunGivenBack) -> None:
        self._count(declared.GIVEN_BACK, self._who(event))

    def _dropped(self, event: ResultDropped) -> None:
        self._count(declared.RESULTS_DROPPED, self._who(event))

    def _skipped(self, event: RunSkipped) -> None:
        job = self._limits.jobs.of(event.namespace, event.job or "")
        self._count(declared.RUNS_SKIPPED, (event.namespace, job, event.reason or ""))

    def _lost(self, event: RunLost) -> None:
        who = (event.namespace, self._limits.jobs.of(event.namespace, event.job or ""), "")
        self._count(declared.RUNS_LOST, who[:2])
        if event.failed:
            self._finished(who, RunState.FAILED, Reason.LOST)
        elif event.cancelled:
            self._finished(who, RunState.CANCELLED, Reason.CANCELLED)

    def _node_lost(self, _event: NodeLost) -> None:
        self._count(declared.NODES_LOST, ())

    # -- parts

    def _who(self, event: RunStarted | AttemptEnded | ResultDropped) -> _Who:
        return self._limits.who(event.namespace, event.job, event.handler)

    def _took(self, event: AttemptEnded) -> _Who:
        """Note how long the attempt took; whose it was."""
        who = self._who(event)
        if event.seconds is not None:
            self._see(declared.ATTEMPT_DURATION, who, event.seconds)
        return who

    def _finished(self, who: _Who, state: RunState, reason: Reason | None) -> None:
        self._count(declared.RUNS_FINISHED, (*who, state, reason or ""))

    def _count(self, metric: Metric, labels: tuple[str, ...]) -> None:
        key = (metric, labels)
        self._counts[key] = self._counts.get(key, 0) + 1

    def _see(self, metric: Metric, labels: tuple[str, ...], value: float) -> None:
        key = (metric, labels)
        found = self._seen.get(key)
        if found is None:
            found = self._seen[key] = Distribution(metric.buckets)
        found.add(value)
