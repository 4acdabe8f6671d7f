"""Deadlines: cancels an attempt whose time is up, and gives up its thread when it does not end all the same."""

import heapq
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from jobsched.clock import Clock
from jobsched.model.job import Timeout
from jobsched.runner.held import Held
from jobsched.runner.service import Service

#: What a command or an HTTP call gets on top: it is killed at `kill_after`, and then has its pipes to close.
_TO_WIND_UP = 3.0

_Fence = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Watched:
    held: Held
    next_at: float
    last_at: float  #: when it is given up
    cancelled: bool = False


class Deadlines(Service):
    """`on_overdue` is called once for an attempt that runs on past its deadline and `kill_after`."""

    name = "deadlines"

    def __init__(self, clock: Clock, on_overdue: Callable[[Held], None]) -> None:
        super().__init__(clock)
        self._on_overdue = on_overdue
        self._lock = threading.Lock()
        self._watched: dict[_Fence, _Watched] = {}
        self._heap: list[tuple[float, _Fence]] = []

    def watch(self, held: Held, timeout: Timeout, *, kills: bool) -> None:
        """From now on. `kills`: the handler ends by itself at `kill_after` (a command, a call), so it gets a little more."""
        deadline = self.clock.monotonic() + timeout.after.total_seconds()
        held.cancel.deadline = deadline
        last = deadline + timeout.kill_after.total_seconds() + (_TO_WIND_UP if kills else 0.0)
        self._push(_Watched(held, deadline, last))

    def forget(self, held: Held) -> None:
        """It has ended."""
        with self._lock:
            self._watched.pop(held.fence, None)

    def step(self) -> float | None:
        while (due := self._pop_due()) is not None:
            if due.cancelled:
                self._on_overdue(due.held)
            else:
                due.held.cancel.cancel("timeout")
                self._push(replace(due, next_at=due.last_at, cancelled=True))
        with self._lock:
            return self._heap[0][0] - self.clock.monotonic() if self._heap else None

    def _push(self, watched: _Watched) -> None:
        with self._lock:
            self._watched[watched.held.fence] = watched
            heapq.heappush(self._heap, (watched.next_at, watched.held.fence))
            self._compact()
            earliest = self._heap[0][1] == watched.held.fence
        if earliest:
            self.wake()

    def _compact(self) -> None:
        """Most attempts end long before their deadline: what they leave in the heap must not pile up."""
        if len(self._heap) > 2 * len(self._watched) + 64:
            self._heap = [(watched.next_at, fence) for fence, watched in self._watched.items()]
            heapq.heapify(self._heap)

    def _pop_due(self) -> _Watched | None:
        with self._lock:
            while self._heap and self._heap[0][0] <= self.clock.monotonic():
                at, fence = heapq.heappop(self._heap)
                watched = self._watched.get(fence)
                if watched is not None and watched.next_at == at:
                    del self._watched[fence]
                    return watched
            return None
