"""Deadlines: cancels an attempt whose time is up, and gives up its thread when it does not end all the same."""

import heapq
import itertools
import threading
from collections.abc import Callable

from jobsched.clock import Clock
from jobsched.model.job import Timeout
from jobsched.runner.held import Held
from jobsched.runner.service import Service

#: What a command or an HTTP call gets on top: it is killed at `kill_after`, and then has its pipes to close.
_TO_WIND_UP = 3.0


class Deadlines(Service):
    """`on_overdue` is called once for an attempt that runs on past its deadline and `kill_after`."""

    name = "deadlines"

    def __init__(self, clock: Clock, on_overdue: Callable[[Held], None]) -> None:
        super().__init__(clock)
        self._on_overdue = on_overdue
        self._lock = threading.Lock()
        self._order = itertools.count()
        self._heap: list[tuple[float, int, Held, float | None]] = []

    def watch(self, held: Held, timeout: Timeout, *, kills: bool) -> None:
        """From now on. `kills`: the handler ends by itself at `kill_after` (a command, a call), so give it a little more."""
        deadline = self.clock.monotonic() + timeout.after.total_seconds()
        held.cancel.deadline = deadline
        last = deadline + timeout.kill_after.total_seconds() + (_TO_WIND_UP if kills else 0.0)
        with self._lock:
            heapq.heappush(self._heap, (deadline, next(self._order), held, last))
            earliest = self._heap[0][2] is held
        if earliest:
            self.wake()

    def step(self) -> float | None:
        while (due := self._pop_due()) is not None:
            held, last = due
            if held.started is None:
                continue
            if last is None:
                self._on_overdue(held)
                continue
            held.cancel.cancel("timeout")
            with self._lock:
                heapq.heappush(self._heap, (last, next(self._order), held, None))
        with self._lock:
            return self._heap[0][0] - self.clock.monotonic() if self._heap else None

    def _pop_due(self) -> tuple[Held, float | None] | None:
        with self._lock:
            if not self._heap or self._heap[0][0] > self.clock.monotonic():
                return None
            _, _, held, last = heapq.heappop(self._heap)
            return held, last
