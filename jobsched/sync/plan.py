"""Desired against actual: what a sync would create, update and remove, and what that does to slots. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from jobsched.errors import SyncRefusedError
from jobsched.model.definition import FieldChange, job_differences
from jobsched.model.desired import DesiredState
from jobsched.model.job import SCHEDULE_FIELDS, Job
from jobsched.model.pause import Pause, Pauses
from jobsched.model.queue import QueueLimits
from jobsched.model.run import NewRun
from jobsched.model.state import ActualState, JobRemoval, JobWrite, Origin, StoredJob, SyncChange
from jobsched.schedule.fires import account, account_paused, first_account

#: A change of one of these ends the old succession of slots and begins a new one from now.
_RESTARTS_SLOTS = SCHEDULE_FIELDS | {"suspend"}
#: The brake: so many removals are never an accident of no consequence.
_MANY = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPlan:
    """What becomes of one job. `next_before` and `next_after` are its next slots, without and with the sync."""

    name: str
    action: Literal["create", "update", "remove"]
    changes: tuple[FieldChange, ...] = ()
    job: Job | None = None  #: None: it is removed
    stored: StoredJob | None = None  #: None: it is new
    next_before: datetime | None = None
    next_after: datetime | None = None
    pause: Pause | None = None  #: what keeps it from firing until somebody resumes it


@dataclass(frozen=True, slots=True)
class QueuePlan:
    """What becomes of the limits of one queue."""

    queue: str
    before: QueueLimits
    after: QueueLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The difference between desired and actual, sorted by name. `at`: the instant that slots are reckoned from."""

    namespace: str
    at: datetime
    jobs: tuple[JobPlan, ...]
    queues: tuple[QueuePlan, ...] = ()
    unchanged: int
    paused: tuple[str, ...] = ()  #: of the unchanged, those that a pause keeps from firing
    total: int  #: jobs of its origin in the store before
    seen_generation: int | None
    origin: Origin = Origin.FILE  #: of the jobs that it writes

    @property
    def empty(self) -> bool:
        return not self.jobs and not self.queues

    def of(self, action: str) -> tuple[JobPlan, ...]:
        return tuple(item for item in self.jobs if item.action == action)

    @property
    def brakes(self) -> bool:
        """Whether this removes all jobs, or more than half of them and more than five."""
        removed = len(self.of("remove"))
        return removed > 0 and (removed == self.total or (removed > _MANY and removed * 2 > self.total))

    def check_brake(self) -> None:
        """Raise SyncRefusedError if it brakes."""
        if self.brakes:
            raise SyncRefusedError(self.namespace, len(self.of("remove")), self.total)


def plan(desired: DesiredState, actual: ActualState, at: datetime, origin: Origin = Origin.FILE) -> Plan:
    """What it takes to make `actual` equal `desired`, with slots reckoned from `at`.

    Jobs of another origin are left alone, but for those that are desired now: they are taken over.
    """
    planned = {name: _of_desired(job, actual.jobs.get(name), at, origin) for name, job in desired.jobs.items()}
    own = {name: stored for name, stored in actual.jobs.items() if stored.origin is origin}
    unchanged = sorted(name for name, item in planned.items() if item is None)
    items = [item for item in planned.values() if item is not None]
    items += [
        JobPlan(name=name, action="remove", stored=stored, next_before=stored.next_at)
        for name, stored in own.items()
        if name not in desired.jobs
    ]
    pauses = Pauses(actual.pauses)
    changed = sorted(
        (_paused(item, pauses.of_job(item.name)) if actual.pauses else item for item in items),
        key=lambda item: item.name,
    )
    return Plan(
        namespace=desired.namespace,
        at=at,
        jobs=tuple(changed),
        queues=_of_queues(desired.settings.queues, actual.queues),
        unchanged=len(unchanged),
        paused=tuple(name for name in unchanged if pauses.of_job(name) is not None),
        total=len(own),
        seen_generation=actual.generation.number if actual.generation else None,
        origin=origin,
    )


def _paused(item: JobPlan, pause: Pause | None) -> JobPlan:
    return item if pause is None else replace(item, pause=pause)


