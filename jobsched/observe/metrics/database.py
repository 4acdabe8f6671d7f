"""What a database tells of some namespaces: read once, as a value, and made samples of."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from jobsched.clock import Clock
from jobsched.model.figures import JobFigures, Sizes
from jobsched.model.pause import Pauses, PauseScope
from jobsched.model.queue import QueueLimits
from jobsched.model.run import RunState
from jobsched.model.state import Node
from jobsched.observe.metrics import declared
from jobsched.observe.metrics.limits import OTHER, Limits
from jobsched.observe.metrics.metric import Metric, Sample
from jobsched.store.port import Store

_UNFINISHED = (RunState.SCHEDULED, RunState.PENDING, RunState.BLOCKED, RunState.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class NamespaceReading:
    """One namespace."""

    name: str
    generation: int
    counts: Mapping[tuple[str, RunState], int]
    oldest: Mapping[str, datetime]
    limits: Mapping[str, QueueLimits]
    jobs: Sequence[JobFigures]
    pauses: Pauses


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """All of it, at `now` by the database's clock."""

    now: datetime
    took_seconds: float
    namespaces: Sequence[NamespaceReading]
    nodes: Sequence[Node]
    sizes: Sizes


def read(store: Store, namespaces: Iterable[str], clock: Clock) -> Reading:
    """Ask the database. Raises StoreError."""
    began = clock.monotonic()
    now, nodes, sizes = store.now(), store.nodes(), store.sizes()
    found = [_read_namespace(store, name) for name in namespaces]
    return Reading(now=now, took_seconds=clock.monotonic() - began, namespaces=found, nodes=nodes, sizes=sizes)


def _read_namespace(store: Store, name: str) -> NamespaceReading:
    newest = store.generations(name, 1)
    return NamespaceReading(
        name=name,
        generation=newest[0].number if newest else 0,
        counts=store.counts([name]),
        oldest=store.oldest_pending(name),
        limits=store.queue_limits(name),
        jobs=store.job_figures(name),
        pauses=Pauses(store.pauses([name])),
    )


def samples(reading: Reading | None, limits: Limits) -> Iterator[Sample]:
    """`reading`: None if the database does not answer."""
    yield Sample(declared.DATABASE_UP, (), reading is not None)
    if reading is None:
        return
    yield Sample(declared.DATABASE_READ, (), reading.took_seconds)
    yield from _of_sizes(reading.sizes)
    for namespace in reading.namespaces:
        yield from _of_nodes(namespace.name, reading.nodes)
        yield Sample(declared.GENERATION, (namespace.name,), namespace.generation)
        yield Sample(declared.JOBS, (namespace.name,), len(namespace.jobs))
        yield from _of_pauses(namespace)
        yield from _of_queues(namespace, reading.now, limits)
        yield from _of_jobs(namespace, limits)


def _of_sizes(sizes: Sizes) -> Iterator[Sample]:
    yield Sample(declared.DATABASE_SIZE, (), sizes.bytes)
    if sizes.wal_bytes is not None:
        yield Sample(declared.DATABASE_WAL, (), sizes.wal_bytes)
    for table in sizes.tables:
        yield Sample(declared.TABLE_ROWS, (table.name,), table.live)
        yield Sample(declared.TABLE_DEAD_ROWS, (table.name,), table.dead)
        yield Sample(declared.TABLE_SIZE, (table.name,), table.bytes)


def _of_nodes(namespace: str, nodes: Iterable[Node]) -> Iterator[Sample]:
    alive = [node.alive for node in nodes if namespace in node.namespaces]
    yield Sample(declared.NODES, (namespace, "alive"), alive.count(True))
    yield Sample(declared.NODES, (namespace, "dead"), alive.count(False))


def _of_pauses(namespace: NamespaceReading) -> Iterator[Sample]:
    scopes = [pause.scope for pause in namespace.pauses]
    for scope in PauseScope:
        yield Sample(declared.PAUSES, (namespace.name, scope), scopes.count(scope))


def _of_queues(namespace: NamespaceReading, now: datetime, limits: Limits) -> Iterator[Sample]:
    """A queue that has been seen, or has a limit, has its values, be they 0: a series that vanishes looks like no answer."""
    # A run may have come between the one look and the other.
    seen = {queue for queue, _ in namespace.counts} | set(namespace.oldest) | set(namespace.limits) | {"default"}
    value = {queue: limits.queues.of(namespace.name, queue) for queue in sorted(seen)}
    runs = dict.fromkeys(((queue, state) for queue in limits.queues.known(namespace.name) for state in _UNFINISHED), 0)
    oldest = dict.fromkeys(limits.queues.known(namespace.name), 0.0)
    for (queue, state), count in namespace.counts.items():
        runs[value[queue], state] = runs.get((value[queue], state), 0) + count
    for queue, since in namespace.oldest.items():
        oldest[value[queue]] = max(oldest.get(value[queue], 0.0), (now - since).total_seconds())
    for (queue, state), count in runs.items():
        yield Sample(declared.QUEUE_RUNS, (namespace.name, queue, state), count)
    for queue, seconds in oldest.items():
        yield Sample(declared.QUEUE_OLDEST, (namespace.name, queue), seconds)
    for queue, limits_of_queue in namespace.limits.items():
        if limits_of_queue.limit is not None and value[queue] != OTHER:
            yield Sample(declared.QUEUE_LIMIT, (namespace.name, queue), limits_of_queue.limit)


def _of_jobs(namespace: NamespaceReading, limits: Limits) -> Iterator[Sample]:
    """Of the jobs that share a series: the earliest instant, and whether any fails."""
    found: dict[tuple[Metric, str], float] = {}
    for job in namespace.jobs:
        label = limits.jobs.of(namespace.name, job.name)
        for metric, at in _instants(job, namespace.pauses):
            if at is not None:
                key = (metric, label)
                found[key] = min(found.get(key, at.timestamp()), at.timestamp())
        failing = (declared.JOB_FAILING, label)
        found[failing] = max(found.get(failing, 0), job.failing)
    for (metric, label), value in found.items():
        yield Sample(metric, (namespace.name, label), value)


def _instants(job: JobFigures, pauses: Pauses) -> Iterator[tuple[Metric, datetime | None]]:
    yield declared.JOB_LAST_RUN, job.last_run_at
    yield declared.JOB_LAST_SUCCESS, job.last_success_at
    # Of what is paused the next slot stands still, and is no sign of trouble.
    yield declared.JOB_NEXT_SLOT, None if pauses.of_job(job.name) else job.next_at
