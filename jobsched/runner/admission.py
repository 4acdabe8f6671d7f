"""Admission: lets blocked runs go on when their concurrency key has a free place; a slow sweep heals what a crash left."""

import threading
from collections.abc import Callable, Iterable

from jobsched.clock import Clock
from jobsched.model.run import Claim
from jobsched.runner.definitions import Definitions
from jobsched.runner.service import Service
from jobsched.store.port import Store

_SWEEP_SECONDS = 15.0


class Admission(Service):
    """`keys_freed` asks for a round about some keys; each sweep is about all of them."""

    name = "admission"

    def __init__(self, store: Store, clock: Clock, definitions: Definitions, on_pending: Callable[[], None]) -> None:
        super().__init__(clock)
        self._store, self._definitions, self._on_pending = store, definitions, on_pending
        self._lock = threading.Lock()
        self._freed: set[str] = set()
        self._ended: list[Claim] = []
        self._swept = float("-inf")

    def keys_freed(self, keys: Iterable[str]) -> None:
        with self._lock:
            self._freed.update(keys)
        self.wake()

    def thread_ended(self, claim: Claim) -> None:
        """The thread of an abandoned run has ended at last: the place that it kept is free."""
        if claim.key is None:
            return
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
            keys, self._freed = self._freed, set()
        sweep = self.clock.monotonic() - self._swept >= _SWEEP_SECONDS
        try:
            if (sweep or keys) and self._store.admit(self._definitions.namespaces, None if sweep else sorted(keys)):
                self._on_pending()
        except BaseException:
            with self._lock:
                self._freed |= keys
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
                if claim.key is not None:
                    self._freed.add(claim.key)
