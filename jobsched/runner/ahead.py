"""Ahead: what is fired is written shortly before its slot, and committed when that has come.

At the instant itself nothing is left to do but to commit and to begin. It is the fire that would have been made then, or none:
see `Store.fire_ahead`. What cannot be written ahead, or may not be committed, is fired in the ordinary way.
"""

import logging
import math
import threading
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from operator import itemgetter

from jobsched.clock import Clock
from jobsched.errors import StoreError
from jobsched.model.state import Firing
from jobsched.runner.dispatcher import Dispatcher, HeldFire

log = logging.getLogger("jobsched")

#: Jobs that are written together, and in one round at most; so many pieces are written side by side.
_PIECE, MOST, _LANES = 250, 1000, 2
#: Seconds before a slot: as long as it is held at most, and what is added to the time that the jobs themselves take.
_MOST_AHEAD, _EARLIER = 0.3, 0.015
#: What a job is expected to take before anything is known, in seconds; from so many at once something is learned, and how much.
_FIRST_GUESS, _TELLING, _NEWEST = 0.0003, 50, 0.2
#: Seconds after the slot: what has not been committed by then never is. This machine may have slept, or a clock been set.
_TOO_LATE = 1.0
#: After so many rounds in vain it rests for so long, in seconds. For so long a job is left out that could not be written.
_IN_VAIN, _REST = 3, 30.0


class Ahead:
    """One round at a time, in threads of its own: whoever fires may have to wait for what a round holds."""

    def __init__(self, clock: Clock, now: Callable[[], datetime], dispatcher: Dispatcher) -> None:
        self._clock, self._now, self._dispatcher = clock, now, dispatcher
        self._stopping = threading.Event()
        self._round: _Round | None = None
        self._each, self._apart = _FIRST_GUESS, _FIRST_GUESS / 4  #: seconds a job, and how far the rounds lie from that
        self._in_vain, self._rests_until = 0, -math.inf
        self._left_out: dict[_Name, float] = {}

    def look(self, at: datetime, awaited: Callable[[int], Sequence[Firing]]) -> float:
        """Begin to write what is awaited at that instant, if it is time for that; seconds until there is something to do.

        `awaited`: so many of those firings at most, the most urgent first.
        """
        until = max(0.0, (at - self._now()).total_seconds())
        if not until or not self._may_begin():
            return until
        firings = self._not_left_out(awaited(MOST + len(self._left_out)))[:MOST]
        if not firings:
            return until
        lead = min(_EARLIER + len(firings) * (self._each + 2 * self._apart), _MOST_AHEAD)
        if until > lead:
            return until - lead
        if until < lead / 2:  # what is not written by then would only stand in the way
            return until
        begun = _Round(self._clock, self._now, self._dispatcher, self._stopping, at, firings)
        begun.start()
        self._round = begun
        return until

    def finish(self, now: datetime) -> Sequence[Firing]:
        """What has been fired of the round whose instant has come by now; waits until it has ended."""
        ended = self._round
        if ended is None or (ended.at > now and not ended.join(0)):
            return ()
        ended.join()
        self._round = None
        self._learn(ended)
        return ended.fired

    def stop(self) -> None:
        """Roll back what is held, and begin nothing more; returns at once."""
        self._stopping.set()

    def join(self, seconds: float) -> bool:
        """Wait until nothing is held; whether it is so."""
        return self._round is None or self._round.join(seconds)

    def _may_begin(self) -> bool:
        return self._round is None and not self._stopping.is_set() and self._clock.monotonic() >= self._rests_until

    def _not_left_out(self, firings: Sequence[Firing]) -> Sequence[Firing]:
        """Nor what is less urgent than one that is, and comes after them: they are in the order of urgency."""
        now = self._clock.monotonic()
        self._left_out = {job: until for job, until in self._left_out.items() if until > now}
        urgent = next((one.runs[0].priority for one in firings if _name(one) in self._left_out), math.inf)
        return [one for one in firings if one.runs[0].priority <= urgent and _name(one) not in self._left_out]

    def _learn(self, ended: "_Round") -> None:
        self._in_vain = 0 if ended.fired else self._in_vain + 1
        if self._in_vain == _IN_VAIN:
            self._in_vain, self._rests_until = 0, self._clock.monotonic() + _REST
        if ended.written >= _TELLING:
            each = ended.took / ended.written
            self._apart += _NEWEST * (abs(each - self._each) - self._apart)
            self._each += _NEWEST * (each - self._each)
        self._left_out |= dict.fromkeys(ended.left_out, self._clock.monotonic() + _REST)


