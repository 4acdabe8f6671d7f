"""Client: everything that a program, the command line and the web ask of a store: enqueue, query, manage."""

import difflib
import logging
import threading
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice
from types import TracebackType
from typing import Any, Literal, Self

from jobsched.clock import Clock, SystemClock
from jobsched.errors import (
    BackfillError,
    ClosedError,
    EnqueueError,
    PayloadError,
    RefusedError,
    StoreUnavailableError,
    UnknownJobError,
    UnknownNotifierError,
    UnknownRunError,
)
from jobsched.model.alert import ALERT_QUEUE, Breach, Notifier
from jobsched.model.backfill import Backfill, Progress
from jobsched.model.batch import BatchCounts
from jobsched.model.durations import format_duration
from jobsched.model.enqueue import Enqueue
from jobsched.model.instants import as_utc
from jobsched.model.pause import Pause, Pauses, PauseScope
from jobsched.model.payload import Model, check_payload_size
from jobsched.model.queue import QueueLimits
from jobsched.model.run import (
    Answer,
    Created,
    Glance,
    Lack,
    LogLine,
    NewRun,
    Refusal,
    Run,
    RunFilter,
    RunState,
    Source,
)
from jobsched.model.state import DueJob, Generation, Node, StoredJob
from jobsched.model.stats import Stats
from jobsched.model.telling import alert_run, trial_message
from jobsched.schedule.backfill import refill, slots_between
from jobsched.schedule.fates import Fate, Unrecorded, fate_at, latest_fates, neighbours
from jobsched.schedule.fires import run_for
from jobsched.schedule.resumption import resumption
from jobsched.store.open import open_store
from jobsched.store.port import Store
from jobsched.trace_context import current_trace
from jobsched.who import who

log = logging.getLogger("jobsched")

_LARGEST_ID = 2**63 - 1
#: One is of the slot itself; a few more may cover it, should schedules have been edited meanwhile.
_ROWS_ABOUT_ONE_SLOT = 10
#: How often `wait` and `follow` look, in seconds: it grows from the first to the second.
_FIRST_LOOK, _SLOWEST_LOOK = 0.02, 0.5
_PAGE = 1000
#: Slots that one transaction of a backfill deals with.
_SLOTS_AT_ONCE = 1000
#: Slots that one backfill deals with, unless it is told otherwise.
MOST_SLOTS = 100_000
#: How often the end of a pause is reckoned anew because something moved meanwhile.
_TRIES = 8
_NOT_SKIPPED = tuple(state for state in RunState if state is not RunState.SKIPPED)
_FINAL = tuple(state for state in RunState if state.final)


