"""Completer: writes what became of runs, with the log lines they left, in batches under load and at once when idle."""

import logging
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TypeVar

from jobsched.clock import Clock
from jobsched.errors import OutcomeUnknownError, StoreBrokenError, StoreError, StoreUnavailableError
from jobsched.model.job import Job
from jobsched.model.run import Became, Claim, LogLine, Reason, RunState, Transition
from jobsched.observe.events import ResultDropped, level_of
from jobsched.observe.listeners import Events
from jobsched.runner.endings import ending, of_claim
from jobsched.runner.held import Held, HeldRuns
from jobsched.runner.service import Service
from jobsched.store.port import Store

log = logging.getLogger("jobsched")

T = TypeVar("T")

#: A little more than a node may hold.
_BATCH = 600
_LINES = 2000
#: While the store is away, so many lines are kept for it; then the oldest are lost, and said to be.
_MOST_LINES = 200_000
#: Under load what has ended waits so long for what will, or until a batch is full.
_GATHER_SECONDS = 0.005
#: The same while slots are being fired: what starts late is late, and what ended is not, and the database has but so much time.
_GATHER_FIRING = 0.05
#: The same where the dispatcher writes it along with its next claim.
_GATHER_LONG = 0.02
#: So often it waits there, at most, for a claim that does not come.
_GATHERS = 5
#: With a whole batch in hand the dispatcher waits so long for its turn: claims alone would leave what has ended ever further behind.
_LONGEST_TURN = 1.0
#: Lines of running attempts reach the store this often; those of ended ones with their result.
_LOG_SECONDS = 0.5
#: It is not for what was to be written that it was not: it waits, and nothing of it is dropped.
_NOT_NOW = (StoreUnavailableError, StoreBrokenError)
#: A retry too may turn out to be a failure: when the job is gone.
_MAY_FAIL = frozenset({RunState.FAILED, RunState.SCHEDULED})
#: A success may be the end of a breach.
_MAY_BREACH = _MAY_FAIL | {RunState.SUCCEEDED}


#: A run, what becomes of it, and how many seconds its attempt took, if that is known.
_Ended = tuple[Held, Transition, float | None]


