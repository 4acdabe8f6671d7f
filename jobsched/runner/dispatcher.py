"""Dispatcher: claims due runs for free threads, in batches, and hands them to the pool."""

import logging
import math
from datetime import timedelta

from jobsched.clock import Clock
from jobsched.handlers.cancel import CancelToken
from jobsched.model.run import Claim
from jobsched.observe.runlog import RunLog
from jobsched.runner.definitions import Definitions
from jobsched.runner.heartbeat import Heartbeat
from jobsched.runner.held import Held, HeldRuns
from jobsched.runner.options import Options
from jobsched.runner.pool import Pool
from jobsched.runner.service import Service
from jobsched.store.faults import fault_point
from jobsched.store.port import Store

log = logging.getLogger("jobsched")

#: A node that does not know a handler leaves its runs to others for so long.
_LEFT_TO_OTHERS = timedelta(seconds=60)


class Buffer:
    """How many runs a node may hold beyond its threads: some milliseconds of work by the durations it sees.

    Claiming only for free threads costs most of the speed with handlers of microseconds; holding runs that wait for
    slow handlers would keep them from idle nodes. So it grows only while claims come back full, and stays 0 for slow ones.
    """

    SECONDS_OF_WORK = 0.03
    MOST = 500

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._duration: float | None = None
        self._grown = 0

    @property
    def room(self) -> int:
        if self._duration is None:
            return 0
        by_work = math.ceil(self._threads * self.SECONDS_OF_WORK / max(self._duration, 1e-6)) - self._threads
        return max(0, min(self._grown, by_work, self.MOST))

    def ran(self, seconds: float) -> None:
        """A run took so long. Longer ones count at once, shorter ones little by little."""
        known = self._duration
        self._duration = seconds if known is None or seconds > known else known * 0.95 + seconds * 0.05

    def claimed(self, count: int, asked: int) -> None:
        self._grown = min(max(8, self._grown * 2), self.MOST) if count == asked else self._grown // 2


class Dispatcher(Service):
    """Wakes when a run becomes pending or a thread comes free; polls slowly behind that."""

    name = "dispatcher"

    def __init__(
        self,
        store: Store,
        clock: Clock,
        options: Options,
        definitions: Definitions,
        heartbeat: Heartbeat,
        held: HeldRuns,
        pool: Pool,
    ) -> None:
        super().__init__(clock)
        self._store, self._options, self._definitions = store, options, definitions
        self._heartbeat, self._held, self._pool = heartbeat, held, pool
        self.buffer = Buffer(options.threads)
        self._unknown: dict[str, float] = {}

    def leave_to_others(self, handler: str) -> None:
        """For when this node cannot perform that handler: claim no run of it for a while."""
        self._unknown[handler] = self.clock.monotonic() + _LEFT_TO_OTHERS.total_seconds()

    def thread_freed(self) -> None:
        """Claim again, as soon as what waits here has gone down by half."""
        if self._pool.load <= self._pool.size + self.buffer.room // 2:
            self.wake()

    def step(self) -> float | None:
        poll = self._options.poll.total_seconds()
        if not self._heartbeat.fit:
            return poll
        asked = self._pool.size + self.buffer.room - self._pool.load
        if asked <= 0:
            return poll
        claims = self._claim(asked)
        self.buffer.claimed(len(claims), asked)
        return 0.0 if len(claims) == asked and self.buffer.room else poll

    def _claim(self, asked: int) -> list[Claim]:
        claims = self._store.claim(
            self._heartbeat.node,
            self._definitions.generations,
            asked,
            queues=self._options.queues,
            without_handlers=self._left(),
        )
        if not claims:
            return claims
        runs = [Held(claim, CancelToken(self.clock), RunLog(claim.id, claim.attempt, self.clock)) for claim in claims]
        self._held.add(runs)
        fault_point("after_claim")
        self._definitions.load(
            (claim.namespace, claim.job, claim.job_revision)
            for claim in claims
            if claim.job is not None and claim.job_revision is not None
        )
        self._pool.submit(runs)
        return claims

    def _left(self) -> tuple[str, ...]:
        now = self.clock.monotonic()
        self._unknown = {handler: until for handler, until in self._unknown.items() if until > now}
        return tuple(self._unknown)
