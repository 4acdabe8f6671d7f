"""A service: a named daemon thread that does one round of work, then waits until it is woken or its time has come."""

import logging
import random
import threading
from collections.abc import Callable

from jobsched.clock import Clock
from jobsched.errors import StoreLostError, StoreUnavailableError
from jobsched.runner.bell import Bell

log = logging.getLogger("jobsched")

_FIRST_PAUSE = 0.2


class NotNowError(Exception):
    """The node may do nothing for the moment: the round that raises this is neither a success nor a failure."""

    def __init__(self, seconds: float = 1.0) -> None:
        super().__init__(seconds)
        self.seconds = seconds  #: until the next round


class Service:
    """Subclasses give `step`. A loop never dies: what it raises is logged once, and tried again with back-off."""

    name = "service"
    longest_pause = 10.0  #: seconds between two tries while what it needs is away

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._bell = Bell()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._failures = 0
        self.last_error: str | None = None
        #: When its last round ended, in seconds of the clock's `monotonic`; None before the first.
        self.turned_at: float | None = None

    def step(self) -> float | None:
        """One round; how many seconds until the next unless woken (None: only when woken)."""
        raise NotImplementedError

    def start(self) -> None:
        self._thread = threading.Thread(target=self._loop, name=f"jobsched-{self.name}", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Do the next round now. A signal handler may call it."""
        self._bell.set()

    def stop(self) -> None:
        """Do no further round; returns at once."""
        self._stopping.set()
        self._bell.set()

    def join(self, seconds: float) -> bool:
        """Wait for the thread to end; whether it has."""
        if self._thread is None or self._thread is threading.current_thread():
            return True
        self._thread.join(seconds)
        return not self._thread.is_alive()

    @property
    def alive(self) -> bool:
        """Whether its thread is."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def stopping(self) -> bool:
        return self._stopping.is_set()

    def _loop(self) -> None:
        while not self.stopping:
            pause = self._round()
            self.turned_at = self.clock.monotonic()
            self.clock.wait(self._bell, pause)
            self._bell.clear()

    def _round(self) -> float | None:
        try:
            pause = self.step()
        except NotNowError as not_now:
            return not_now.seconds
        except (StoreUnavailableError, StoreLostError) as error:
            return self._failed(str(error), unexpected=False)
        except Exception as error:  # noqa: BLE001 - a loop must outlive whatever one round meets
            return self._failed(f"{type(error).__name__}: {error}", unexpected=True)
        if self._failures:
            log.info("%s works again after %d failed tries", self.name, self._failures)
            self._failures, self.last_error = 0, None
        return pause

    def _failed(self, text: str, *, unexpected: bool) -> float:
        """Note the failure, in one log line per change of state; the pause before the next try."""
        if text != self.last_error:
            log.log(
                logging.ERROR if unexpected else logging.WARNING,
                "%s failed, trying again: %s",
                self.name,
                text,
                exc_info=unexpected,
            )
        self._failures, self.last_error = self._failures + 1, text
        pause: float = min(_FIRST_PAUSE * 2 ** min(self._failures - 1, 10), self.longest_pause)
        return pause * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret


class Timer(Service):
    """A service that calls one function at an interval, with jitter so that nodes do not march in step."""

    def __init__(
        self,
        name: str,
        clock: Clock,
        seconds: float,
        call: Callable[[], object],
        jitter: float = 0.1,
        *,
        at_once: bool = True,
    ) -> None:
        """`at_once`: the first call is made at the start, not after the first pause."""
        super().__init__(clock)
        self.name, self._seconds, self._call, self._jitter = name, seconds, call, jitter
        self._calls_now = at_once

    def step(self) -> float:
        if self._calls_now:
            self._call()
        self._calls_now = True
        return self._seconds * random.uniform(1 - self._jitter, 1 + self._jitter)  # noqa: S311 - jitter, not a secret
