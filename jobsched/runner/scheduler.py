"""Scheduler: turns slots that have come into runs, and scheduled runs whose time has come into pending ones."""

import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from jobsched.clock import Clock
from jobsched.model.run import Covers, Created, RunState
from jobsched.model.state import DueJob, Firing
from jobsched.observe.events import RunSkipped
from jobsched.observe.listeners import Events
from jobsched.runner.ahead import MOST, Ahead
from jobsched.runner.definitions import Definitions
from jobsched.runner.heartbeat import Heartbeat
from jobsched.runner.lanes import side_by_side
from jobsched.runner.options import Options
from jobsched.runner.reckoner import Reckoner
from jobsched.runner.service import NotNowError, Service
from jobsched.store.port import Store

log = logging.getLogger("jobsched")

T = TypeVar("T")

_BATCH = 1000
#: Jobs that are looked for together, and how many such slices follow each other in one round; and of what was reckoned ahead.
_SLICE, _SLICES, _READY = 1000, 2, 5000
#: They are fired in pieces, two at a time, each in a transaction of its own: what the first piece makes is performed while
#: the next one is written. Of very many the pieces are larger, for each costs a commit.
_PIECE, _MANY, _LARGE_PIECE, _LANES = 250, 1000, 500, 2
#: So long before a slot what it fires is reckoned, of so many jobs.
_AHEAD = timedelta(seconds=2)
_MOST_AHEAD = 10_000
#: But the handlers of what was just fired go first, for so long, until the slot is so near: and where it is to be written
#: ahead too, as below.
_AFTER_FIRING, _NEAR = timedelta(milliseconds=500), timedelta(milliseconds=250)
_BEFORE_WRITING, _NEAR_WRITING = timedelta(milliseconds=300), timedelta(milliseconds=400)
_NOTHING_FIRED = 0.05


