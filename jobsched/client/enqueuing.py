"""What a client has performed: runs that are enqueued, and jobs that are triggered."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from jobsched.client.jobs import Jobs
from jobsched.model.alike import RunsAlike, kinds
from jobsched.model.audit import Act, Action, Via
from jobsched.model.enqueue import Enqueue, all_enqueues, new_runs
from jobsched.model.once import Once
from jobsched.model.payload import Model, check_payload_size
from jobsched.model.run import Created, NewRun, Source
from jobsched.schedule.fires import run_for
from jobsched.trace_context import current_trace


class Enqueuing(Jobs):
    """New runs that no slot demands."""

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
        now = None if delay is None else self.store.now()
        return self._enqueue_all((wanted.new_run(self.namespace, now),), connection)[0]

    def enqueue_many(
        self,
        wanted: Iterable[Enqueue],
        *,
        batch: str | None = None,
        connection: object = None,
        once: Once | None = None,
    ) -> list[Created]:
        """Make many runs in one transaction, all or none, in their order: a statement for thousands of them.

        `batch`: of those that name none themselves; `client.batch` counts them, and waits.
        `connection`: your own, to the same database: an SQLAlchemy connection or session, or the driver's (psycopg 3,
        sqlite3). The runs are made in its transaction, which you commit or roll back: they exist exactly if your rows
        do. `once`: as of `create_job`. Raises as `enqueue` does; an error says which of them is meant.
        """
        wanted = all_enqueues(wanted)
        now = self.store.now() if any(one.delay is not None for one in wanted) else None
        return self._enqueue_all(new_runs(wanted, self.namespace, now, batch), connection, once)

    def _enqueue_all(self, runs: Sequence[NewRun], connection: object, once: Once | None = None) -> list[Created]:
        runs = _traced(runs)
        return self.store.enqueue(runs, connection, act=self._enqueued(runs), once=once)

    def _enqueued(self, runs: Sequence[NewRun]) -> Act | None:
        """By hand it is an act; of programs it is their daily work, and the runs tell of it themselves."""
        if self._actor is None or self._actor.via is not Via.CLI:
            return None
        handlers = {run.handler for run in kinds(runs)}
        return self.act(Action.ENQUEUE, handler=handlers.pop() if len(handlers) == 1 else None)

    def trigger(
        self,
        name: str,
        payload: Mapping[str, Any] | None = None,
        *,
        reason: str | None = None,
        once: Once | None = None,
    ) -> Created:
        """Run a job now, beside its schedule; with a limit it waits its turn. `payload` replaces the job's.

        `reason`: why, for the audit. `once`: as of `create_job`. Raises UnknownJobError, PayloadError.
        """
        stored = self.job(name)
        if payload is not None:
            check_payload_size(payload)
        run = run_for(stored.job, source=Source.TRIGGER, payload=payload, generation=stored.generation)
        return self.store.enqueue(_traced([run]), act=self.act(Action.TRIGGER, job=name, reason=reason), once=once)[0]


def _traced(runs: Sequence[NewRun]) -> Sequence[NewRun]:
    """They go on in the trace that is current here, if there is one."""
    trace = current_trace()
    if trace is None:
        return runs
    return runs.in_trace(trace) if isinstance(runs, RunsAlike) else [run._replace(trace=trace) for run in runs]
