"""Values for tests with defaults, so that a test writes only what matters to it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from jobsched.model.alike import RunsAlike
from jobsched.model.audit import Act, Action, AuditFilter, AuditRow, Via
from jobsched.model.handler import PythonHandler
from jobsched.model.job import Concurrency, ConcurrencyPolicy, Job
from jobsched.model.pause import Pause, PauseScope
from jobsched.model.payload import payloads_of
from jobsched.model.queue import QueueLimits
from jobsched.model.run import Claim, Created, NewRun, OwnedRun, Reason, Run, RunFilter, RunState, Source, Transition
from jobsched.model.state import Firing, JobRemoval, JobWrite, StoredJob, SyncChange
from jobsched.store.port import ClaimWish, Store

NAMESPACE = "default"
HANDLER = "tests:handle"
LEASE = timedelta(seconds=30)
#: Where a FakeClock starts.
START = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
_LOOKS = 10_000


# -- declarations


def a_job(name: str = "nightly", *, namespace: str = NAMESPACE, **fields: Any) -> Job:
    """A job that every minute handles nothing."""
    return Job(
        namespace=namespace, name=name, **_over({"handler": PythonHandler(HANDLER), "cron": ("* * * * *",)}, fields)
    )


def a_limited_job(name: str = "nightly", policy: ConcurrencyPolicy = "forbid", limit: int = 1, **fields: Any) -> Job:
    """A job of which at most `limit` runs hold its key. `key` and `max_queued` go into its concurrency."""
    shared = {part: fields.pop(part) for part in ("key", "max_queued") if part in fields}
    return a_job(name, concurrency=Concurrency(policy=policy, limit=limit, **shared), **fields)


def a_free_job(name: str = "nightly", **fields: Any) -> Job:
    """A job whose runs nothing limits."""
    return a_job(name, concurrency=Concurrency(policy="allow", limit=None), **fields)


# -- runs to be made


def a_run(**fields: Any) -> NewRun:
    """An ad-hoc run, due now, without a key."""
    return NewRun(**_over({"namespace": NAMESPACE, "handler": HANDLER, "source": Source.ENQUEUE}, fields))


def runs_alike(payloads: Sequence[Mapping[str, Any]], **fields: Any) -> RunsAlike:
    """Ad-hoc runs that differ in nothing but these payloads, as the client makes them."""
    return RunsAlike(a_run(payload=payloads[0], **fields), *payloads_of(payloads))


def a_slot(job: Job, at: datetime, **fields: Any) -> NewRun:
    """A run for a slot of this job, due at once, with the key and the overlap rule that its concurrency asks for."""
    defaults: dict[str, Any] = {
        "scheduled_at": at,
        "max_queued": job.concurrency.max_queued if job.concurrency.policy == "queue" else None,
        "replaces": job.concurrency.policy == "replace",
    }
    return _a_run_of(job, Source.SLOT, defaults | fields)


def a_skipped_slot(job: Job, at: datetime, reason: Reason = Reason.MISFIRE, **fields: Any) -> NewRun:
    """A row that says why this slot did not run."""
    return a_slot(job, at, skipped=reason, **fields)


def a_trigger(job: Job, **fields: Any) -> NewRun:
    """A run of this job, asked for by hand."""
    return _a_run_of(job, Source.TRIGGER, fields)


def _a_run_of(job: Job, source: Source, fields: Mapping[str, Any]) -> NewRun:
    defaults: dict[str, Any] = {
        "namespace": job.namespace,
        "job": job.name,
        "source": source,
        "queue": job.queue,
        "priority": job.priority,
        "payload": job.payload,
        "max_attempts": job.max_attempts,
        "key": job.concurrency_key,
    }
    return a_run(**defaults | dict(fields))


# -- syncs


def a_write(job: Job, **fields: Any) -> JobWrite:
    """A new job with its next slot a minute after `START`."""
    defaults: dict[str, Any] = {"revision": 1, "schedule_revision": 1, "cursor": START, "next_at": START + MINUTE}
    return JobWrite(job=job, **defaults | fields)


def an_edit(stored: StoredJob, job: Job, **fields: Any) -> JobWrite:
    """A change of definition, not of schedule: the cursor is left alone."""
    defaults: dict[str, Any] = {
        "revision": stored.revision + 1,
        "schedule_revision": stored.schedule_revision,
        "cursor": stored.cursor,
        "next_at": stored.next_at,
        "seen_revision": stored.revision,
    }
    return JobWrite(job=job, **defaults | fields)


def queue_limits(limits: Mapping[str, int | QueueLimits]) -> dict[str, QueueLimits]:
    """As settings have them; a bare number is a limit."""
    return {queue: QueueLimits(limit=one) if isinstance(one, int) else one for queue, one in limits.items()}


def a_change(
    *writes: JobWrite | Job, removals: Sequence[JobRemoval | str] = (), seen: int | None = None, **fields: Any
) -> SyncChange:
    """A sync, planned when `seen` was the newest generation. Bare jobs are new ones, bare names are removed."""
    defaults: dict[str, Any] = {
        "namespace": NAMESPACE,
        "seen_generation": seen,
        "content_hash": "0" * 64,
        "commit": None,
        "applied_by": "tests",
        "summary": {},
        "writes": tuple(a_write(write) if isinstance(write, Job) else write for write in writes),
        "removals": tuple(JobRemoval(name=name) if isinstance(name, str) else name for name in removals),
    }
    return SyncChange(**defaults | fields)


def fire_at_last(store: Store, firing: Firing) -> list[Created]:
    """What is made of it once nobody else holds its key, as by a node that looks again and again."""
    for _ in range(_LOOKS):
        if made := store.fire([firing]):
            return made
    raise AssertionError("the job's key was held all the time")


def given_jobs(store: Store, *jobs: Job, now: datetime = START) -> dict[str, StoredJob]:
    """The jobs are in the store, in one sync: new ones with `now` as their cursor, known ones edited. By name."""
    [namespace] = {job.namespace for job in jobs}
    actual = store.actual(namespace)
    writes = [
        an_edit(actual.jobs[job.name], job)
        if job.name in actual.jobs
        else a_write(job, cursor=now, next_at=now + MINUTE)
        for job in jobs
    ]
    store.apply(a_change(*writes, namespace=namespace, seen=newest_number(store, namespace)))
    return {stored.job.name: stored for stored in store.jobs(namespace, [job.name for job in jobs])}


def given_removed(store: Store, name: str, namespace: str = NAMESPACE) -> None:
    """The job is no longer declared."""
    store.apply(a_change(namespace=namespace, removals=[name], seen=newest_number(store, namespace)))


def newest_number(store: Store, namespace: str = NAMESPACE) -> int | None:
    """Of the newest generation; None before the first sync."""
    newest = store.actual(namespace).generation
    return None if newest is None else newest.number


# -- slots


def a_firing(stored: StoredJob, *runs: NewRun, **fields: Any) -> Firing:
    """These rows, with the cursor moved to the last of their slots (or by a minute) and a next one a minute later."""
    cursor = max((run.scheduled_at for run in runs if run.scheduled_at), default=stored.cursor + MINUTE)
    defaults: dict[str, Any] = {
        "namespace": stored.job.namespace,
        "job": stored.job.name,
        "schedule_revision": stored.schedule_revision,
        "seen_cursor": stored.cursor,
        "cursor": cursor,
        "next_at": cursor + MINUTE,
        "runs": runs,
    }
    return Firing(**defaults | fields)


# -- pauses


def a_pause(scope: Literal["job", "queue", "all"], name: str = "", **fields: Any) -> Pause:
    """A pause that began at `START`, until it is resumed."""
    defaults: dict[str, Any] = {"namespace": NAMESPACE, "since": START, "by": "tests"}
    return Pause(scope=PauseScope(scope), name=name, **defaults | fields)


# -- acts


def an_act(action: Action, **fields: Any) -> Act:
    """Somebody's at the command line."""
    return Act(**_over({"namespace": NAMESPACE, "by": "ann@desk", "via": Via.CLI, "action": action}, fields))