class _Round:
    """The pieces of one instant: written on lanes, then committed in their order, as places come free."""

    def __init__(
        self,
        clock: Clock,
        now: Callable[[], datetime],
        dispatcher: Dispatcher,
        stopping: threading.Event,
        at: datetime,
        firings: Sequence[Firing],
    ) -> None:
        self.at = at
        self.fired: list[Firing] = []
        self.written, self.took = 0, 0.0  #: jobs, and the seconds that it took until they were
        self.left_out: list[_Name] = []  #: jobs that could not be written with the others of their piece
        self._clock, self._now, self._dispatcher, self._stopping = clock, now, dispatcher, stopping
        self._began = clock.monotonic()
        self._too_late = self._began + (at - now()).total_seconds() + _TOO_LATE
        self._pieces = deque((begin, firings[begin : begin + _PIECE]) for begin in range(0, len(firings), _PIECE))
        self._held: list[tuple[int, HeldFire]] = []
        lanes = min(_LANES, len(self._pieces))
        self._lanes = [_thread(f"ahead-{number}", self._write) for number in range(1, lanes + 1)]
        self._committing = _thread("ahead", self._perform)

    def start(self) -> None:
        self._committing.start()

    def join(self, seconds: float | None = None) -> bool:
        """Wait until it has ended; whether it has."""
        self._committing.join(seconds)
        return not self._committing.is_alive()

    def _perform(self) -> None:
        """What has been written is committed at its time, whatever the lanes still wait for: that may be just this."""
        try:
            for lane in self._lanes:
                lane.start()
            while not self._is_over:
                self._clock.wait(self._stopping, min((self.at - self._now()).total_seconds(), self._left))
            self._commit_held()
            for lane in self._lanes:
                lane.join()
            self._commit_held()
        finally:  # whatever came up, nothing is held any longer
            for _, held in self._held:
                held.fire.drop()

    @property
    def _left(self) -> float:
        return self._too_late - self._clock.monotonic()

    @property
    def _is_over(self) -> bool:
        """Nothing more is to be written: the instant has come, or it is not waited for any longer."""
        return self._stopping.is_set() or self._now() >= self.at or self._left <= 0

    def _write(self) -> None:
        """A lane: piece after piece, as long as there is time."""
        while not self._is_over:
            try:
                begin, piece = self._pieces.popleft()
            except IndexError:  # all are written
                return
            try:
                held = self._dispatcher.hold(piece, self.at, first=begin == 0)
            except StoreError as error:
                log.debug("what is due at %s is not written ahead: %s", self.at, error)
                return
            if held is not None:
                self._note(begin, piece, held)

    def _note(self, begin: int, piece: Sequence[Firing], held: HeldFire) -> None:
        names = set(map(_name, held.fire.firings))
        self.left_out += [name for one in piece if (name := _name(one)) not in names]
        self.written, self.took = self.written + len(names), self._clock.monotonic() - self._began
        self._held.append((begin, held))

    def _commit_held(self) -> None:
        while self._held:
            self._held.remove(first := min(self._held, key=itemgetter(0)))
            held = first[1]
            try:
                if not self._stopping.is_set() and self._left > 0 and self._dispatcher.commit(held) is not None:
                    self.fired += held.fire.firings
            except StoreError as error:
                log.debug("what was written ahead of %s may not have been committed: %s", self.at, error)
            finally:
                held.fire.drop()


_Name = tuple[str, str]


def _name(firing: Firing) -> _Name:
    return firing.namespace, firing.job


def _thread(name: str, target: Callable[[], None]) -> threading.Thread:
    return threading.Thread(target=target, name=f"jobsched-{name}", daemon=True)