class Completer(Service):
    """`put` transitions; they are written in order, again and again while the store is away. Tell it of the first held run."""

    name = "completer"

    def __init__(
        self,
        store: Store,
        clock: Clock,
        held: HeldRuns,
        on_ended: Callable[[Collection[Claim]], None],
        on_more_history: Callable[[Iterable[tuple[str, str]]], None],
        events: Events,
        more_to_come: Callable[[], bool] = lambda: False,
        is_claiming: Callable[[], bool] = lambda: False,
        is_firing: Callable[[], bool] = lambda: False,
        on_alerts: Callable[[], None] = lambda: None,
    ) -> None:
        """`more_to_come`: whether runs wait here that will end soon, or a claim is near that it may be written with: what
        has ended waits for them. `is_claiming`: whether the store is at a claim now, where one would wait for the other.
        `is_firing`: whether slots are being fired here, for whose sake what has ended waits longer.

        `on_alerts`: called when breaches may have been noted.
        """
        super().__init__(clock)
        self._events = events
        self._store, self._held, self._more_to_come = store, held, more_to_come
        self._is_claiming, self._is_firing = is_claiming, is_firing
        self._on_ended, self._on_more_history, self._on_alerts = on_ended, on_more_history, on_alerts
        self._lock = threading.Lock()
        self._queue: list[_Ended] = []
        self._lines: list[LogLine] = []
        self._writing = threading.Lock()
        self._enough = threading.Event()
        self._gathered = 0  #: how often it has waited since something was written
        self._asleep = True  #: it will not look by itself
        self._logs_due = clock.monotonic() + _LOG_SECONDS
        self._may_be_written = False
        #: Runs whose outcome the store would not have, and what was written in its place.
        self._instead: dict[int, Transition] = {}
        #: Who wants to know, by the run's fence.
        self._asking: dict[tuple[int, int], Callable[[Became | None], object]] = {}

    def put(self, held: Held, transition: Transition, asking: Callable[[Became | None], object] | None = None) -> None:
        """Write this when possible; the run stays held until the store has acknowledged it.

        `asking`: called with what was stored, None if the run was no longer ours; it must not block.
        """
        if asking is not None:
            self._asking[held.fence] = asking
        lines = held.log.close()
        if held.job is not None:
            transition = _of_job(held.job, transition)
        if held.granted is not None:
            transition = transition._replace(max_attempts=held.granted)
        with self._lock:
            if lines:
                self._lines.extend(lines)
            self._queue.append((held, transition, held.took))
            waiting = len(self._queue)
        # The first to wait wakes; whatever joins it before it is written is written with it.
        if waiting == 1:
            self.wake()
        elif waiting == _BATCH:
            self._enough.set()

    def first_held(self) -> None:
        """There is a run again, whose log may have to be written. In a stream of them it looks by itself."""
        if self._asleep:
            self.wake()

    def stop(self) -> None:
        super().stop()
        self._enough.set()

    def step(self) -> float | None:
        self._enough.clear()
        if self._waits_for_more():
            if self.clock.monotonic() >= self._logs_due:
                self._write_due()
            return 0.0
        self._asleep = not self._queue  # said before it is looked: of a run that comes now one of us two knows
        self.flush()
        if len(self._held):
            self._asleep = False
        return None if self._asleep else _LOG_SECONDS

    def _waits_for_more(self) -> bool:
        """Gather for a moment what will end; whether that is to be written along with a claim, and not here and now."""
        if self.stopping or len(self._queue) >= _BATCH or not self._more_to_come():
            return False
        if not self._store.writes_in_turn:
            self.clock.wait(self._enough, _GATHER_FIRING if self._is_firing() else _GATHER_SECONDS)
            return False
        self.clock.wait(self._enough, _GATHER_LONG)
        self._gathered += 1
        if self._lines:
            return False  # no claim takes them along, nor the ends that they come before
        # The dispatcher is at it, or will be, if its runs are not slower than they were.
        at_it = self._writing.locked() or self._is_claiming()
        return at_it or (self._gathered < _GATHERS and self._more_to_come())

    def flush(self) -> None:
        """Write everything that is waiting; raises StoreUnavailableError or StoreBrokenError with all of it still waiting."""
        with self._writing:
            self._gather_lines()
            # In turns: a flood of lines must not keep results from being written, nor the other way round.
            while self._lines or self._queue:
                self._write_turn()

    def _write_due(self) -> None:
        """In a stream of claims that take along what has ended: the lines of what goes on, and what none has taken along."""
        with self._writing:
            self._gather_lines()
            self._write_turn()
            while self._lines:
                self._write_turn()

    def _write_turn(self) -> None:
        self._write_lines()
        self._write_batch()

    def written_with(self, write: Callable[[Sequence[Transition]], tuple[Mapping[int, Became], T]]) -> T | None:
        """Have what waits here written along with something else, by `write`, which answers what became of it, and something more.

        None, and nothing is done, if nothing waits, or it is being written, or cannot be written so. Raises StoreUnavailableError.
        """
        waiting = len(self._queue)
        if not waiting or not self._writing.acquire(timeout=_LONGEST_TURN if waiting >= _BATCH else 0):
            return None
        try:
            with self._lock:
                # The lines of an attempt come before its end.
                batch = [] if self._lines else self._queue[:_BATCH]
            if not batch:
                return None
            ours, more = write([transition for _, transition, _ in batch])
            self._note_written(batch, ours)
        except _NOT_NOW:
            self._may_be_written = True
            raise
        except StoreError:
            return None  # by itself it is looked for what the store will not have
        finally:
            self._writing.release()
        return more

    @property
    def backlog(self) -> int:
        return len(self._queue)

    def _gather_lines(self) -> None:
        if self.clock.monotonic() < self._logs_due:
            return
        self._logs_due = self.clock.monotonic() + _LOG_SECONDS
        for held in self._held.all():
            lines = held.log.drain()
            if lines:
                with self._lock:
                    self._lines.extend(lines)

    def _write_lines(self) -> None:
        with self._lock:
            chunk = self._lines[:_LINES]
        if not chunk:
            return
        try:
            self._store.append_log(chunk)
        except StoreUnavailableError:
            self._drop_oldest_lines()
            raise
        except StoreError:
            log.exception("%d log lines of runs could not be kept", len(chunk))
        with self._lock:
            del self._lines[: len(chunk)]

    def _drop_oldest_lines(self) -> None:
        with self._lock:
            too_many = len(self._lines) - _MOST_LINES
            if too_many > 0:
                del self._lines[:too_many]
        if too_many > 0:
            log.error("%d log lines of runs are lost: the database has been away for too long", too_many)

    def _write_batch(self) -> None:
        with self._lock:
            batch = self._queue[:_BATCH]
        if not batch:
            return
        try:
            ours = self._finish(batch)
        except OutcomeUnknownError:
            self._may_be_written = True
            raise
        self._note_written(batch, ours)

    def _note_written(self, batch: list[_Ended], ours: Mapping[int, Became]) -> None:
        with self._lock:
            del self._queue[: len(batch)]
            self._gathered = 0
        claims = [held.claim for held, _, _ in batch]
        self._held.drop([claim[:2] for claim in claims])
        if self._asking:
            self._answer(claims, ours)
        of_jobs = {(claim.namespace, claim.job) for claim in claims if claim.job is not None}
        if of_jobs or not self._all_went_well(batch, ours):
            self._say(batch, ours)
        self._may_be_written = False
        self._on_more_history(of_jobs)
        self._on_ended(claims)
        if of_jobs and any(transition.alerts for _, transition, _ in batch):
            self._on_alerts()

    def _answer(self, claims: list[Claim], ours: Mapping[int, Became]) -> None:
        for claim in claims:
            asking = self._asking.pop(claim[:2], None)
            if asking is not None:
                asking(ours.get(claim.id))

    def _all_went_well(self, batch: list[_Ended], ours: Mapping[int, Became]) -> bool:
        """Whether there is nothing to say of runs without a job, which come by the thousand."""
        if self._instead or len(ours) != len(batch) or self._events.hears(level_of(None)):
            return False
        well = RunState.SUCCEEDED
        return all([transition.state is well for _, transition, _ in batch])  # noqa: C419 - a list takes half the time

    def _say(self, batch: list[_Ended], ours: Mapping[int, Became]) -> None:
        heard = {each: self._events.hears(each) for each in (logging.INFO, logging.DEBUG)}
        if not heard[level_of(None)]:
            # Most of what comes by the thousand: nobody is told that an ad-hoc run succeeded.
            batch = [ended for ended in batch if ended[0].claim.job is not None or not self._went_well(ended, ours)]
        for held, meant, seconds in batch:
            claim = held.claim
            transition = self._instead.pop(claim.id, meant)
            stored = ours.get(claim.id)
            if not held.begun:
                continue  # claimed ahead, and given back: nothing happened to it
            # What was written by a commit whose answer we never saw is not ours any more either.
            if stored is None and not self._may_be_written:
                if transition.state is not RunState.PENDING:
                    self._events.emit(ResultDropped(**of_claim(claim)))
            elif transition.state is not RunState.SUCCEEDED or heard[level_of(claim.job)]:
                self._events.emit(ending(claim, transition, stored, seconds))

    def _went_well(self, ended: _Ended, ours: Mapping[int, Became]) -> bool:
        held, transition, _ = ended
        return transition.state is RunState.SUCCEEDED and held.claim.id in ours and not self._instead

    def _finish(self, batch: list[_Ended]) -> dict[int, Became]:
        """Write a batch; one that the store refuses is halved until the one is found that it will not have."""
        try:
            return self._store.finish([transition for _, transition, _ in batch])
        except _NOT_NOW:
            raise
        except StoreError as error:
            if len(batch) > 1:
                middle = len(batch) // 2
                return self._finish(batch[:middle]) | self._finish(batch[middle:])
            return self._finish_refused(batch[0], error)

    def _finish_refused(self, ended: _Ended, refusal: StoreError) -> dict[int, Became]:
        """In place of what the store will not have, the plain fact; the run must not stay running."""
        held, transition, _ = ended
        log.error("run %d: its outcome could not be stored: %s", held.claim.id, refusal)
        plain = transition._replace(
            state=RunState.FAILED,
            reason=Reason.ERROR,
            available_at=None,
            result=None,
            on_failure=None if held.job is None else held.job.on_failure,
            error={"type": "ResultError", "message": "what became of this attempt could not be stored"},
        )
        self._instead[held.claim.id] = plain
        try:
            return self._store.finish([plain])
        except _NOT_NOW:
            raise
        except StoreError:
            log.exception("run %d stays with this node until its lease ends", held.claim.id)
            return {held.claim.id: Became(plain.state, plain.reason)}


def _of_job(job: Job, transition: Transition) -> Transition:
    """With what its job wants done at such an end, in the same transaction."""
    if job.on_failure is not None and transition.state in _MAY_FAIL:
        transition = transition._replace(on_failure=job.on_failure)
    if (job.alerts or job.ping) and transition.state in _MAY_BREACH:
        transition = transition._replace(alerts=job.noted_at_the_end)
    return transition