class Scheduler(Service):
    """Sleeps until the next slot or the next scheduled run, or a wake-up."""

    name = "scheduler"

    def __init__(
        self,
        store: Store,
        clock: Clock,
        options: Options,
        definitions: Definitions,
        heartbeat: Heartbeat,
        fire: Callable[[Sequence[Firing]], list[Created]],
        ahead: Ahead | None,
        on_pending: Callable[[], None],
        on_more_history: Callable[[Iterable[tuple[str, str]]], None],
        events: Events,
    ) -> None:
        """`fire`: as the store does, and what comes of it may be performed here at once. `ahead`: where the store can do that."""
        super().__init__(clock)
        self._events, self._fire_now, self._ahead = events, fire, ahead
        self._store, self._options, self._definitions = store, options, definitions
        self._heartbeat, self._on_pending, self._on_more_history = heartbeat, on_pending, on_more_history
        self._reckoner = Reckoner(definitions, store.prepare)
        self._reckoned_for: datetime | None = None
        self._fired_at: datetime | None = None
        #: The next slot, as the store said at the last look.
        self._awaited: datetime | None = None

    def step(self) -> float | None:
        if not self._heartbeat.fit:
            raise NotNowError
        self._finish_ahead()
        namespaces = self._definitions.namespaces
        has_come = not self._options.once and self._has_come(namespaces)
        found, created = self._fire_due() if has_come else (0, 0)
        promoted = self._store.promote(namespaces, _BATCH)
        if promoted.count or promoted.missed:
            self._on_pending()
        self._tell_skipped(promoted.missed, {})
        if self._options.once:
            return _or_none(self._until(promoted.next_at))
        if promoted.count == _BATCH or found == _SLICES * _SLICE:
            return 0.0 if created or promoted.count else _NOTHING_FIRED
        if has_come or promoted.count:  # cursors have moved, or time has passed
            self._awaited = self._store.next_due(namespaces)
        pause = min(self._until(promoted.next_at), self._until_due(self._awaited))
        # What is due and was not fired is being fired by another node, or cannot be: no need to ask without pause.
        return _or_none(max(pause, _NOTHING_FIRED) if found and not created else pause)

    def _has_come(self, namespaces: Sequence[str]) -> bool:
        """Whether a slot is to be fired. For one that was awaited nothing is asked: it is late already."""
        if self._awaited is None or self._awaited > self._heartbeat.now():
            self._awaited = self._store.next_due(namespaces)
        return self._awaited is not None and self._awaited <= self._heartbeat.now()

    def _finish_ahead(self) -> None:
        """What was fired ahead is not fired again."""
        if self._ahead is not None and (fired := self._ahead.finish(self._heartbeat.now())):
            self._reckoner.drop(fired)
            self._fired_at = self._heartbeat.now()

    def _fire_due(self) -> tuple[int, int]:
        """How many jobs were found due, and how many runs were made of their slots.

        In slices: runs of the first are claimed, by whichever node, while the next one is written. What was reckoned ahead
        is written before it is asked what else is due.
        """
        found = made = 0
        now = self._heartbeat.now()
        for _ in range(_SLICES):
            ready = self._reckoner.ready(now, _READY)
            due = () if ready else self._store.due(self._definitions.namespaces, now, _SLICE)
            created = self._fire(ready) if ready else self._reckon_and_fire(due, now)
            found, made = found + len(ready or due), made + len(created)
            is_last = not ready and (len(due) < _SLICE or not created)
            if is_last or self.stopping or not self._heartbeat.fit:
                break
        return found, made

    def read_what_is_due_soon(self) -> None:
        """The definitions of jobs that are due first, before the node begins: to read them takes longer than all else that
        is done to fire them.
        """
        soon = self._store.due(self._definitions.namespaces, self._heartbeat.now() + _AHEAD, _READY)
        self._reckoner.load(soon)

    def fire_all_due(self) -> list[Created]:
        """Promote and fire everything that has come by now; what was made of the slots."""
        namespaces, now = self._definitions.namespaces, self._heartbeat.now()
        while self._store.promote(namespaces, _BATCH).count == _BATCH:
            pass
        created: list[Created] = []
        while due := self._store.due(namespaces, now, _SLICE):
            fired = self._fire(self._reckoner.firings(due, now))
            if not fired:
                break
            created += fired
        return created

    def stop(self) -> None:
        super().stop()
        if self._ahead is not None:
            self._ahead.stop()

    def join(self, seconds: float) -> bool:
        return super().join(seconds) and (self._ahead is None or self._ahead.join(seconds))

    def _until(self, instant: datetime | None) -> float:
        if instant is None:
            return math.inf
        return max(0.0, (instant - self._heartbeat.now()).total_seconds())

    def _until_due(self, next_due: datetime | None) -> float:
        """Seconds to the next slot. The last moments before it are used to reckon what it fires."""
        until = self._until(next_due)
        if not until or next_due is None:
            return until
        if next_due == self._reckoned_for:
            return self._until_written(next_due, more=self._reckoner.go_on())
        begin = next_due - _AHEAD
        if self._fired_at is not None:
            after, near = (_AFTER_FIRING, _NEAR) if self._ahead is None else (_BEFORE_WRITING, _NEAR_WRITING)
            begin = max(begin, min(self._fired_at + after, next_due - near))
        if early := self._until(begin):
            return min(early, until)
        soon = self._store.due(self._definitions.namespaces, next_due, _MOST_AHEAD)
        self._reckoned_for = next_due
        return self._until_written(next_due, more=self._reckoner.reckon_ahead(soon))

    def _until_written(self, at: datetime, *, more: bool) -> float:
        """Seconds to when something is to be done for that slot. `more`: some of what it fires is still to be reckoned."""
        if more and (self._ahead is None or self._reckoner.known < MOST):  # one round writes them, or as many as it may
            return 0.0
        pause = self._until(at) if self._ahead is None else self._ahead.look(at, partial(self._reckoner.awaited, at))
        return 0.0 if more else pause

    def _fire(self, firings: Sequence[Firing]) -> list[Created]:
        return self._in_lanes([partial(self._write, piece) for piece in pieces(firings, _priority)])

    def _reckon_and_fire(self, due: Sequence[DueJob], now: datetime) -> list[Created]:
        """Of what was not reckoned ahead the first piece is written while the next one is reckoned."""
        self._reckoner.load(due)
        return self._in_lanes([partial(self._reckon_piece, some, now) for some in pieces(due, self._reckoner.priority)])

    def _reckon_piece(self, due: Sequence[DueJob], now: datetime) -> list[Created]:
        firings = self._reckoner.firings(due, now)
        return self._write(firings) if firings else []

    def _in_lanes(self, calls: Sequence[Callable[[], list[Created]]]) -> list[Created]:
        made = [run for each in side_by_side(calls, _LANES) for run in each]
        if calls:
            self._fired_at = self._heartbeat.now()
        return made

    def _write(self, firings: list[Firing]) -> list[Created]:
        created = self._store.fire(firings) if self._options.once else self._fire_now(firings)
        if any(run.state is RunState.PENDING for run in created):
            self._on_pending()
        covered: dict[tuple[str | None, datetime | None], Covers] = {
            (one.job, run.scheduled_at): run.covers for one in firings for run in one.runs if run.covers is not None
        }
        self._tell_skipped([run for run in created if run.state is RunState.SKIPPED], covered)
        return created

    def _tell_skipped(
        self, skipped: Sequence[Created], covered: Mapping[tuple[str | None, datetime | None], Covers]
    ) -> None:
        for run in skipped:
            self._events.emit(_skipped(run, covered.get((run.job, run.scheduled_at))))
        self._on_more_history({(run.namespace, run.job) for run in skipped if run.job})


def pieces(some: Sequence[T], priority: Callable[[T], int]) -> list[list[T]]:
    """What is fired together, the most urgent first: it is claimed as it is fired."""
    size = _PIECE if len(some) <= _MANY else _LARGE_PIECE
    if len(some) > size:
        some = sorted(some, key=priority)
    return [list(some[begin : begin + size]) for begin in range(0, len(some), size)]


def _priority(firing: Firing) -> int:
    """All its runs have that of their job."""
    return firing.runs[0].priority if firing.runs else 0


def _or_none(seconds: float) -> float | None:
    return None if seconds == math.inf else seconds


def _skipped(run: Created, covers: Covers | None) -> RunSkipped:
    return RunSkipped(
        run=run.id,
        namespace=run.namespace,
        job=run.job,
        scheduled_at=run.scheduled_at,
        reason=run.reason,
        covers=None if covers is None else covers.count or 0,
    )
