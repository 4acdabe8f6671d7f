"""How much ended of late and how long it had waited, by the minute and by the half hour: what is over is counted once."""

import threading
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import NamedTuple

from jobsched.client import Client
from jobsched.model.overview import Flow
from jobsched.model.run import RunState

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTE, _HALF_HOUR = timedelta(minutes=1), timedelta(minutes=30)
#: Late results may still come in for a moment after a stretch is over: a node's clock is no more exact than that.
_SETTLED = timedelta(seconds=5)
_KEPT = 60 + 48 + 8


class Stretch(NamedTuple):
    """What ended from `start` on, for as long as its series says."""

    start: datetime
    succeeded: int
    failed: int  #: or cancelled
    median_wait: float | None  #: seconds, of those that succeeded, or the newest of them; None: none did
    p95_wait: float | None


class Flows:
    """The last hour and the last day of one namespace. Thread-safe."""

    def __init__(self, client: Client) -> None:
        self._client, self._lock = client, threading.Lock()
        self._over: dict[tuple[timedelta, datetime], Stretch] = {}

    def hour(self) -> list[Stretch]:
        return self._series(_MINUTE, 60)

    def day(self) -> list[Stretch]:
        return self._series(_HALF_HOUR, 48)

    def _series(self, length: timedelta, count: int) -> list[Stretch]:
        now = self._client.store.now()
        last = _EPOCH + (now - _EPOCH) // length * length
        starts = [last - n * length for n in reversed(range(count))]
        found = [self._stretch(start, length, now) for start in starts]
        with self._lock:
            over = {key: one for key, one in self._over.items() if key[0] != length or key[1] >= starts[0]}
            self._over = over if len(over) <= 2 * _KEPT else {}
        return found

    def _stretch(self, start: datetime, length: timedelta, now: datetime) -> Stretch:
        key = length, start
        with self._lock:
            known = self._over.get(key)
        if known is not None:
            return known
        found = _stretch(start, self._client.store.flow(self._client.namespace, start, start + length))
        if start + length + _SETTLED <= now:
            with self._lock:
                self._over[key] = found
        return found


def _stretch(start: datetime, flow: Flow) -> Stretch:
    succeeded = flow.ended.get(RunState.SUCCEEDED, 0)
    waits = sorted(flow.waits)
    return Stretch(
        start,
        succeeded,
        sum(flow.ended.values()) - succeeded,
        median(waits) if waits else None,
        nearest(waits, 0.95) if waits else None,
    )


def nearest(ordered: list[float], part: float) -> float:
    """The value that `part` of them do not exceed."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]
