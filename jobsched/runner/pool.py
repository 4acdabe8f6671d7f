"""The node's own threads: daemons, so that a stuck handler cannot keep the process from ending.

`concurrent.futures` joins its threads at exit and would wait for such a handler for ever.
"""

import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Collection
from contextlib import suppress

from jobsched.runner.held import Held

log = logging.getLogger("jobsched")

#: Seconds in which threads that have a processor get on.
_A_MOMENT = 0.02


class Pool:
    """`size` threads that perform held runs in the order given.

    `on_free` is called each time one has ended that leaves no more than `low` behind; it must not ask anything of the pool.

    From one run to the next a thread takes no lock: with runs of microseconds the threads would stand in line for it, and
    hand on Python's own lock each time. It moves runs by steps that Python does not divide, like `popleft`; so whoever else
    takes runs away takes each by such a step, and copies what it looks through. A run is among `_runs` from when it is given
    to when it has ended or is taken back: between the line and a thread it is not lost sight of.
    """

    def __init__(self, size: int, perform: Callable[[Held], None], on_free: Callable[[], None]) -> None:
        self.size = self.low = size
        self._perform, self._on_free = perform, on_free
        self._lock = threading.Lock()
        self._given = threading.Condition(self._lock)
        self._idle = threading.Condition(self._lock)
        self._waiting: deque[Held] = deque()
        self._runs: set[Held] = set()  #: those that wait or are performed
        self._abandoned: set[Held] = set()
        self._closed = False
        self._serial = 0
        #: When a run had last begun, and since when that is known.
        self._noticed: tuple[float | None, float] = (None, 0.0)

    def start(self) -> None:
        for _ in range(self.size):
            self._add_thread()

    def submit(self, runs: list[Held]) -> None:
        with self._lock:
            self._runs.update(runs)
            self._waiting.extend(runs)
            self._given.notify()

    @property
    def load(self) -> int:
        """Runs that wait or are performed; beyond `size` they wait."""
        return len(self._runs)

    @property
    def active(self) -> int:
        return max(0, len(self._runs) - len(self._waiting))  # of what is being given all may be counted as waiting

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
            runs = [*self._runs.copy(), *self._abandoned]
        return Counter(held.claim.queue for held in runs if held.claim.queue in queues)

    def stalled(self, now: float) -> float:
        """Seconds since a thread last began a run, while runs wait; 0 when none does.

        Also 0 at first: whoever asks may be who kept the threads from Python's lock, or wake with them after the whole process
        had no processor. What has not moved since it was asked a moment ago has stalled.
        """
        with self._lock:
            begun = [started for held in self._runs.copy() if (started := held.started) is not None]
            last = max(begun) if begun and self._waiting else None
        if last != self._noticed[0]:
            self._noticed = last, now
        return now - last if last is not None and now - self._noticed[1] >= _A_MOMENT else 0.0

    def take_waiting(self, keep: int = 0) -> list[Held]:
        """Take back what no thread has begun, but the first `keep`; the last given first."""
        taken: list[Held] = []
        with self._lock, suppress(IndexError):  # threads take them from the other end
            while len(self._waiting) > keep:
                taken.append(held := self._waiting.pop())
                self._runs.remove(held)
        return taken

    def take_waiting_if(self, wanted: Callable[[Held], bool]) -> list[Held]:
        """Take back those of what no thread has begun that are `wanted`."""
        taken: list[Held] = []
        left: list[Held] = []
        # A thread that finds none meanwhile asks again with the lock.
        with self._lock:
            with suppress(IndexError):
                while True:
                    held = self._waiting.popleft()
                    (taken if wanted(held) else left).append(held)
            self._waiting.extend(left)
            self._runs.difference_update(taken)
            self._given.notify()
        return taken

    def abandon(self, held: Held) -> bool:
        """Give up the thread of an active run and put a new one in its place; False if it has just ended."""
        with self._lock:
            # In this order: whoever finds that it is not performed any more finds it here.
            self._abandoned.add(held)
            if not _took(self._runs, held):
                self._abandoned.remove(held)
                return False
        self._add_thread()
        return True

    def wait_idle(self, seconds: float) -> bool:
        """Wait until nothing is active; whether that is so."""
        with self._lock:
            return self._idle.wait_for(lambda: not self._runs, seconds)

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
        held = self._first()
        while held is not None:
            try:
                self._perform(held)
            except BaseException:  # the thread must live on, whatever a handler raised past the executor
                log.exception("run %d: the executor failed", held.claim.id)
            held = self._next(held)

    def _next(self, ended: Held) -> Held | None:
        """Note the end of a run, and take the next; None if this thread is to end, as one that was given up does."""
        runs = self._runs
        # It has the next one before the other one has ended: between two runs a thread is not idle.
        held: Held | None
        try:
            held = self._waiting.popleft()
        except IndexError:
            held = None
        if not _took(runs, ended):
            self._end_given_up(ended, held)
            return None
        if len(runs) <= self.low:
            self._on_free()
        return self._first() if held is None else held

    def _first(self) -> Held | None:
        """Wait for a run; None if this thread is to end.

        Each wakes the next, if more wait: handlers that wait for something let all threads begin at once, and those that do
        not are performed by a few, since the others would but stand in line for Python's lock.
        """
        with self._lock:
            while True:
                with suppress(IndexError):
                    held = self._waiting.popleft()
                    if self._waiting:
                        self._given.notify()
                    return held
                if not self._runs:
                    self._idle.notify_all()
                if self._closed:
                    return None
                self._given.wait()

    def _end_given_up(self, ended: Held, taken: Held | None) -> None:
        """The thread was given up, and has been replaced: what it has `taken` is the others'."""
        with self._lock:
            self._abandoned.discard(ended)
            if taken is not None:
                self._waiting.appendleft(taken)
                self._given.notify()
            self._idle.notify_all()


def _took(runs: set[Held], held: Held) -> bool:
    """Take it out of them; False if another has."""
    try:
        runs.remove(held)
    except KeyError:
        return False
    return True
