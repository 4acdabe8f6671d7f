"""Admission: lets blocked runs go on when their key and queue have a free place; a slow sweep heals what a crash left."""

import threading
from collections.abc import Callable, Collection

from jobsched.clock import Clock
from jobsched.model.run import Claim
from jobsched.runner.definitions import Definitions
from jobsched.runner.service import Service
from jobsched.store.port import Store

_SWEEP_SECONDS = 15.0


class Admission(Service):
    """`places_freed` asks for a round about some keys and queues; each sweep is about all of them."""

    name = "admission"

    def __init__(self, store: Store, clock: Clock, definitions: Definitions, on_pending: Callable[[], None]) -> None:
        super().__init__(clock)
        self._store, self._definitions, self._on_pending = store, definitions, on_pending
        self._lock = threading.Lock()
        self._keys: set[str] = set()
        self._queues: set[str] = set()
        self._ended: list[Claim] = []
        self._swept = float("-inf")

    def places_freed(self, ended: Collection[Claim]) -> None:
        """These runs hold no place any more. Most have no key, and are of a queue without a limit."""
        keys = {claim.key for claim in ended if claim.key is not None}
        queues = self._definitions.limited_queues & {claim.queue for claim in ended}
        if keys or queues:
            with self._lock:
                self._keys |= keys
                self._queues |= queues
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
        return _SWEEP_SECONDS

    def _free_places(self) -> None:
        while self._ended:
            claim = self._ended[0]
            self._store.end_abandoned([claim.id], claim.node)
            with self._lock:
                self._ended.pop(0)
            self.places_freed([claim])
