"""Pauses of a node: what is paused as it read it last, and the end of what is over."""

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress

from jobsched.client import Client
from jobsched.clock import Clock
from jobsched.errors import StoreUnavailableError
from jobsched.model.pause import Pause, Pauses, PauseScope
from jobsched.observe.events import Event, Paused, Resumed
from jobsched.observe.listeners import Events
from jobsched.runner.heartbeat import Heartbeat
from jobsched.runner.service import NotNowError, Service
from jobsched.store.port import Store

log = logging.getLogger("jobsched")

_Key = tuple[str, PauseScope, str]
#: Of more pauses that come or go at once, the log says how many.
_MOST_SAID = 20
#: Before a pause that is over by this node's clock, but not by the store's, is looked at again.
_NOT_YET = 0.05


class NodePauses(Service):
    """Wakes when somebody pauses or resumes, and when the next pause is over."""

    name = "pauses"

    def __init__(
        self,
        store: Store,
        clock: Clock,
        namespaces: Sequence[str],
        heartbeat: Heartbeat,
        on_change: Callable[[], None],
        events: Events,
    ) -> None:
        super().__init__(clock)
        self._events = events
        self._store, self._heartbeat, self._on_change = store, heartbeat, on_change
        self._clients = {name: Client(store, namespace=name, clock=clock) for name in namespaces}
        self._standing: dict[_Key, Pause] = {}
        self._by_namespace: dict[str, Pauses] = {}
        #: Those that hold queues, for the claim.
        self.of_queues: tuple[Pause, ...] = ()

    def holds(self, namespace: str, queue: str) -> bool:
        """Whether runs of a queue are not to be started."""
        pauses = self._by_namespace.get(namespace)
        return pauses is not None and pauses.of_queue(queue) is not None

    def knows(self, standing: Sequence[Pause]) -> bool:
        """Whether it has read just these."""
        return set(standing) == set(self._standing.values())

    def begin(self) -> None:
        """Read them, before the node works, and end what is over. Raises StoreError if they cannot be read.

        What cannot be ended now is ended by the loop: the node may have been held up since it registered, or a job that is
        held be locked by a node that is frozen within its transaction.
        """
        self._read()
        with suppress(NotNowError, StoreUnavailableError):
            self.step()

    def step(self) -> float | None:
        self._read()
        now = self._heartbeat.now()
        if not self._heartbeat.fit:
            raise NotNowError
        over = {pause.namespace for pause in self._standing.values() if pause.is_over(now)}
        for namespace in over:
            # Every node may: one of them does, and the others find it done.
            self._clients[namespace].end_expired_pauses()
        if over:
            self._read()
            return _NOT_YET
        ends = [pause.until for pause in self._standing.values() if pause.until is not None]
        return min(((end - now).total_seconds() for end in ends), default=None)

    def _read(self) -> None:
        found = {(one.namespace, *one.target): one for one in self._store.pauses(list(self._clients))}
        before = self._standing
        if found == before:
            return
        self._standing = found
        self._by_namespace = {
            namespace: Pauses(one for one in found.values() if one.namespace == namespace)
            for namespace in self._clients
        }
        self.of_queues = tuple(one for one in found.values() if one.scope is not PauseScope.JOB)
        now = self._heartbeat.now()
        self._say([_paused(one) for key, one in found.items() if before.get(key) != one])
        self._say([_resumed(one, expired=one.is_over(now)) for key, one in before.items() if key not in found])
        self._on_change()

    def _say(self, events: Sequence[Event]) -> None:
        many = len(events) > _MOST_SAID
        if many:
            log.info("%d pauses: %s", len(events), events[0].name)
        for event in events:
            self._events.emit(event, logged=not many)


def _paused(pause: Pause) -> Paused:
    return Paused(
        namespace=pause.namespace,
        scope=pause.scope,
        target=pause.name or None,
        by=pause.by,
        until=pause.until,
        why=pause.reason or None,
    )


def _resumed(pause: Pause, *, expired: bool) -> Resumed:
    return Resumed(namespace=pause.namespace, scope=pause.scope, target=pause.name or None, expired=expired)
