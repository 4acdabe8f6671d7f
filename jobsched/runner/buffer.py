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
    #: Of what is fired here more are held: to have it claimed by itself would take longer than it waits.
    MOST_FIRED = 1000

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._duration: float | None = None
        self._grown = 0

    @property
    def room(self) -> int:
        """How many to hold."""
        return min(self._grown, self._work_of(self.SECONDS_OF_WORK))

    @property
    def room_to_fire(self) -> int:
        """How many to hold where they are claimed as they are fired."""
        return min(2 * self._grown, self.bearable)

    @property
    def bearable(self) -> int:
        """How many of those that are held to keep."""
        return self._work_of(self.SECONDS_TO_WAIT)

    def _work_of(self, seconds: float) -> int:
        if self._duration is None:
            return 0
        by_work = math.ceil(self._threads * seconds / max(self._duration, 1e-6)) - self._threads
        return max(0, min(by_work, self.MOST_FIRED))

    def ran(self, seconds: float) -> None:
        """A run took so long: the mean of the last ones counts, since threads that wait for each other make any one slow."""
        known = self._duration
        self._duration = seconds if known is None else known * 0.95 + seconds * 0.05

    def at_least(self, seconds: float) -> None:
        """Runs that have not ended have taken so long already; what all that is held would take counts at once."""
        if seconds >= self.SECONDS_OF_WORK and (self._duration is None or seconds > self._duration):
            self._duration = seconds

    def claimed(self, count: int, asked: int) -> None:
        """A short one says nothing: each burst ends with some, and the next is to find it as wide as it was.

        What bounds it then is how long the runs have taken of late.
        """
        if count == asked:
            self._grown = min(max(8, self._grown * 4), self.MOST)
