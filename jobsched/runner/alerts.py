"""Alerts: finds what is late, missed, stuck or lost, and has people told of it; nothing while no job has `alerts` or `ping`."""

import hashlib
import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

from jobsched.clock import Clock
from jobsched.errors import StoreError, StoreUnavailableError
from jobsched.model.alert import OF_NAMESPACE, SLA_FIELDS, AlertKind, Alerts, Breach, NewBreach, Ping
from jobsched.model.instants import format_instant
from jobsched.model.job import Job
from jobsched.model.pause import Pauses
from jobsched.model.sla import missed_breaches, sla_breaches
from jobsched.model.state import Node
from jobsched.model.telling import tellings
from jobsched.runner.definitions import Definitions
from jobsched.runner.heartbeat import Heartbeat
from jobsched.runner.held import Held
from jobsched.runner.service import NotNowError, Service
from jobsched.store.port import Store

log = logging.getLogger("jobsched")

#: How often is looked for what nobody notes: what is late, missed, stuck, without success, lost.
_LOOK_SECONDS = 15.0
#: Under load breaches are told together, at most so often.
_TELL_SECONDS = 1.0
#: What happened longer ago when a node first looks is no news.
_NEWS = timedelta(hours=1)
#: While the store is away so many beginnings are kept to be pinged; of more the oldest are forgotten: they are no news.
MOST_BEGUN = 10_000
_WAITED_FOR = frozenset({AlertKind.MISSED, *SLA_FIELDS, *OF_NAMESPACE})


#: Why files are not applied, and since when.
Refusal = tuple[str, datetime]


