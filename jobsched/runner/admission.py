"""Admission: lets blocked runs go on when their key and queue have a free place, or the queue's rate a new one; a slow sweep
heals what a crash left.
"""

import threading
from collections.abc import Callable, Collection

from jobsched.clock import Clock
from jobsched.model.run import Claim
from jobsched.runner.definitions import Definitions
from jobsched.runner.heartbeat import Heartbeat
from jobsched.runner.options import Options
from jobsched.runner.rates import LEAST_PAUSE, NextPlaces
from jobsched.runner.service import Service
from jobsched.store.port import Store

_SWEEP_SECONDS = 15.0


class Admission(Service):
    """`places_freed` asks for a round about some keys and queues, time for one about queues with a rate; a sweep is about all."""

    name = "admission"

    def __init__(
        self,
        store: Store,
        clock: Clock,
        options: Options,
        definitions: Definitions,
        heartbeat: Heartbeat,
        on_pending: Callable[[], None],
    ) -> None:
        super().__init__(clock)
        self._store, self._definitions, self._on_pending = store, definitions, on_pending
        self._rates = NextPlaces(store, options, definitions, heartbeat)
        self._looked = float("-inf")
        self._lock = threading.Lock()
        self._keys: set[str] = set()
        self._queues: set[str] = set()
        self._ended: list[Claim] = []
        self._swept = float("-inf")

    def places_freed(self, ended: Collection[Claim]) -> None:
        """These runs hold no place any more. Most have no key, and are of a queue without a limit."""
        keys = {claim.key for claim in ended if claim.key is not None}
        limited = self._definitions.limited_queues
        queues = limited & {claim.queue for claim in ended} if limited else frozenset()
        if keys or queues:
            with self._lock:
                self._keys |= keys
                self._queues |= queues
            self.wake()

    def claimed(self, claims: Collection[Claim]) -> None:
        """These runs have a thread: their queue may have waited for that before its rate lets in more."""
        queues = self._rates.want_a_thread
        if queues and (queues := queues & {claim.queue for claim in claims}):
            with self._lock:
                self._queues |= queues
            self.wake()

    def rung(self) -> None:
        """Somebody may have made runs that wait for the rate of their queue."""
        if self._definitions.rated_queues:
            self.wake()

    def thread_ended(self, claim: Claim) -> None:
        """The thread of an abandoned run has ended at last: the place that it kept is free."""
        with self._lock:
            self._ended.append(claim)
        self.wake()

    def sweep(self) -> None:
        """Look at all keys now."""
        self._swept = float("-inf")
        self.wake()

    def step(self) -> float:
        self._free_places()
        with self._lock:
            keys, self._keys = self._keys, set()
            queues, self._queues = self._queues, set()
        sweep = self.clock.monotonic() - self._swept >= _SWEEP_SECONDS
        early = self._looked + LEAST_PAUSE - self.clock.monotonic()
        if early > 0 and not (sweep or keys or queues):
            return early
        queues |= self._rates.come()
        try:
            if (sweep or keys or queues) and self._store.admit(
                self._definitions.namespaces, None if sweep else sorted(keys), sorted(queues)
            ):
                self._on_pending()
        except BaseException:
            with self._lock:
                self._keys |= keys
                self._queues |= queues
            raise
        if sweep:
            self._swept = self.clock.monotonic()
        pause = min(self._rates.look(), _SWEEP_SECONDS)
        self._looked = self.clock.monotonic()
        return pause

    def _free_places(self) -> None:
        while self._ended:
            claim = self._ended[0]
            self._store.end_abandoned([claim.id], claim.node)
            with self._lock:
                self._ended.pop(0)
            self.places_freed([claim])