def audited(store: Store, **wanted: Any) -> list[AuditRow]:
    """What was recorded, newest first."""
    return store.audit(AuditFilter(**_over({"namespace": NAMESPACE, "limit": 1000}, wanted)))


# -- nodes and what they do


def a_node(store: Store, *, lease: timedelta = LEASE, **fields: Any) -> int:
    """The id of a new node, alive for `lease`."""
    defaults: dict[str, Any] = {"host": "here", "pid": 1, "version": "1", "namespaces": [NAMESPACE], "info": {}}
    return store.register(lease=lease, **defaults | fields)


def claim(store: Store, node: int, limit: int = 1000, **fields: Any) -> list[Claim]:
    """What the node gets of the default namespace."""
    return store.claim(a_wish(node, limit, **fields))


def a_wish(node: int, limit: int = 1000, **fields: Any) -> ClaimWish:
    """What the node asks for: of the default namespace, all queues and handlers."""
    return ClaimWish(node=node, limit=limit, **_over({"generations": {NAMESPACE: None}}, fields))


def a_transition(owned: Claim | OwnedRun, state: RunState = RunState.SUCCEEDED, **fields: Any) -> Transition:
    """What its owner makes of a run; attempt and losses as they are."""
    defaults: dict[str, Any] = {
        "id": owned.id,
        "claim_no": owned.claim_no,
        "node": owned.node,
        "state": state,
        "attempt": owned.attempt,
        "losses": owned.losses,
    }
    return Transition(**defaults | fields)


def a_retry(owned: Claim | OwnedRun, at: datetime, **fields: Any) -> Transition:
    """A failed attempt that is followed by another one at `at`."""
    defaults: dict[str, Any] = {"available_at": at, "reason": Reason.ERROR, "error": {"message": "no"}}
    return a_transition(owned, RunState.SCHEDULED, **defaults | fields)


def given_back(owned: Claim | OwnedRun, **fields: Any) -> Transition:
    """Its node does not start it: as if the attempt had not been."""
    return a_transition(owned, RunState.PENDING, **{"attempt": owned.attempt - 1} | fields)


# -- looking


def states(store: Store, **wanted: Any) -> list[RunState]:
    """The states of all runs, oldest first."""
    return [run.state for run in runs(store, **wanted)]


def runs(store: Store, **wanted: Any) -> list[Run]:
    """All runs (of the default namespace unless asked otherwise), oldest first."""
    return store.runs(RunFilter(**_over({"namespace": NAMESPACE, "limit": 100_000}, wanted)))[::-1]


def the_run(store: Store, run_id: int) -> Run:
    """The run, which exists."""
    run = store.run(run_id)
    assert run is not None, f"run {run_id} is gone"
    return run


def _over(defaults: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    return {**defaults, **fields}