class AlertWatch(Service):
    """Every node does it; the row of a breach decides who was first. Wake it when breaches may have been noted."""

    name = "alerts"

    def __init__(
        self,
        store: Store,
        clock: Clock,
        definitions: Definitions,
        heartbeat: Heartbeat,
        refusal: Callable[[], Refusal | None],
    ) -> None:
        """`refusal`: why this node's files are not applied; None if they are, or there are none."""
        super().__init__(clock)
        self._store, self._definitions, self._heartbeat, self._refusal = store, definitions, heartbeat, refusal
        self._read: dict[str, int | None] = {}
        #: By namespace and job, of those that have any.
        self._alerts: dict[str, dict[str, Alerts]] = {}
        self._pings: dict[str, dict[str, Ping]] = {}
        self._jobs: dict[str, list[Job]] = {}
        self._looked = self._told = float("-inf")
        self._missed_since: dict[str, datetime] = {}
        self._refused: set[str] = set()  #: subjects of the refusals that this node has noted
        #: Attempts whose beginning is to be pinged.
        self._begun: deque[tuple[int, int]] = deque(maxlen=MOST_BEGUN)
        self._refused_beginnings: str | None = None

    def noticed(self) -> None:
        """A sync may have been applied: it is another generation that counts."""
        if self._read != self._definitions.generations:
            self.wake()

    def begins(self, held: Held) -> None:
        """An attempt begins: its job may want that to be told. It waits for nothing, least of all for a receiver."""
        if held.job is not None and held.job.ping is not None and held.job.ping.start is not None:
            self._begun.append(held.fence)
            self.wake()

    def look_now(self) -> None:
        """Not only when its time has come."""
        self._looked = float("-inf")
        self.wake()

    def step(self) -> float | None:
        self._read_alerts()
        if not any(self._jobs.values()):
            return None
        if not self._heartbeat.fit:
            raise NotNowError
        self._note_beginnings()
        now = self.clock.monotonic()
        if now - self._told < _TELL_SECONDS:
            return _TELL_SECONDS - (now - self._told)
        if now - self._looked >= _LOOK_SECONDS:
            self._looked = now
            for namespace, alerts in self._alerts.items():
                self._look(namespace, alerts)
        self._told = now
        return self._tell()

    def _note_beginnings(self) -> None:
        """At once, not with the rest: one that ends meanwhile is noted as ended alone."""
        fences = []
        while self._begun:
            fences.append(self._begun.popleft())
        if not fences:
            return
        try:
            self._store.note_beginnings(fences)
        except StoreUnavailableError:
            room = MOST_BEGUN - len(self._begun)
            self._begun.extendleft(reversed(fences[-room:] if room > 0 else ()))
            raise
        except StoreError as error:
            # The same again would be refused again, and hold up all other alerts.
            if str(error) != self._refused_beginnings:
                log.error("beginnings of runs are not pinged: %s", error)  # noqa: TRY400 - its words say it
            self._refused_beginnings = str(error)
        else:
            self._refused_beginnings = None

    def _read_alerts(self) -> None:
        generations = self._definitions.generations
        if generations == self._read:
            return
        self._jobs = {
            namespace: [stored.job for stored in self._store.watched_jobs(namespace)] for namespace in generations
        }
        self._alerts = {
            namespace: {job.name: job.alerts for job in jobs if job.alerts is not None}
            for namespace, jobs in self._jobs.items()
        }
        self._pings = {
            namespace: {job.name: job.ping for job in jobs if job.ping is not None}
            for namespace, jobs in self._jobs.items()
        }
        self._read = generations

    # -- what nobody else notes

    def _look(self, namespace: str, alerts: Mapping[str, Alerts]) -> None:
        told = {kind for one in alerts.values() for kind in one.when}
        if told.isdisjoint(_WAITED_FOR):
            return
        found: list[NewBreach] = []
        if told & SLA_FIELDS.keys():
            found += self._late(namespace, alerts)
        if AlertKind.SYNC_REFUSED in told:
            found += self._refusals(namespace)
        if AlertKind.MISSED in told:
            found += self._missed(namespace, alerts)
        if AlertKind.NODE_LOST in told:
            found += lost_nodes(namespace, self._store.nodes(), self._store.now())
        lasts = {breach.identity for breach in found}
        known = self._store.open_breaches(namespace)
        self._store.end_breaches([breach.id for breach in known if breach.identity not in lasts and self._ends(breach)])
        there = {breach.identity for breach in known}
        self._store.note([breach for breach in found if breach.identity not in there])

    def _late(self, namespace: str, alerts: Mapping[str, Alerts]) -> Iterable[NewBreach]:
        timed = sorted(job for job, one in alerts.items() if not SLA_FIELDS.keys().isdisjoint(one.when))
        facts = self._store.sla_facts(namespace, timed)
        pauses = Pauses(self._store.pauses([namespace]))
        held = frozenset(
            job.name
            for job in self._jobs[namespace]
            if job.suspend or pauses.of_job(job.name) is not None or pauses.of_queue(job.queue) is not None
        )
        return sla_breaches(namespace, alerts, facts, held)

    def _missed(self, namespace: str, alerts: Mapping[str, Alerts]) -> Iterable[NewBreach]:
        now = self._store.now()
        # Twice the time between two looks, and some more: a row that is noted already is not noted again.
        looked = self._missed_since.get(namespace, now - _NEWS)
        found = self._store.missed(namespace, min(looked, now - timedelta(seconds=4 * _LOOK_SECONDS)))
        self._missed_since[namespace] = now
        return missed_breaches(namespace, alerts, found)

    def _refusals(self, namespace: str) -> Iterable[NewBreach]:
        refusal = self._refusal()
        if refusal is not None:
            subject = refusal_subject(*refusal)
            self._refused.add(subject)
            kind, details = AlertKind.SYNC_REFUSED, {"error": refusal[0]}
            yield NewBreach(namespace=namespace, kind=kind, subject=subject, details=details)

    def _ends(self, breach: Breach) -> bool:
        """Whether a breach that this node does not find is over; what another node's files are refused for is its affair."""
        if breach.kind is AlertKind.SYNC_REFUSED:
            newest = self._definitions.newest(breach.namespace)
            return breach.subject in self._refused or (newest is not None and newest.applied_at > breach.opened_at)
        return breach.kind in SLA_FIELDS

    # -- telling

    def _tell(self) -> float:
        untold = self._store.untold(list(self._alerts))
        if not untold:
            return _LOOK_SECONDS
        now = self._store.now()
        told, next_at = tellings(untold, self._alerts, now, self._pings)
        done = [self._store.tell(*one) for one in told]
        if not all(done):
            return _TELL_SECONDS
        if next_at is None:
            return _LOOK_SECONDS
        return max(_TELL_SECONDS, min((next_at - now).total_seconds(), _LOOK_SECONDS))


def refusal_subject(error: str, since: datetime) -> str:
    """The same for all nodes that refuse the same files, which they do at about the same time; another some hours later."""
    return f"{hashlib.sha256(error.encode()).hexdigest()[:16]} {since:%Y-%m-%dT%H}"


def lost_nodes(namespace: str, nodes: Iterable[Node], now: datetime) -> Iterable[NewBreach]:
    """Of the nodes that serve this namespace, those that were last heard of lately, and whose lease has run out."""
    for node in nodes:
        if not node.alive and namespace in node.namespaces and now - node.heartbeat_at < _NEWS:
            details = {"node": node.id, "host": node.host, "heartbeat_at": format_instant(node.heartbeat_at)}
            yield NewBreach(namespace=namespace, kind=AlertKind.NODE_LOST, subject=str(node.id), details=details)