class Client:
    """A store and one namespace of it. Thread-safe; close it, or use it as a context manager."""

    def __init__(self, store: Store | str, *, namespace: str = "default", clock: Clock | None = None) -> None:
        """`store`: a database URL, or an open store (which this client does not close)."""
        self._owns = isinstance(store, str)
        self._store: Store = open_store(store, clock=clock) if isinstance(store, str) else store
        self._closed = False
        self.namespace = namespace
        self._clock = clock or SystemClock()

    @property
    def store(self) -> Store:
        """Raises ClosedError once the client is closed."""
        if self._closed:
            raise ClosedError
        return self._store

    def close(self) -> None:
        self._closed = True
        if self._owns:
            self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- jobs

    def jobs(self, names: Sequence[str] | None = None) -> list[StoredJob]:
        """Jobs of the namespace, sorted by name: all, or those of `names` that exist."""
        return self.store.jobs(self.namespace, names)

    def job(self, name: str) -> StoredJob:
        """One job. Raises UnknownJobError, with the nearest name."""
        found = self.store.jobs(self.namespace, [name])
        if found:
            return found[0]
        raise self._unknown(name)

    def _unknown(self, name: str) -> UnknownJobError:
        nearest = difflib.get_close_matches(name, [stored.job.name for stored in self.jobs()], 1)
        return UnknownJobError(self.namespace, name, nearest[0] if nearest else None)

    def create_job(self, name: str, definition: Mapping[str, Any], *, by: str | None = None) -> StoredJob:
        """Declare a job at run time, in the words of jobs.yaml: `{"handler": "mail.digest", "cron": "0 7 * * *"}`.

        No sync touches it, unless a file comes to declare a job of this name, which then takes its place. `by`: who, for
        the generation that this is; else user@host. Raises DefinitionError, JobExistsError.
        """
        self._edit("create", name, definition, by)
        return self.job(name)

    def update_job(self, name: str, definition: Mapping[str, Any], *, by: str | None = None) -> StoredJob:
        """Replace the definition of a job that was declared at run time, as an edit of a file would.

        Raises DefinitionError, UnknownJobError, and FileJobError for a job of a file.
        """
        self._edit("update", name, definition, by)
        return self.job(name)

    def delete_job(self, name: str, *, by: str | None = None) -> None:
        """Remove a job that was declared at run time: its waiting runs are cancelled, its history stays until it is pruned.

        Raises UnknownJobError, and FileJobError for a job of a file.
        """
        self._edit("remove", name, None, by)

    def _edit(
        self,
        action: Literal["create", "update", "remove"],
        name: str,
        definition: Mapping[str, Any] | None,
        by: str | None,
    ) -> None:
        # Here: a program that only enqueues does not pay for the loader of files.
        from jobsched.config.entry import check_shared_limit, job_of
        from jobsched.sync.edit import Edit, apply_edit

        job = None if definition is None else job_of(self.namespace, name, definition)
        if job is not None and job.concurrency.key is not None:
            check_shared_limit(job, (stored.job for stored in self.jobs()))
        edit = Edit(namespace=self.namespace, name=name, action=action, job=job)
        if not apply_edit(self.store, edit, by or who()):
            raise self._unknown(name)

    def last_runs(self) -> dict[str, Run]:
        """The newest run of each job that has one; skipped ones do not count."""
        return self.store.last_runs(self.namespace)

    def last_run(self, name: str) -> Run | None:
        """The newest run of a job; skipped ones do not count."""
        return next(iter(self.runs(job=name, states=_NOT_SKIPPED, limit=1)), None)

    def recent_runs(self, names: Sequence[str], count: int = 30) -> dict[str, list[Glance]]:
        """The newest runs of each of these jobs that has one, newest first, without what may be large; skipped ones too."""
        return self.store.recent_runs(self.namespace, names, count)

    def upcoming(self, within: timedelta, limit: int = 100) -> list[DueJob]:
        """The jobs whose next slot comes within this time, the earliest first; none that is paused or suspended."""
        return self.store.due([self.namespace], self.store.now() + within, limit)

    def why(self, name: str, at: datetime | None = None, *, count: int = 5) -> list[Fate]:
        """What became of a job's slots: of the one at `at`, or else of the newest `count`, newest first.

        An `at` that is no slot comes first, followed by the slots before and after it. Of a job that is no longer
        declared: what is recorded. Raises UnknownJobError if it is not declared, and nothing is recorded of it.
        """
        declared, now = self.store.jobs(self.namespace, [name]), self.store.now()
        if not declared:
            return self._recorded_fates(name, at, now, count)
        stored, pause = declared[0], Pauses(self.pauses()).of_job(name)
        if at is None:
            rows = self.store.slot_rows(self.namespace, name, None, now, count)
            return latest_fates(stored.job, stored.cursor, rows, now, count, pause)
        fate = self._fate(stored, as_utc(at), now, pause)
        if fate.unrecorded is not Unrecorded.NO_SLOT:
            return [fate]
        return [fate, *(self._fate(stored, slot, now, pause) for slot in neighbours(stored.job, fate.at))]

    def _recorded_fates(self, name: str, at: datetime | None, now: datetime, count: int) -> list[Fate]:
        if not self.runs(job=name, limit=1):
            raise self._unknown(name)
        if at is None:
            rows = self.store.slot_rows(self.namespace, name, None, now, count)
            return [Fate(row.scheduled_at, row) for row in rows if row.scheduled_at is not None]
        rows = self.store.slot_rows(self.namespace, name, as_utc(at), as_utc(at), 1)
        return [Fate(as_utc(at), rows[0] if rows else None, None if rows else Unrecorded.FORGOTTEN)]

    def _fate(self, stored: StoredJob, at: datetime, now: datetime, pause: Pause | None) -> Fate:
        rows = self.store.slot_rows(self.namespace, stored.job.name, at, at, _ROWS_ABOUT_ONE_SLOT)
        return fate_at(stored.job, stored.cursor, rows, at, now, pause)

    def trigger(self, name: str, payload: Mapping[str, Any] | None = None) -> Created:
        """Run a job now, beside its schedule; with a limit it waits its turn. `payload` replaces the job's.

        Raises UnknownJobError, PayloadError.
        """
        stored = self.job(name)
        if payload is not None:
            check_payload_size(payload)
        run = run_for(stored.job, source=Source.TRIGGER, payload=payload, generation=stored.generation)
        return self.store.enqueue(_traced([run]))[0]

    def plan_backfill(
        self, name: str, since: datetime, until: datetime, *, most: int = MOST_SLOTS, progress: Progress | None = None
    ) -> Backfill:
        """What `backfill` would do now; nothing is changed. `progress` is told how many slots more have been looked at.

        Raises UnknownJobError; BackfillError as `backfill` does.
        """
        stored, found = self.job(name), Backfill()
        for slots in self._batches(stored, since, until, most):
            rows = self.store.slot_states(self.namespace, name, slots)
            found += refill(stored, slots, rows)[1]
            if progress is not None:
                progress(len(slots))
        return found

    def backfill(
        self, name: str, since: datetime, until: datetime, *, most: int = MOST_SLOTS, progress: Progress | None = None
    ) -> Backfill:
        """Make runs, available now, for those slots in [since, until] that have none or were skipped; oldest first.

        The slots are those of the present schedule, also from before the job existed. Those whose run failed or was
        cancelled are left alone: see `requeue`. Committed by the thousand; to be repeated safely if it was cut short.
        Raises UnknownJobError; BackfillError without a schedule, on more than `most` slots, on a range that ends in the
        future or before it begins, or if the schedule is changed meanwhile; ValueError on naive instants.
        """
        stored, done = self.job(name), Backfill()
        for slots in self._batches(stored, since, until, most):
            done += self._refill(stored, slots)
            if progress is not None:
                progress(len(slots))
        return done

    def _batches(self, stored: StoredJob, since: datetime, until: datetime, most: int) -> Iterator[list[datetime]]:
        if as_utc(until) > self.store.now():
            raise BackfillError("the range ends in the future; what is to come needs no backfill")
        slots = slots_between(stored.job, as_utc(since), as_utc(until), most)
        while batch := list(islice(slots, _SLOTS_AT_ONCE)):
            yield batch

    def _refill(self, stored: StoredJob, slots: Sequence[datetime]) -> Backfill:
        """Looks again for as long as somebody else changes what it has seen."""
        name = stored.job.name
        while True:
            part, found = refill(stored, slots, self.store.slot_states(self.namespace, name, slots))
            if not part.runs:
                return found
            made = self.store.backfill(part)
            if made is not None:
                raced = len(part.runs) - len(made)
                return replace(found, runs=len(made), unfinished=found.unfinished + raced)
            if self.job(name).schedule_revision != stored.schedule_revision:
                raise BackfillError(
                    f"the schedule of {name} has changed meanwhile; the older slots have their runs, begin again for the rest"
                )

    # -- pauses: of jobs by name, or of a queue, or of all

    def pauses(self) -> list[Pause]:
        """The pauses that stand in the namespace, by scope and name."""
        return self.store.pauses([self.namespace])

    def pause(
        self,
        *jobs: str,
        queue: str | None = None,
        all: bool = False,  # noqa: A002 - the word of the command line
        duration: timedelta | None = None,
        reason: str | None = None,
        by: str | None = None,
    ) -> list[Pause]:
        """Hold jobs (no slot of theirs becomes a run), a queue (none of its runs starts) or all, until resumed or for a while.

        What stands already gets the new duration and reason. `by`: else user@host. Returns the pauses as they stand now.
        Raises UnknownJobError, with the nearest name; then nothing is paused.
        """
        targets = _targets(jobs, queue, all)
        declared = {stored.job.name for stored in self.store.jobs(self.namespace, jobs)} if jobs else set()
        for name in jobs:
            if name not in declared:
                raise self._unknown(name)
        if duration is not None and duration <= timedelta(0):
            raise ValueError("a pause lasts longer than nothing")
        now = self.store.now()
        until = None if duration is None else now + duration
        self.store.pause(
            [
                Pause(
                    namespace=self.namespace,
                    scope=scope,
                    name=name,
                    since=now,
                    by=by or who(),
                    reason=reason,
                    until=until,
                )
                for scope, name in targets
            ]
        )
        return [pause for pause in self.pauses() if pause.target in targets]

    def resume(self, *jobs: str, queue: str | None = None, all: bool = False) -> list[Pause]:  # noqa: A002 - as in `pause`
        """End the pauses of jobs, of a queue, or that of all; those that were ended, which may be none.

        What a job's slots became meanwhile is recorded: one skipped row for all of them. Raises UnknownJobError for a
        job that is neither paused nor declared.
        """
        targets = _targets(jobs, queue, all)
        paused = {pause.target for pause in self.pauses()}
        for scope, name in targets:
            if scope is PauseScope.JOB and (scope, name) not in paused:
                self.job(name)
        return [pause for pause in self._end_pauses(targets) if pause.target in targets]

    def end_expired_pauses(self) -> list[Pause]:
        """End the pauses that are over, as nodes do; those that were ended."""
        return self._end_pauses(())

    def _end_pauses(self, targets: Container[tuple[PauseScope, str]]) -> list[Pause]:
        """Those that are over end with any other: the jobs that both held were held up to the later end."""
        for _ in range(_TRIES):
            now, standing = self.store.now(), self.pauses()
            ended = [pause for pause in standing if pause.target in targets or pause.is_over(now)]
            if not ended:
                return []
            change = resumption(self.namespace, standing, ended, self._held_by(ended), now)
            if self.store.resume(change):
                for name in change.unreckoned:
                    log.warning("%s: its slots cannot be reckoned here; those missed are left to its catch_up", name)
                return ended
        raise StoreUnavailableError("pauses or jobs were changed each time that they were to be resumed; try again")

    def _held_by(self, pauses: Sequence[Pause]) -> list[StoredJob]:
        if any(pause.scope is PauseScope.ALL for pause in pauses):
            return self.jobs()
        names = [pause.name for pause in pauses if pause.scope is PauseScope.JOB]
        return self.store.jobs(self.namespace, names) if names else []

    # -- runs

    def enqueue(
        self,
        handler: str | Callable[..., Any],
        payload: Mapping[str, Any] | Model | None = None,
        *,
        run_at: datetime | None = None,
        delay: timedelta | float | str | None = None,
        queue: str | None = None,
        priority: int | None = None,
        max_attempts: int | None = None,
        timeout: timedelta | float | str | None = None,
        unique_key: str | None = None,
        unique_for: timedelta | float | str | None = None,
        on_conflict: Literal["ignore", "replace", "reschedule", "error"] = "ignore",
        concurrency_key: str | None = None,
        tags: Sequence[str] = (),
        batch: str | None = None,
        connection: object = None,
    ) -> Created:
        """Make a run of a registered handler. Safe to repeat after OutcomeUnknownError if it has a `unique_key`.

        `handler`: its name, or a function with @handler. `payload`: a JSON object, or a pydantic model, whose fields it is.
        What is not given is what the handler's decorator says, if its module is imported in this process; else the
        queue `default`, priority 0 and one attempt. `timeout` is for each attempt, and goes before the decorator's.
        While a run with the same `unique_key` is unfinished, and until its `unique_for` has passed since it was made,
        none is made, and that one is returned as `existing`; if it waits, `on_conflict` has it replaced (it becomes what
        the new one would have been) or rescheduled (it gets the new one's time); or UniqueKeyError is raised. Of the
        namespace's runs with the same `concurrency_key` one runs at a time, or as many as the jobs that declare it say.
        Runs are found by each of their `tags`, and counted and waited for by their `batch`.
        `connection`: see `enqueue_many`. Raises EnqueueError, PayloadError; QueueFull if as many runs wait in the queue as
        its `max_queued` allows.
        """
        wanted = Enqueue(
            handler,
            payload,
            run_at=run_at,
            delay=delay,
            queue=queue,
            priority=priority,
            max_attempts=max_attempts,
            timeout=timeout,
            unique_key=unique_key,
            unique_for=unique_for,
            on_conflict=on_conflict,
            concurrency_key=concurrency_key,
            tags=tags,
            batch=batch,
        )
        return self.enqueue_many([wanted], connection=connection)[0]

    def enqueue_many(
        self, wanted: Iterable[Enqueue], *, batch: str | None = None, connection: object = None
    ) -> list[Created]:
        """Make many runs in one transaction, all or none, in their order: a statement for thousands of them.

        `batch`: of those that name none themselves; `client.batch` counts them, and waits.
        `connection`: your own, to the same database: an SQLAlchemy connection or session, or the driver's (psycopg 3,
        sqlite3). The runs are made in its transaction, which you commit or roll back: they exist exactly if your rows
        do. Raises as `enqueue` does; an error says which of them is meant.
        """
        wanted = list(wanted)
        if batch is not None:
            wanted = [replace(one, batch=batch) if one.batch is None else one for one in wanted]
        now = self.store.now() if any(one.delay is not None for one in wanted) else None
        return self.store.enqueue(_traced([self._new_run(wanted, n, now) for n in range(len(wanted))]), connection)

    def _new_run(self, wanted: Sequence[Enqueue], position: int, now: datetime | None) -> NewRun:
        try:
            return wanted[position].new_run(self.namespace, now)
        except (EnqueueError, PayloadError) as error:
            if len(wanted) == 1:
                raise
            raise type(error)(f"number {position + 1} of {len(wanted)}: {error}; none was made") from None

    def run(self, run_id: int) -> Run:
        """One run. Raises UnknownRunError."""
        found = self.store.run(run_id) if 0 <= run_id <= _LARGEST_ID else None
        if found is None:
            raise UnknownRunError(run_id)
        return found

    def runs_of(self, run_ids: Sequence[int]) -> list[Run]:
        """These runs, in the order given; those that do not exist, or not any more, are left out. Some thousands at most."""
        found = {run.id: run for run in self.store.runs(RunFilter(ids=tuple(set(run_ids)), limit=len(run_ids)))}
        return [found[run_id] for run_id in run_ids if run_id in found]

    def lacks(self, run_id: int) -> list[Lack]:
        """What a blocked run waits for; nothing if it is about to be let in, nor of any other run."""
        return self.store.lacks(run_id)

    def runs(
        self,
        *,
        namespace: str | None = None,
        job: str | None = None,
        handler: str | None = None,
        queue: str | None = None,
        tag: str | None = None,
        batch: str | None = None,
        states: Sequence[RunState] = (),
        since: datetime | None = None,
        before_id: int | None = None,
        limit: int = 50,
    ) -> list[Run]:
        """Runs, newest first. `before_id` continues a list after its last id, whatever was made meanwhile.

        `tag`: one of those that they have; a job's runs have the tags that it had when they were made.
        """
        wanted = RunFilter(
            namespace=namespace or self.namespace,
            job=job,
            handler=handler,
            queue=queue,
            tag=tag,
            batch=batch,
            states=tuple(states),
            since=as_utc(since) if since else None,
            before_id=before_id,
            limit=limit,
        )
        return self.store.runs(wanted)

    def failure_runs(self, run_ids: Sequence[int]) -> list[Run]:
        """The runs that `on_failure` made of the failures of these, newest first; which of them is `payload["id"]`."""
        if not run_ids:
            return []
        return self.store.runs(RunFilter(failures_of=tuple(run_ids), limit=10 * len(run_ids)))

    # -- alerts

    def open_breaches(self) -> list[Breach]:
        """What people are, or will be, alerted of and is not over, the oldest first."""
        return self.store.open_breaches(self.namespace)

    def notifiers(self) -> dict[str, Notifier]:
        """Who can be told, by name: those that a job's `alerts` name."""
        jobs = self.store.watched_jobs(self.namespace)
        found = [notifier for stored in jobs if stored.job.alerts for notifier in stored.job.alerts.notify]
        return {notifier.name: notifier for notifier in sorted(found, key=lambda notifier: notifier.name)}

    def unsent_alerts(self, since: datetime, limit: int = 20) -> list[Run]:
        """Messages of alerts made since then that no attempt could send, newest first."""
        wanted = RunFilter(
            namespace=self.namespace, queue=ALERT_QUEUE, states=(RunState.FAILED,), since=as_utc(since), limit=limit
        )
        return self.store.runs(wanted)

    def test_alert(self, notifier: str) -> Created:
        """Send a message to one of `notifiers`, in one attempt; a node performs it. Raises UnknownNotifierError."""
        known = self.notifiers()
        if notifier not in known:
            raise UnknownNotifierError(self.namespace, notifier, list(known))
        run = alert_run(self.namespace, known[notifier], trial_message(self.namespace, self.store.now()))
        return self.store.enqueue([replace(run, max_attempts=1)])[0]

    # -- one run

    def wait(self, run_id: int, timeout: timedelta | None = None) -> Run:
        """Wait until a run is final, and return it. Raises TimeoutError, UnknownRunError."""
        never = threading.Event()
        for run, pause in self.looks(run_id, timeout):
            if run.state.final:
                return run
            self._clock.wait(never, pause)
        raise AssertionError("one looks until the run is final")

    def looks(self, run_id: int, timeout: timedelta | None = None) -> Iterator[tuple[Run, float]]:
        """What `wait` sees: the run at each look, the last one final, and how many seconds to pause after it. Raises as `wait`."""
        pauses = self._pauses(timeout)
        while True:
            run = self.run(run_id)
            pause = next(pauses, None)
            if not run.state.final and timeout is not None and pause is None:
                raise TimeoutError(f"run {run_id} is still {run.state} after {format_duration(timeout)}")
            yield run, pause or 0.0

    def _pauses(self, timeout: timedelta | None) -> Iterator[float]:
        """Seconds between looks, longer and longer; none any more once the time is up."""
        pause = _FIRST_LOOK
        until = None if timeout is None else self._clock.monotonic() + timeout.total_seconds()
        while until is None or self._clock.monotonic() < until:
            yield pause
            pause = min(pause * 1.5, _SLOWEST_LOOK)

    def batch(self, name: str) -> "Batch":
        """The runs that were enqueued with this `batch`, counted by state; those that were pruned are no longer there."""
        return Batch(name, self.store.batch_counts(self.namespace, name), self)

    def wait_batch(self, name: str, timeout: timedelta | None = None) -> "Batch":
        """Wait until all runs of a batch are final, and count them. A batch without runs is done. Raises TimeoutError."""
        never = threading.Event()
        for batch, pause in self.batch_looks(name, timeout):
            if batch is not None:
                return batch
            self._clock.wait(never, pause)
        raise AssertionError("one looks until the batch is done")

    def batch_looks(self, name: str, timeout: timedelta | None = None) -> Iterator[tuple["Batch | None", float]]:
        """What `wait_batch` sees: None at each look, the batch once it is done, and how many seconds to pause after it."""
        pauses = self._pauses(timeout)
        while not self.store.is_batch_done(self.namespace, name):
            pause = next(pauses, None)
            if timeout is not None and pause is None:
                raise TimeoutError(f"after {format_duration(timeout)} {self.batch(name)}")
            yield None, pause or 0.0
        yield self.batch(name), 0.0

    def requeue(self, run_id: int) -> Run:
        """Run a failed, cancelled or skipped run again: same id and slot, `retries` granted afresh, errors kept.

        Raises UnknownRunError; RefusedError if it is not over, succeeded, stands for several slots, its job is gone, its
        last attempt's thread goes on, or another run has its unique key.
        """
        self._obtain("requeued", self.requeue_all([run_id])[0])
        return self.run(run_id)

    def requeue_all(self, run_ids: Sequence[int]) -> list[Answer]:
        """`requeue` for many: what became of each, in their order. Never raises for a run that cannot be requeued."""
        return self.store.requeue(run_ids)

    def cancel(self, run_id: int) -> Run:
        """End a waiting run now; ask the node of a running one to stop it (the run stays running until it obeys).

        Raises UnknownRunError; RefusedError if it is over.
        """
        self._obtain("cancelled", self.cancel_all([run_id])[0])
        return self.run(run_id)

    def cancel_all(self, run_ids: Sequence[int]) -> list[Answer]:
        """`cancel` for many: what became of each, in their order. Never raises for a run that is over."""
        return self.store.cancel(run_ids)

    def reschedule(self, run_id: int, at: datetime) -> Run:
        """Let a waiting run become available at `at`; it is scheduled until then, even if that has come already.

        A retry may be moved too; a slot has no starting deadline any more. Raises UnknownRunError; RefusedError if it runs or is over.
        """
        self._obtain("rescheduled", self.reschedule_all([run_id], at)[0])
        return self.run(run_id)

    def reschedule_all(self, run_ids: Sequence[int], at: datetime) -> list[Answer]:
        """`reschedule` for many: what became of each, in their order. Never raises for a run that does not wait."""
        return self.store.reschedule(run_ids, as_utc(at))

    def delete(self, run_id: int) -> None:
        """Forget a run that is over, with its logs; its slot is not fired again.

        Raises UnknownRunError; RefusedError if it is not over, its `unique_for` is not, or its last attempt's thread goes on.
        """
        self._obtain("deleted", self.delete_all([run_id])[0])

    def delete_all(self, run_ids: Sequence[int]) -> list[Answer]:
        """`delete` for many: what became of each, in their order. Never raises for a run that is not over."""
        return self.store.delete(run_ids)

    def _obtain(self, asked: str, answer: Answer) -> None:
        if answer.refused is Refusal.UNKNOWN:
            raise UnknownRunError(answer.id)
        if answer.refused is not None:
            raise RefusedError(answer.id, asked, answer.refused.value, why_refused(answer))

    def log(
        self, run_id: int, *, attempt: int | None = None, after: tuple[int, int] = (0, -1), limit: int = 10_000
    ) -> list[LogLine]:
        """Lines that a run's attempts wrote, oldest first, after a place (attempt, seq)."""
        return self.store.log(run_id, attempt=attempt, after=after, limit=limit)

    def progress(self, runs: Iterable[Run]) -> dict[int, str]:
        """How far those of these runs are that run and have said so by `ctx.progress`: `45% copying`."""
        attempts = {run.id: run.attempt for run in runs if run.state is RunState.RUNNING}
        said = self.store.progress(list(attempts)) if attempts else {}
        return {run_id: line.text for run_id, line in said.items() if line.attempt == attempts[run_id]}

    def follow(
        self, run_id: int, *, attempt: int | None = None, looked: Callable[[Run], object] | None = None
    ) -> Iterator[LogLine]:
        """Lines of a run, those that are there and those that come, until it is final; `looked` is given it at each look.

        Raises UnknownRunError.
        """
        never, pause, after, ended = threading.Event(), _FIRST_LOOK, (0, -1), False
        while True:
            # Asked before its lines are read: what it wrote until then is among them.
            run, lines = self.run(run_id), self.log(run_id, attempt=attempt, after=after)
            if looked is not None:
                looked(run)
            yield from lines
            if lines:
                after, pause = (lines[-1].attempt, lines[-1].seq), _FIRST_LOOK
            elif ended:
                return
            # The last lines of many may be stored a moment after the end is: one more look.
            ended = run.state.final
            self._clock.wait(never, pause)
            pause = _FIRST_LOOK if ended else min(pause * 1.5, _SLOWEST_LOOK)

    # -- the whole

    def nodes(self) -> list[Node]:
        """The nodes that have not left, newest first."""
        return self.store.nodes()

    def generations(self, limit: int = 20) -> list[Generation]:
        """The newest applied syncs, newest first."""
        return self.store.generations(self.namespace, limit)

    def counts(self) -> dict[tuple[str, RunState], int]:
        """How many unfinished runs there are, by (queue, state)."""
        return self.store.counts([self.namespace])

    def queue_limits(self) -> dict[str, QueueLimits]:
        """What the file allows of queues over all nodes (`limit`, `rate`, `max_queued`), of those that it says something of."""
        return self.store.queue_limits(self.namespace)

    def oldest_pending(self) -> dict[str, datetime]:
        """When the pending run of each queue came due that has waited longest for a thread."""
        return self.store.oldest_pending(self.namespace)

    def stats(self, *, since: datetime) -> Stats:
        """Numbers for people; reads each finished run made since then, so ask for a day rather than for ever."""
        finished: Counter[tuple[str | None, RunState]] = Counter()
        before = None
        while page := self.runs(states=_FINAL, since=since, before_id=before, limit=_PAGE):
            finished.update((run.job, run.state) for run in page)
            before = page[-1].id
        return Stats(since=as_utc(since), unfinished=self.counts(), finished=dict(finished))


