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
#: So many runs say how long runs waited.
_SAMPLE = 200


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
        with self._lock:
            known = {start: self._over[length, start] for start in starts if (length, start) in self._over}
        found = known | self._counted([start for start in starts if start not in known], length)
        with self._lock:
            self._over = {key: one for key, one in self._over.items() if key[0] != length}
            self._over |= {(length, start): found[start] for start in starts if start + length + _SETTLED <= now}
        return [found[start] for start in starts]

    def _counted(self, starts: list[datetime], length: timedelta, parts: int = 6) -> dict[datetime, Stretch]:
        """Where nothing ended for long, nobody looks at each minute of it."""
        if not starts:
            return {}
        if len(starts) == 1:
            return {starts[0]: _stretch(starts[0], self._flow(starts[0], starts[0] + length, _SAMPLE))}
        if not self._flow(starts[0], starts[-1] + length, 0).ended:
            return {start: _stretch(start, Flow()) for start in starts}
        size = -(-len(starts) // parts)
        found: dict[datetime, Stretch] = {}
        for first in range(0, len(starts), size):
            # The second time each for itself.
            found |= self._counted(starts[first : first + size], length, len(starts))
        return found

    def _flow(self, first: datetime, last: datetime, sample: int) -> Flow:
        return self._client.store.flow(self._client.namespace, first, last, sample)


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
