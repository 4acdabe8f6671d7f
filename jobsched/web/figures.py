"""What pages count, for all who look: each figure once, however many look at it."""

import threading
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from jobsched.client import Client
from jobsched.clock import Clock
from jobsched.model.pause import Pauses
from jobsched.model.run import RunState
from jobsched.observe.doctor import diagnose
from jobsched.observe.doctor.alerts import unsent
from jobsched.observe.doctor.finding import Facts, Finding
from jobsched.schedule.week import slots_a_minute
from jobsched.web import queues
from jobsched.web.flows import Flows, Stretch
from jobsched.web.job_index import JobIndex
from jobsched.web.kept import PATIENCE, Kept

_RUNNING = 1000


@dataclass(frozen=True, slots=True)
class Week:
    """Jobs that have slots in each minute of the seven days from `start` on, which is a whole hour."""

    start: datetime
    minutes: list[int]

    def hours(self) -> list[int]:
        """Of each hour, how many come together in its fullest minute."""
        return [max(self.minutes[first : first + 60]) for first in range(0, len(self.minutes), 60)]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    at: datetime
    findings: list[Finding]


class AtOnce(NamedTuple):
    """Each None while it is being counted."""

    hour: list[Stretch] | None
    day: list[Stretch] | None
    week: Week | None
    queues: list[dict[str, Any]] | None


class Figures:
    """One for each web server."""

    def __init__(self, client: Client, index: JobIndex, clock: Clock, patience: float = PATIENCE) -> None:
        self._client, self._index, self._clock, self.patience = client, index, clock, patience
        flows, turn = Flows(client), threading.Lock()
        self.hour = Kept(flows.hour, clock, 2, patience, turn)
        self.day = Kept(flows.day, clock, 30, patience, turn)
        self.week = Kept(self._week, clock, 15, patience, turn)
        self.failing = Kept(lambda: client.store.failing_jobs(client.namespace), clock, 5, patience, turn)
        self.diagnosis = Kept(self._diagnose, clock, 10, patience, turn)
        # In a turn of its own: it is what people wait for, and the others may take seconds.
        self.entries = Kept(index.entries, clock, 0, patience)
        self.timings = Kept(index.timings, clock, 0, patience, turn)
        self._depths = Kept(lambda: queues.depths(client), clock, 0, patience, turn)

    def at_once(self) -> "AtOnce":
        """What the first page shows, for the price of one wait."""
        asked: tuple[Kept[Any], ...] = (self._depths, self.hour, self.day, self.week)
        for one in asked:
            one.get(0)
        until = self._clock.monotonic() + self.patience
        depths, hour, day, week = (one.get(max(0.0, until - self._clock.monotonic())) for one in asked)
        return AtOnce(hour, day, week, None if depths is None else queues.as_json(self._client, depths))

    def prepare(self) -> None:
        """Begin with what takes longest the first time, before anybody looks."""
        for one in (self.hour, self.day, self.week):
            one.get(0)

    def job_names(self) -> list[str]:
        """Of all jobs, sorted, as they are now."""
        return self._index.names()

    def queues(self) -> list[dict[str, Any]] | None:
        """As /api/queues has them, with what waits as it was a moment ago."""
        depths = self._depths.get()
        return None if depths is None else queues.as_json(self._client, depths)

    def running_jobs(self) -> frozenset[str]:
        """Jobs of which a run is performed now."""
        running = self._client.runs(states=[RunState.RUNNING], limit=_RUNNING)
        return frozenset(run.job for run in running if run.job is not None)

    def _week(self) -> Week:
        now = self._client.store.now()
        start = now.replace(minute=0, second=0, microsecond=0)
        pauses = Pauses(self._client.pauses())
        timings = self._index.timings()
        coming = [timing for name, timing in timings.items() if pauses.of_job(name) is None]
        return Week(start, slots_a_minute(coming, start, once=True))

    def _diagnose(self) -> Diagnosis:
        """What the database can tell; files and permissions are for `jobsched doctor` on a node's machine."""
        store, namespace = self._client.store, self._client.namespace
        actual, now = store.actual(namespace), store.now()
        facts = Facts(
            namespace=namespace,
            now=now,
            schema=store.schema(),
            inspection=store.inspect(namespace),
            newest=actual.generation,
            nodes=tuple(store.nodes()),
            jobs=tuple(actual.jobs.values()),
            pauses=tuple(actual.pauses),
            failing=store.failing_jobs(namespace),
            unsent=tuple(store.runs(unsent(namespace, now))),
            untold=tuple(store.untold([namespace])),
        )
        return Diagnosis(now, diagnose(facts))