def _of_queues(desired: Mapping[str, QueueLimits], actual: Mapping[str, QueueLimits]) -> tuple[QueuePlan, ...]:
    none = QueueLimits()
    plans = (
        QueuePlan(queue, actual.get(queue, none), desired.get(queue, none)) for queue in sorted({*desired, *actual})
    )
    return tuple(item for item in plans if item.before != item.after)


def _of_desired(job: Job, stored: StoredJob | None, at: datetime, origin: Origin) -> JobPlan | None:
    if stored is None:
        return JobPlan(name=job.name, action="create", job=job, next_after=first_account(job, at).next_at)
    taken_over = [] if stored.origin is origin else [FieldChange("origin", str(stored.origin), str(origin))]
    if job == stored.job and _json_of(job) == _json_of(stored.job) and not taken_over:
        return None
    changes = (*taken_over, *job_differences(stored.job, job))
    if not changes:
        return None
    next_after = first_account(job, at).next_at if _restarts(changes) else stored.next_at
    return JobPlan(
        name=job.name,
        action="update",
        changes=changes,
        job=job,
        stored=stored,
        next_before=stored.next_at,
        next_after=next_after,
    )


def _json_of(job: Job) -> str:
    """What Python's equality is too kind for: 1, 1.0 and true are equal to it, and three things in JSON."""
    return repr((job.payload, job.handler))


def _restarts(changes: tuple[FieldChange, ...]) -> bool:
    return any(change.field in _RESTARTS_SLOTS for change in changes)


def change_of(planned: Plan, desired: DesiredState, applied_by: str) -> SyncChange:
    """The plan as what a store writes."""
    return SyncChange(
        namespace=planned.namespace,
        seen_generation=planned.seen_generation,
        content_hash=desired.content_hash,
        commit=desired.commit,
        applied_by=applied_by,
        writes=tuple(_write(item, planned) for item in planned.jobs if item.action != "remove"),
        removals=tuple(_removal(item, planned.at) for item in planned.of("remove")),
        summary=summary(planned),
        queues=desired.settings.queues if planned.queues else None,
    )


def summary(planned: Plan) -> Mapping[str, Any]:
    """The record of a generation: names by action, with the changed fields of the updated; limits of queues that changed."""
    return {
        "created": [item.name for item in planned.of("create")],
        "updated": {item.name: [change.field for change in item.changes] for item in planned.of("update")},
        "removed": [item.name for item in planned.of("remove")],
        **({"queues": {item.queue: item.after.as_json() for item in planned.queues}} if planned.queues else {}),
    }


def _write(item: JobPlan, planned: Plan) -> JobWrite:
    assert item.job is not None
    at = planned.at
    if item.stored is None:
        # Not 1: of a job that was removed and is added again, nodes may know revisions up to the generation that removed it.
        first = (planned.seen_generation or 0) + 1
        return JobWrite(
            job=item.job,
            revision=first,
            schedule_revision=first,
            cursor=at,
            next_at=item.next_after,
            origin=planned.origin,
        )
    stored = item.stored
    restarts = _restarts(item.changes)
    return JobWrite(
        job=item.job,
        revision=stored.revision + 1,
        schedule_revision=stored.schedule_revision + restarts,
        cursor=max(at, stored.cursor) if restarts else stored.cursor,
        next_at=item.next_after,
        seen_revision=stored.revision,
        seen_cursor=stored.cursor if restarts else None,
        max_attempts=None if item.job.max_attempts == stored.job.max_attempts else item.job.max_attempts,
        # Slots that the old schedule demanded up to now are accounted for before the new one begins.
        slots=_old_slots(item, stored, at) if restarts else (),
        origin=planned.origin,
    )


def _removal(item: JobPlan, at: datetime) -> JobRemoval:
    stored = item.stored
    assert stored is not None
    return JobRemoval(name=item.name, slots=_old_slots(item, stored, at))


def _old_slots(item: JobPlan, stored: StoredJob, at: datetime) -> tuple[NewRun, ...]:
    """The slots up to `at`: first those of a pause, and what came after it, if it is over, by the misfire policy."""
    if item.pause is None:
        return account(stored.job, stored.cursor, at, next_at=stored.next_at).runs
    held = account_paused(stored.job, stored.cursor, item.pause.end(at), next_at=stored.next_at)
    return (*held.runs, *account(stored.job, held.cursor, at, next_at=held.next_at).runs)
