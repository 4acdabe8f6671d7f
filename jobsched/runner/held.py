"""The runs that this node owns, from claim to the acknowledged end."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from jobsched.handlers.cancel import CancelToken
from jobsched.model.job import Job, Retries
from jobsched.model.options import NO_OPTIONS, HandlerOptions
from jobsched.model.run import Claim, Transition
from jobsched.observe.runlog import RunLog

# One lock for all: it is held for a few instructions, once in the life of a run.
_settling = threading.Lock()


@dataclass(slots=True, eq=False)
class Held:
    """One owned run. `started` is monotonic; None while it waits for a thread, and again once it has ended."""

    claim: Claim
    cancel: CancelToken
    log: RunLog
    started: float | None = None
    begun: bool = False  #: a thread has taken it up
    took: float | None = None  #: seconds, of an attempt that has ended or is given up
    job: Job | None = None  #: its definition, once looked up; None for ad-hoc runs
    options: HandlerOptions = NO_OPTIONS  #: how this attempt is made, once job and handler are found
    granted: int | None = None  #: attempts, where the handler's decorator says another number than the row
    when_ended: Transition | None = None  #: of an attempt given up: to be written when its thread ends at last
    _settled: bool = False

    @property
    def fence(self) -> tuple[int, int]:
        return self.claim[:2]

    def grant(self) -> None:
        """So many attempts as its `options` say, where that is not what the row says."""
        granted = self.claim.attempts_before + 1 + (self.options.retries or Retries()).max
        if granted != self.claim.max_attempts:
            self.claim, self.granted = self.claim._replace(max_attempts=granted), granted

    def settle(self, when_ended: Transition | None = None) -> bool:
        """Take it upon oneself to say what becomes of this attempt; True for the first who asks, and nobody else.

        The worker that performed it, the deadline that gave it up and the shutdown that gives it back may all want to.
        """
        with _settling:
            if self._settled:
                return False
            self._settled, self.when_ended = True, when_ended
            return True


@dataclass(slots=True)
class HeldRuns:
    """All of them; thread-safe. `on_first` is called when the first one is added to none."""

    on_first: Callable[[], None] = lambda: None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _runs: dict[tuple[int, int], Held] = field(default_factory=dict)

    def add(self, runs: Iterable[Held]) -> None:
        with self._lock:
            none_yet = not self._runs
            for held in runs:
                self._runs[held.claim[:2]] = held
        if none_yet:
            self.on_first()

    def drop(self, fences: Iterable[tuple[int, int]]) -> None:
        """Forget runs by (id, claim_no)."""
        with self._lock:
            forget = self._runs.pop
            for fence in fences:
                forget(fence, None)

    def get(self, fence: tuple[int, int]) -> Held | None:
        with self._lock:
            return self._runs.get(fence)

    def all(self) -> list[Held]:
        with self._lock:
            return list(self._runs.values())

    def fences(self) -> set[tuple[int, int]]:
        with self._lock:
            return set(self._runs)

    def __len__(self) -> int:
        return len(self._runs)
