"""Shutdown: wait for handlers, stop them, and save what became of every run that this node holds."""

import logging
import threading
from collections.abc import Callable

from jobsched.clock import Clock
from jobsched.errors import StoreError, StoreUnavailableError
from jobsched.runner.completer import Completer
from jobsched.runner.held import Held, HeldRuns
from jobsched.runner.pool import Pool

log = logging.getLogger("jobsched")

#: How long handlers get to obey after the grace is over, and again after what can be killed has been.
_TO_OBEY = 0.5
#: How long the last results are tried to be saved at least, should the store be away.
_TO_SAVE, _BETWEEN_TRIES = 5.0, 0.2


class Shutdown:
    """`hard` is asked again and again: a second signal takes the grace away. `on_waiting`: for how many runs, how long at most."""

    def __init__(
        self,
        clock: Clock,
        pool: Pool,
        held: HeldRuns,
        completer: Completer,
        give_back: Callable[[Held], None],
        hard: Callable[[], bool],
        on_waiting: Callable[[int, float], None],
    ) -> None:
        self._on_waiting = on_waiting
        self._clock, self._pool, self._held, self._completer = clock, pool, held, completer
        self._give_back, self._hard = give_back, hard

    def await_handlers(self, grace: float) -> None:
        """Wait for handlers, then tell them to stop, then kill what can be."""
        until = self._clock.monotonic() + (0.0 if self._hard() else grace)
        if self._pool.active and grace and not self._hard():
            self._on_waiting(self._pool.active, grace)
        while not self._hard() and (rest := until - self._clock.monotonic()) > 0:
            if self._pool.wait_idle(min(rest, 0.1)):
                return
        for held in self._held.all():
            held.cancel.cancel("shutdown")
        if not self._pool.wait_idle(_TO_OBEY):
            for held in self._held.all():
                held.cancel.hurry()
            self._pool.wait_idle(_TO_OBEY)

    def save(self, leave: Callable[[], None], until: float) -> bool:
        """Write what has ended, give back what has not, and `leave`; tried until that moment (monotonic). Whether all was saved."""
        for held in self._held.all():
            self._give_back(held)
            if held.when_ended is not None:
                # Its thread never ended; that it had its time counts all the same.
                self._completer.put(held, held.when_ended)
        until = max(until, self._clock.monotonic() + _TO_SAVE)
        never = threading.Event()
        while True:
            try:
                self._completer.flush()
                # A handler may be between its end and its result; it is held until that has been written.
                if not len(self._held) or self._clock.monotonic() >= until:
                    leave()
                    return not len(self._held)
            except StoreUnavailableError as error:
                if self._hard() or self._clock.monotonic() >= until:
                    log.warning("could not save the last results, the lease will give the runs back: %s", error)
                    return False
            except StoreError:
                log.exception("could not save the last results, the lease will give the runs back")
                return False
            self._clock.wait(never, _BETWEEN_TRIES if self._completer.backlog else 0.01)
