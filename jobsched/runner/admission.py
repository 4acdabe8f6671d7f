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
#: Where the store has let in who waited as it finished a run, it is looked so much later whether anybody is left: a queue may
#: have got a limit just then, which it leaves to us.
_SECOND_LOOK = 0.25


class Admission(Service):
    """`places_freed` asks for a round about some keys and queues, time for one about queues with a rate; a sweep is about all."""

    name = "admission"
    #: A key that a program holds for long makes a round fail: the others' are not to wait for that.
    longest_pause = 1.0

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
        self._soon = False  #: what has been freed is nobody else's to see to
        self._second_look: float | None = None
        self._ended: list[Claim] = []
        self._swept = float("-inf")

    def places_freed(self, ended: Collection[Claim]) -> None:
        """These runs hold no place any more. Most have no key, and are of a queue without a limit."""
        counted = self._definitions.limited_queues or self._definitions.rated_queues
        self._freed(ended, soon=bool(counted) or not self._store.admits_as_it_finishes)

    def _freed(self, ended: Collection[Claim], *, soon: bool) -> None:
        keys = {claim.key for claim in ended if claim.key is not None}
        limited = self._definitions.limited_queues
        queues = limited & {claim.queue for claim in ended} if limited else frozenset()
        if keys or queues:
            with self._lock:
                wakes = soon or not self._keys
                self._keys |= keys
                self._queues |= queues
                self._soon |= soon
            if wakes:
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
        sweep = self.clock.monotonic() - self._swept >= _SWEEP_SECONDS
        later = 0.0 if sweep else self._until_second_look()
        if later > 0:
            return later
        with self._lock:
            keys, self._keys = self._keys, set()
            queues, self._queues = self._queues, set()
            self._soon, self._second_look = False, None
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
                self._soon = True
            self._on_pending()  # some may have been let in before
            raise
        if sweep:
            self._swept = self.clock.monotonic()
        pause = min(self._rates.look(), _SWEEP_SECONDS)
        self._looked = self.clock.monotonic()
        return pause

    def _until_second_look(self) -> float:
        """Seconds for which what has been freed can wait; 0 if there is something to do now."""
        with self._lock:
            if self._soon or self._queues or not self._keys:
                return 0.0
            if self._second_look is None:
                self._second_look = self.clock.monotonic() + _SECOND_LOOK
            return self._second_look - self.clock.monotonic()

    def _free_places(self) -> None:
        while self._ended:
            claim = self._ended[0]
            self._store.end_abandoned([claim.id], claim.node)
            with self._lock:
                self._ended.pop(0)
            self._freed([claim], soon=True)
