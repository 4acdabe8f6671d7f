"""Scheduler: turns slots that have come into runs, and scheduled runs whose time has come into pending ones."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from jobsched.clock import Clock
from jobsched.model.run import Covers, Created, RunState
from jobsched.model.state import DueJob, Firing
from jobsched.observe.events import RunSkipped
from jobsched.observe.listeners import Events
from jobsched.runner.definitions import Definitions
from jobsched.runner.heartbeat import Heartbeat
from jobsched.runner.options import Options
from jobsched.runner.service import Service
from jobsched.schedule.fires import account
from jobsched.store.port import Store

log = logging.getLogger("jobsched")

_BATCH = 1000
_NOTHING_FIRED = 0.05


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
        on_more_history: Callable[[Iterable[tuple[str, str]]], None],
        events: Events,
    ) -> None:
        super().__init__(clock)
        self._events = events
        self._store, self._options, self._definitions = store, options, definitions
        self._heartbeat, self._on_pending, self._on_more_history = heartbeat, on_pending, on_more_history
        self._unreckoned: dict[tuple[str, str], int] = {}

    def step(self) -> float:
        poll = self._options.poll.total_seconds()
        if not self._heartbeat.fit:
            return poll
        namespaces = self._definitions.namespaces
        promoted = self._store.promote(namespaces, _BATCH)
        if promoted.count or promoted.missed:
            self._on_pending()
        self._tell_skipped(promoted.missed, {})
        if self._options.once:
            return min(poll, self._until(promoted.next_at))
        now = self._heartbeat.now()
        due = self._store.due(namespaces, now, _BATCH)
        created = self._fire(due, now) if due else []
        if promoted.count == _BATCH or len(due) == _BATCH:
            return 0.0 if created or promoted.count else _NOTHING_FIRED
        pause = min(poll, self._until(promoted.next_at), self._until(self._store.next_due(namespaces)))
        # What is due and was not fired is being fired by another node, or cannot be: no need to ask without pause.
        return max(pause, _NOTHING_FIRED) if due and not created else pause

    def fire_all_due(self) -> list[Created]:
        """Promote and fire everything that has come by now; what was made of the slots."""
        namespaces, now = self._definitions.namespaces, self._heartbeat.now()
        while self._store.promote(namespaces, _BATCH).count == _BATCH:
            pass
        created: list[Created] = []
        while due := self._store.due(namespaces, now, _BATCH):
            fired = self._fire(due, now)
            if not fired:
                break
            created += fired
        return created

    def _until(self, instant: datetime | None) -> float:
        if instant is None:
            return self._options.poll.total_seconds()
        return max(0.0, (instant - self._heartbeat.now()).total_seconds())

    def _fire(self, due: list[DueJob], now: datetime) -> list[Created]:
        self._definitions.load((job.namespace, job.name, job.revision) for job in due)
        firings = [firing for job in due if (firing := self._firing(job, now)) is not None]
        created = self._store.fire(firings)
        covered: dict[tuple[str | None, datetime | None], Covers] = {
            (one.job, run.scheduled_at): run.covers for one in firings for run in one.runs if run.covers is not None
        }
        self._tell_skipped([run for run in created if run.state is RunState.SKIPPED], covered)
        if any(run.state is RunState.PENDING for run in created):
            self._on_pending()
        return created

    def _tell_skipped(
        self, skipped: Sequence[Created], covered: Mapping[tuple[str | None, datetime | None], Covers]
    ) -> None:
        for run in skipped:
            self._events.emit(_skipped(run, covered.get((run.job, run.scheduled_at))))
        self._on_more_history({(run.namespace, run.job) for run in skipped if run.job})

    def _firing(self, due: DueJob, now: datetime) -> Firing | None:
        job = self._definitions.job(due.namespace, due.name, due.revision)
        if job is None:
            return None
        try:
            accounted = account(
                job, due.cursor, now, next_at=due.next_at, generation=self._definitions.generations[due.namespace]
            )
        except Exception as error:  # noqa: BLE001 - a job that this node cannot reckon must not stop the others
            self._say_unreckoned(due, error)
            return None
        return Firing(
            namespace=due.namespace,
            job=due.name,
            schedule_revision=due.schedule_revision,
            seen_cursor=due.cursor,
            cursor=accounted.cursor,
            next_at=accounted.next_at,
            runs=accounted.runs,
        )

    def _say_unreckoned(self, due: DueJob, error: Exception) -> None:
        """Once for each revision: its slots are left to nodes that can, one with a newer time zone database, say."""
        if self._unreckoned.get((due.namespace, due.name)) != due.revision:
            self._unreckoned[due.namespace, due.name] = due.revision
            log.error("%s: this node cannot reckon its slots and leaves them to others: %s", due.name, error)


def _skipped(run: Created, covers: Covers | None) -> RunSkipped:
    return RunSkipped(
        run=run.id,
        namespace=run.namespace,
        job=run.job,
        scheduled_at=run.scheduled_at,
        reason=run.reason,
        covers=None if covers is None else covers.count or 0,
    )
