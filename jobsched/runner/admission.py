"""Admission: lets blocked runs go on when their concurrency key has a free place; a slow sweep heals what a crash left."""

import threading
from collections.abc import Callable, Iterable

from jobsched.clock import Clock
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
        self._swept = float("-inf")

    def keys_freed(self, keys: Iterable[str]) -> None:
        with self._lock:
            self._freed.update(keys)
        self.wake()

    def step(self) -> float:
        with self._lock:
            keys, self._freed = sorted(self._freed), set()
        sweep = self.clock.monotonic() - self._swept >= _SWEEP_SECONDS
        if sweep or keys:
            if self._store.admit(self._definitions.namespaces, None if sweep else keys):
                self._on_pending()
            if sweep:
                self._swept = self.clock.monotonic()
        return _SWEEP_SECONDS
