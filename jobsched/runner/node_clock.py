"""The node's clock: the store's, as far as this machine can tell between two looks at it."""

import logging
import threading
from contextlib import suppress
from datetime import datetime, timedelta

from jobsched.clock import Clock
from jobsched.errors import StoreUnavailableError
from jobsched.store.port import Store

log = logging.getLogger("jobsched")

#: Nodes whose clocks differ by more are warned about (DESIGN §6).
SKEW_WARNED = timedelta(seconds=1)
#: A wall clock that went this much more or less than the monotonic one was set, or the machine slept.
_JUMP_SECONDS = 0.5
#: An answer that took longer says too little about the instant it was given at.
_SLOW_SECONDS = 0.1


class NodeClock:
    """`now` goes on from the store's last answer by this machine's monotonic clock, so setting the wall clock moves nothing.

    A wall clock that jumps, or a machine that slept (the monotonic clock then stands still), makes it ask again first.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._lock = threading.Lock()
        self._instant: datetime | None = None  #: the store's, at the last look
        self._wall, self._monotonic = clock.now(), clock.monotonic()
        self._warned = False

    def now(self) -> datetime:
        """The instant by the store's clock; it is asked only when this machine's clocks are in doubt, and if it can be."""
        if self._instant is None or self._jumped():
            with suppress(StoreUnavailableError):
                self.measure()
        with self._lock:
            instant = self._wall if self._instant is None else self._instant
            return instant + timedelta(seconds=self._clock.monotonic() - self._monotonic)

    @property
    def skew(self) -> timedelta:
        """The store's clock minus this machine's, at the last look."""
        with self._lock:
            return timedelta(0) if self._instant is None else self._instant - self._wall

    def measure(self) -> None:
        """Look at the store's clock; an answer that came slowly is not believed if there is a better one."""
        wall, began = self._clock.now(), self._clock.monotonic()
        instant = self._store.now()
        took = self._clock.monotonic() - began
        if took > _SLOW_SECONDS and self._instant is not None and not self._jumped():
            return
        with self._lock:
            # It was given somewhere between question and answer: take the middle.
            self._instant, self._wall, self._monotonic = instant, wall + timedelta(seconds=took / 2), began + took / 2
        self._warn()

    def _jumped(self) -> bool:
        with self._lock:
            by_wall = (self._clock.now() - self._wall).total_seconds()
            return abs(by_wall - (self._clock.monotonic() - self._monotonic)) > _JUMP_SECONDS

    def _warn(self) -> None:
        large = abs(self.skew) > SKEW_WARNED
        if large and not self._warned:
            log.warning(
                "this machine's clock is %.1f s off the database's; times are corrected", -self.skew.total_seconds()
            )
        self._warned = large
