"""Figures that cost more than a page may: asked for in a thread of their own, kept for a while, waited for but shortly."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from typing import Generic, TypeVar

from jobsched.clock import Clock

log = logging.getLogger("jobsched")

T = TypeVar("T")
#: A page waits so long for a figure, in seconds; without it, it says so.
PATIENCE = 0.12
#: A figure that takes long is asked for no oftener than this leaves it a tenth of the time.
_REST = 10
#: So many seconds after that a figure is still better than a wait.
_STILL_GOOD = 60.0


class Kept(Generic[T]):
    """One figure. While a newer one is asked for, the last one is shown. Thread-safe."""

    def __init__(
        self,
        ask: Callable[[], T],
        clock: Clock,
        seconds: float,
        patience: float = PATIENCE,
        turn: "threading.Lock | None" = None,
    ) -> None:
        """`seconds`: how long an answer is good for, at least; `patience`: how long one is waited for; `turn`: of figures
        that share one, one is asked for at a time, so that a page has a thread less to share the interpreter with.
        """
        self._ask, self._clock, self._seconds, self._patience = ask, clock, seconds, patience
        self._turn = turn or threading.Lock()
        self._lock = threading.Lock()
        self._asking: Future[T] | None = None
        self._last: T | None = None
        self._good_until = float("-inf")

    def get(self, patience: float | None = None) -> T | None:
        """None: there is none so far. `patience`: another than its own. Raises what asking raised."""
        with self._lock:
            if self._asking is None:
                if self._clock.monotonic() < self._good_until:
                    return self._last
                self._asking = self._begin()
            asking = self._asking
            if asking is None:
                return self._last
            patience = self._patience if patience is None else patience
            if self._last is not None and self._clock.monotonic() < self._good_until + _STILL_GOOD:
                patience /= 4
        try:
            return asking.result(patience)
        except NotYet:
            return self._last

    def _begin(self) -> "Future[T] | None":
        """None: there is no thread to be had. Then nothing is asked for, and the next who wants the figure tries again."""
        asking: Future[T] = Future()
        try:
            threading.Thread(target=self._run, args=(asking,), name="jobsched-figure", daemon=True).start()
        except RuntimeError as error:
            log.warning("a figure of a page is not asked for: %s", error)
            return None
        return asking

    def _run(self, asking: Future[T]) -> None:
        try:
            with self._turn:
                began = self._clock.monotonic()
                found = self._ask()
        except Exception as error:  # noqa: BLE001 - whoever waits for it is told
            with self._lock:
                self._asking = None
            asking.set_exception(error)
            return
        with self._lock:
            ended = self._clock.monotonic()
            self._last, self._asking = found, None
            self._good_until = ended + max(self._seconds, _REST * (ended - began))
        asking.set_result(found)
