"""Cached: a reading of the database that many may ask for often, and that a database which is away holds up for a moment only."""

import logging
import threading
from collections.abc import Callable

from jobsched.clock import Clock
from jobsched.errors import StoreError
from jobsched.observe.metrics.database import Reading

log = logging.getLogger("jobsched")

#: A reading is good for so many seconds, or for so many times what it took to make, so that making it is a twentieth of the work.
FRESH_SECONDS, FRESH_TIMES = 15.0, 20.0
#: That the database was away is believed for so long.
_AWAY_SECONDS = 5.0
#: Who asks waits so long for a new reading, then takes the last one, unless it is older than this.
_PATIENCE_SECONDS, _OLDEST_SECONDS = 3.0, 120.0


class Cached:
    """Thread-safe. The database is asked on a thread of its own, by one at a time, and only when somebody asks."""

    def __init__(self, read: Callable[[], Reading], clock: Clock) -> None:
        self._read, self._clock = read, clock
        self._lock = threading.Lock()
        self._reading: Reading | None = None
        self._good_until = self._too_old_at = clock.monotonic()
        self._under_way: threading.Event | None = None

    def reading(self) -> Reading | None:
        """The newest there is; None if the database does not answer."""
        with self._lock:
            if self._clock.monotonic() < self._good_until:
                return self._reading
            done = self._under_way or self._begin()
        self._clock.wait(done, _PATIENCE_SECONDS)
        with self._lock:
            return self._reading if self._clock.monotonic() < self._too_old_at else None

    def _begin(self) -> threading.Event:
        done = self._under_way = threading.Event()
        threading.Thread(target=self._refresh, args=(done,), name="jobsched-metrics", daemon=True).start()
        return done

    def _refresh(self, done: threading.Event) -> None:
        reading: Reading | None = None
        try:
            reading = self._read()
        except StoreError as error:
            log.debug("metrics: the database does not answer: %s", error)
        except Exception:  # the scrape is to be answered whatever it is, and the next one is to try again
            log.exception("metrics: the database could not be read")
        with self._lock:
            now = self._clock.monotonic()
            self._reading, self._under_way = reading, None
            good = _AWAY_SECONDS if reading is None else max(FRESH_SECONDS, FRESH_TIMES * reading.took_seconds)
            self._good_until = now + good
            self._too_old_at = now + max(_OLDEST_SECONDS, 2 * good)
        done.set()
