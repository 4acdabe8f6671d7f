"""The node's own threads: daemons, so that a stuck handler cannot keep the process from ending.

`concurrent.futures` joins its threads at exit and would wait for such a handler for ever.
"""

import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Collection

from jobsched.runner.held import Held

log = logging.getLogger("jobsched")


class Pool:
    """`size` threads that perform held runs in the order given.

    `on_free` is called each time one has ended that leaves no more than `low` behind; it must not ask anything of the pool.
    """

    def __init__(self, size: int, perform: Callable[[Held], None], on_free: Callable[[], None]) -> None:
        self.size = self.low = size
        self._perform, self._on_free = perform, on_free
        self._lock = threading.Lock()
        self._given = threading.Condition(self._lock)
        self._idle = threading.Condition(self._lock)
        self._waiting: deque[Held] = deque()
        self._active: set[Held] = set()
        self._abandoned: set[Held] = set()
        self._closed = False
        self._serial = 0

    def start(self) -> None:
        for _ in range(self.size):
            self._add_thread()

    def submit(self, runs: list[Held]) -> None:
        with self._lock:
            self._waiting.extend(runs)
            self._given.notify(len(runs))

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

    def held_of(self, queues: Collection[str]) -> Counter[str]:
        """How many runs of each of these queues have a thread, or wait for one; threads given up are counted, for they run on."""
        with self._lock:
            found = (held.claim.queue for runs in (self._waiting, self._active, self._abandoned) for held in runs)
            return Counter(queue for queue in found if queue in queues)

    def stalled(self, now: float) -> float:
        """Seconds since a thread last began a run, while runs wait; 0 when none does."""
        with self._lock:
            begun = [held.started for held in self._active if held.started is not None]
            return now - max(begun) if begun and self._waiting else 0.0

    def take_waiting(self, keep: int = 0) -> list[Held]:
        """Take back what no thread has begun, but the first `keep`; the last given first."""
        with self._lock:
            return [self._waiting.pop() for _ in range(len(self._waiting) - keep)]

    def take_waiting_if(self, wanted: Callable[[Held], bool]) -> list[Held]:
        """Take back those of what no thread has begun that are `wanted`."""
        with self._lock:
            taken: list[Held] = []
            left: deque[Held] = deque()
            for held in self._waiting:
                (taken if wanted(held) else left).append(held)
            self._waiting = left
            return taken

    def abandon(self, held: Held) -> bool:
        """Give up the thread of an active run and put a new one in its place; False if it has just ended."""
        with self._lock:
            if held not in self._active:
                return False
            self._active.remove(held)
            self._abandoned.add(held)
        self._add_thread()
        return True

    def wait_idle(self, seconds: float) -> bool:
        """Wait until nothing is active; whether that is so."""
        with self._lock:
            return self._idle.wait_for(lambda: not self._active and not self._waiting, seconds)

    def close(self) -> None:
        """Threads end when they have nothing more to do; returns at once."""
        with self._lock:
            self._closed = True
            self._given.notify_all()

    def _add_thread(self) -> None:
        with self._lock:
            self._serial += 1
            name = f"jobsched-worker-{self._serial}"
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def _work(self) -> None:
        held = self._next(None)
        while held is not None:
            try:
                self._perform(held)
            except BaseException:  # the thread must live on, whatever a handler raised past the executor
                log.exception("run %d: the executor failed", held.claim.id)
            held = self._next(held)

    def _next(self, ended: Held | None) -> Held | None:
        """Note the end of a run, and take the next; None if this thread is to end, as one that was given up does."""
        with self._lock:
            if ended is not None and not self._note_end(ended):
                return None
            while not self._waiting:
                if self._closed:
                    return None
                self._given.wait()
            held = self._waiting.popleft()
            self._active.add(held)
            return held

    def _note_end(self, ended: Held) -> bool:
        """With the lock held. False if this thread was given up meanwhile, and has been replaced."""
        if ended in self._abandoned:
            self._abandoned.remove(ended)
            self._idle.notify_all()
            return False
        active, left = self._active, len(self._waiting)
        active.discard(ended)
        if left + len(active) <= self.low:
            if not left and not active:
                self._idle.notify_all()
            self._on_free()
        return True
