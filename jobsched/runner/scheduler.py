"""Scheduler: turns slots that have come into runs, and scheduled runs whose time has come into pending ones."""

import logging
from collections.abc import Callable
from datetime import datetime

from jobsched.clock import Clock
from jobsched.model.run import Created, RunState
from jobsched.model.state import DueJob, Firing
from jobsched.runner.definitions import Definitions
from jobsched.runner.heartbeat import Heartbeat
from jobsched.runner.options import Options
from jobsched.runner.service import Service
from jobsched.schedule.fires import account
from jobsched.store.port import Store

log = logging.getLogger("jobsched")

_BATCH = 1000


class Scheduler(Service):
    """Sleeps until the next slot or the next scheduled run, a wake-up, or the slow poll behind both."""

    name = "scheduler"

    def __init__(
        self,
        store: Store,
        clock: Clock,
        options: Options,
        definitions: Definitions,
        heartbeat: Heartbeat,
        on_pending: Callable[[], None],
    ) -> None:
        super().__init__(clock)
        self._store, self._options, self._definitions = store, options, definitions
        self._heartbeat, self._on_pending = heartbeat, on_pending

    def step(self) -> float:
        poll = self._options.poll.total_seconds()
        if not self._heartbeat.fit:
            return poll
        namespaces = self._definitions.namespaces
        promoted = self._store.promote(namespaces, _BATCH)
        if promoted.count:
            self._on_pending()
        if self._options.once:
            return min(poll, self._until(promoted.next_at))
        now = self._heartbeat.now()
        due = self._store.due(namespaces, now, _BATCH)
        if due:
            self._fire(due, now)
        if promoted.count == _BATCH or len(due) == _BATCH:
            return 0.0
        return min(poll, self._until(promoted.next_at), self._until(self._store.next_due(namespaces)))

    def fire_all_due(self) -> list[Created]:
        """Fire every slot that has come by now; what was made of them."""
        created: list[Created] = []
        now = self._heartbeat.now()
        while due := self._store.due(self._definitions.namespaces, now, _BATCH):
            created += self._fire(due, now)
        return created

    def _until(self, instant: datetime | None) -> float:
        if instant is None:
            return self._options.poll.total_seconds()
        return max(0.0, (instant - self._heartbeat.now()).total_seconds())

    def _fire(self, due: list[DueJob], now: datetime) -> list[Created]:
        self._definitions.load((job.namespace, job.name, job.revision) for job in due)
        firings = [firing for job in due if (firing := self._firing(job, now)) is not None]
        created = self._store.fire(firings)
        for run in created:
            _say(run)
        if any(run.state is RunState.PENDING for run in created):
            self._on_pending()
        return created

    def _firing(self, due: DueJob, now: datetime) -> Firing | None:
        job = self._definitions.job(due.namespace, due.name, due.revision)
        if job is None:
            return None
        accounted = account(
            job, due.cursor, now, next_at=due.next_at, generation=self._definitions.generations[due.namespace]
        )
        return Firing(
            namespace=due.namespace,
            job=due.name,
            schedule_revision=due.schedule_revision,
            seen_cursor=due.cursor,
            cursor=accounted.cursor,
            next_at=accounted.next_at,
            runs=accounted.runs,
        )


def _say(run: Created) -> None:
    if run.state is RunState.SKIPPED:
        log.warning(
            "%s: slot %s skipped: %s",
            run.job,
            run.scheduled_at,
            run.reason,
            extra={"event": "run_skipped", "run": run.id, "job": run.job, "reason": run.reason},
        )
