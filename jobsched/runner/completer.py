"""Completer: writes what became of runs, with the log lines they left, in batches under load and at once when idle."""

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from jobsched.clock import Clock
from jobsched.errors import StoreError, StoreUnavailableError
from jobsched.model.run import Claim, LogLine, RunState, Transition
from jobsched.runner.held import Held, HeldRuns
from jobsched.runner.service import Service
from jobsched.store.port import Store

log = logging.getLogger("jobsched")

_BATCH = 500
#: Lines of running attempts reach the store this often; those of ended ones before their result.
_LOG_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class _Ended:
    claim: Claim
    transition: Transition


class Completer(Service):
    """`put` transitions; they are written in order, again and again while the store is away."""

    name = "completer"

    def __init__(
        self, store: Store, clock: Clock, held: HeldRuns, on_keys_freed: Callable[[Iterable[str]], None]
    ) -> None:
        super().__init__(clock)
        self._store, self._held, self._on_keys_freed = store, held, on_keys_freed
        self._lock = threading.Lock()
        self._queue: list[_Ended] = []
        self._lines: list[LogLine] = []
        self._writing = threading.Lock()
        self._logs_due = clock.monotonic() + _LOG_SECONDS

    def put(self, held: Held, transition: Transition) -> None:
        """Write this when possible; the run stays held until the store has acknowledged it."""
        lines = held.log.close()
        with self._lock:
            self._lines.extend(lines)
            self._queue.append(_Ended(held.claim, transition))
        self.wake()

    def step(self) -> float:
        self.flush()
        return _LOG_SECONDS

    def flush(self) -> None:
        """Write everything that is waiting; raises StoreUnavailableError with all of it still waiting."""
        with self._writing:
            self._flush_logs()
            while self._queue:
                self._flush_batch()

    @property
    def backlog(self) -> int:
        return len(self._queue)

    def _flush_logs(self) -> None:
        if self.clock.monotonic() >= self._logs_due:
            self._logs_due = self.clock.monotonic() + _LOG_SECONDS
            for held in self._held.all():
                lines = held.log.drain()
                if lines:
                    with self._lock:
                        self._lines.extend(lines)
        with self._lock:
            lines, self._lines = self._lines, []
        if not lines:
            return
        try:
            self._store.append_log(lines)
        except StoreUnavailableError:
            with self._lock:
                self._lines = lines + self._lines
            raise
        except StoreError:
            # Never at the price of the result: the lines are lost, and said to be.
            log.exception("%d log lines of runs could not be kept", len(lines))

    def _flush_batch(self) -> None:
        batch = self._queue[:_BATCH]
        ours = self._store.finish([ended.transition for ended in batch])
        with self._lock:
            del self._queue[: len(batch)]
        self._held.drop((ended.claim.id, ended.claim.claim_no) for ended in batch)
        for ended in batch:
            if ended.transition.id not in ours:
                _say_dropped(ended)
        freed = {ended.claim.key for ended in batch if ended.claim.key is not None}
        if freed:
            self._on_keys_freed(freed)


def _say_dropped(ended: _Ended) -> None:
    if ended.transition.state is RunState.PENDING:
        return
    log.warning(
        "run %d: the result of attempt %d is dropped: this node had lost the run",
        ended.claim.id,
        ended.claim.attempt,
        extra={"event": "result_dropped", "run": ended.claim.id, "job": ended.claim.job},
    )