@dataclass(frozen=True, slots=True)
class Batch(BatchCounts):
    """A batch as it stood when it was asked for."""

    client: Client = field(repr=False, compare=False)

    def wait(self, timeout: timedelta | None = None) -> "Batch":
        """It as it stands once all its runs are final. Raises TimeoutError."""
        return self.client.wait_batch(self.name, timeout)


def _traced(runs: list[NewRun]) -> list[NewRun]:
    """They go on in the trace that is current here, if there is one."""
    trace = current_trace()
    return runs if trace is None else [replace(run, trace=trace) for run in runs]


def _targets(jobs: Sequence[str], queue: str | None, everything: bool) -> set[tuple[PauseScope, str]]:
    if (bool(jobs), bool(queue), everything).count(True) != 1:
        raise ValueError("name jobs, or a queue, or say all=True: one of the three")
    if jobs:
        return {(PauseScope.JOB, name) for name in jobs}
    return {(PauseScope.QUEUE, queue) if queue else (PauseScope.ALL, "")}


_WHY_REFUSED = {
    Refusal.UNKNOWN: "there is none of this number; it was never made, or its history has been pruned",
    Refusal.UNFINISHED: "it is {state}, not over",
    Refusal.FINISHED: "it is over: {state}",
    Refusal.RUNNING: "it runs; to stop it: jobsched cancel",
    Refusal.SUCCEEDED: "it succeeded; to run its job again: jobsched trigger",
    Refusal.COVERS: "it stands for several slots; jobsched backfill runs those",
    Refusal.ABANDONED: "the thread of its last attempt does not end; wait until it does, or end its node",
    Refusal.JOB_GONE: "its job is no longer declared",
    Refusal.UNIQUE_KEY: "another run has its unique key",
    Refusal.UNIQUE_FOR: "its unique_for is not over: without it another run of its unique key could be made",
}


def why_refused(answer: Answer) -> str:
    """The reason in a clause for people."""
    if answer.refused is None:
        return "it was not refused"
    return _WHY_REFUSED[answer.refused].format(state=answer.state)
