"""The node's own threads: daemons, so that a stuck handler cannot keep the process from ending.

`concurrent.futures` joins its threads at exit and would wait for such a handler for ever.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable

from jobsched.runner.held import Held

log = logging.getLogger("jobsched")


class Pool:
    """`size` threads that perform held runs in the order given. `on_free` is called each time one has ended."""

    def __init__(self, size: int, perform: Callable[[Held], None], on_free: Callable[[], None]) -> None:
        self.size = size
        self._perform, self._on_free = perform, on_free
        self._changed = threading.Condition()
        self._waiting: deque[Held] = deque()
        self._active: dict[Held, threading.Thread] = {}
        self._abandoned: set[Held] = set()
        self._closed = False
        self._serial = 0

    def start(self) -> None:
        for _ in range(self.size):
            self._add_thread()

    def submit(self, runs: list[Held]) -> None:
        with self._changed:
            self._waiting.extend(runs)
            self._changed.notify(len(runs))

    @property
    def load(self) -> int:
        """Runs that wait or are performed; beyond `size` they wait."""
        return len(self._waiting) + len(self._active)

    @property
    def active(self) -> int:
        return len(self._active)

    @property
    def abandoned(self) -> int:
        """Threads given up that have not ended."""
        return len(self._abandoned)

    @property
    def waiting(self) -> int:
        """Runs that no thread has begun."""
        return len(self._waiting)

    def longest_active(self, now: float) -> float:
        """Seconds that the run begun first has been performed for; 0 when none is."""
        with self._changed:
            begun = [held.started for held in self._active if held.started is not None]
        return now - min(begun) if begun else 0.0

    def take_waiting(self, keep: int = 0) -> list[Held]:
        """Take back what no thread has begun, but the first `keep`; the last given first."""
        with self._changed:
            return [self._waiting.pop() for _ in range(len(self._waiting) - keep)]

    def take_waiting_if(self, wanted: Callable[[Held], bool]) -> list[Held]:
        """Take back those of what no thread has begun that are `wanted`."""
        with self._changed:
            taken: list[Held] = []
            left: deque[Held] = deque()
            for held in self._waiting:
                (taken if wanted(held) else left).append(held)
            self._waiting = left
            return taken

    def abandon(self, held: Held) -> bool:
        """Give up the thread of an active run and put a new one in its place; False if it has just ended."""
        with self._changed:
            if self._active.pop(held, None) is None:
                return False
            self._abandoned.add(held)
        self._add_thread()
        return True

    def wait_idle(self, seconds: float) -> bool:
        """Wait until nothing is active; whether that is so."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._active and not self._waiting, seconds)

    def close(self) -> None:
        """Threads end when they have nothing more to do; returns at once."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _add_thread(self) -> None:
        with self._changed:
            self._serial += 1
            name = f"jobsched-worker-{self._serial}"
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def _work(self) -> None:
        while (held := self._next()) is not None:
            try:
                self._perform(held)
            except BaseException:  # the thread must live on, whatever a handler raised past the executor
                log.exception("run %d: the executor failed", held.claim.id)
            if not self._ended(held):
                return
            self._on_free()

    def _next(self) -> Held | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if not self._waiting:
                return None
            held = self._waiting.popleft()
            self._active[held] = threading.current_thread()
            return held

    def _ended(self, held: Held) -> bool:
        """Note the end of a run; False if this thread was given up meanwhile and has been replaced."""
        with self._changed:
            replaced = held in self._abandoned
            self._abandoned.discard(held)
            self._active.pop(held, None)
            self._changed.notify_all()
            return not replaced
