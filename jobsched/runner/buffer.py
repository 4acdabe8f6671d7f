"""Buffer: how many runs a node claims ahead of its threads."""

import math


class Buffer:
    """How many runs a node may hold beyond its threads: some milliseconds of work by the durations it sees.

    Claiming only for free threads costs most of the speed with handlers of microseconds; holding runs that wait for
    slow handlers would keep them from idle nodes. So it grows only while claims come back full, and stays 0 for slow ones.
    """

    SECONDS_OF_WORK = 0.03
    #: What would wait longer is given back. More than what is claimed ahead: durations vary, and giving back costs.
    SECONDS_TO_WAIT = 0.1
    MOST = 500
    #: The mean of so many runs counts: many, since where processes share processors, one of them all takes a tenth of a second.
    _OF_LAST = 500
    #: So many in a row for each thread that took twice the mean have become slow: an accident strikes each thread once.
    _IN_A_ROW = 2

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._duration: float | None = None
        self._seen = 0  #: how many runs the mean is of, up to `_OF_LAST`
        self._slow, self._least = 0, 0.0  #: how many in a row were slow, and what the quickest of them took
        self._grown = 0

    @property
    def room(self) -> int:
        """How many to hold."""
        return min(self._grown, self._work_of(self.SECONDS_OF_WORK))

    @property
    def bearable(self) -> int:
        """How many of those that are held to keep."""
        return self._work_of(self.SECONDS_TO_WAIT)

    def _work_of(self, seconds: float) -> int:
        if self._duration is None:
            return 0
        by_work = math.ceil(self._threads * seconds / max(self._duration, 1e-6)) - self._threads
        return max(0, min(by_work, self.MOST))

    def ran(self, seconds: float) -> None:
        """A run took so long: the mean of the last ones counts, since threads that wait for each other make any one slow."""
        known = self._duration or 0.0
        seen = self._seen = min(self._seen + 1, self._OF_LAST)
        self._duration = known + (seconds - known) / seen
        if seconds < 2 * known:
            self._slow = 0
            return
        self._least = min(seconds, self._least) if self._slow else seconds
        self._slow += 1
        if self._slow >= self._IN_A_ROW * self._threads:
            self._duration, self._seen, self._slow = self._least, self._threads, 0

    def at_least(self, seconds: float) -> None:
        """Runs that have not ended have taken so long already; what all that is held would take counts at once."""
        if seconds >= self.SECONDS_OF_WORK and (self._duration is None or seconds > self._duration):
            self._duration, self._seen = seconds, self._threads  # no more is known of how long they take now

    def claimed(self, count: int, asked: int) -> None:
        """A short one says nothing: each burst ends with some, and the next is to find it as wide as it was.

        What bounds it then is how long the runs have taken of late.
        """
        if count == asked:
            self._grown = min(max(8, self._grown * 4), self.MOST)
