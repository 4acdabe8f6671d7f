"""What becomes of the slots that have come: the misfire policy (DESIGN §5, §6).

Every slot in (cursor, now] ends in exactly one NewRun: one that shall run, or a skipped one, which may cover a range.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from jobsched.model.handler import handler_text
from jobsched.model.instants import as_utc, format_instant
from jobsched.model.job import Job
from jobsched.model.run import Covers, NewRun, Reason, Source
from jobsched.schedule.schedule import Schedule, schedule_of

#: A slot found more than this after its time is missed, not merely late.
MISSED_AFTER = timedelta(seconds=10)
#: A row that covers more slots than this does not say how many.
MOST_COUNTED = 1000
_TICK = timedelta(microseconds=1)
_LAST_INSTANT = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Account:
    """What is to be recorded for a job: runs oldest first, the newest slot accounted for, the next one to come."""

    runs: tuple[NewRun, ...]
    cursor: datetime
    next_at: datetime | None  #: None: there is none, or the job is suspended


@dataclass(frozen=True, slots=True)
class _Missed:
    """The missed slots from `first` to `last`; there may be any number between."""

    first: datetime
    last: datetime


def first_account(job: Job, now: datetime) -> Account:
    """Where a job begins that is new, resumed, or has a new schedule: nothing is run for the past."""
    now = as_utc(now)
    schedule = None if job.suspend else schedule_of(job)
    return Account((), now, schedule.next_after(now) if schedule else None)


def account(
    job: Job, cursor: datetime, now: datetime, *, next_at: datetime | None = None, generation: int | None = None
) -> Account:
    """The slots in (cursor, now], with the misfire policy of the job applied.

    `next_at`: the first slot after the cursor where it is known, as the store keeps it; it saves finding it again.
    A clock that was set back behind the cursor fires nothing. Never raises for a job that is in the store, and
    never enumerates more than `max_catch_up` missed slots.
    """
    if job.suspend:
        return replace(account_paused(job, cursor, now, next_at=next_at, generation=generation), next_at=None)
    cursor, now = as_utc(cursor), as_utc(now)
    schedule, first = _first(job, cursor, next_at)
    if schedule is None or first is None or first > now:
        return Account((), cursor, first)
    return _fired(job, schedule, first, now, generation)


def account_paused(
    job: Job, cursor: datetime, until: datetime, *, next_at: datetime | None = None, generation: int | None = None
) -> Account:
    """The slots in (cursor, until], of which none runs: one skipped(paused) row for all of them."""
    cursor, until = as_utc(cursor), as_utc(until)
    schedule, first = _first(job, cursor, next_at)
    if schedule is None or first is None or first > until:
        return Account((), cursor, first)
    paused = _Missed(first, _newest(schedule, first, until))
    row = _covering(job, schedule, paused, Reason.PAUSED, generation)
    return Account((row,), paused.last, schedule.next_after(paused.last))


def _first(job: Job, cursor: datetime, next_at: datetime | None) -> tuple[Schedule | None, datetime | None]:
    """The schedule, and its first slot after the cursor."""
    schedule = schedule_of(job)
    if schedule is None:
        return None, None
    return schedule, schedule.next_after(cursor) if next_at is None else as_utc(next_at)


def _fired(job: Job, schedule: Schedule, first: datetime, now: datetime, generation: int | None) -> Account:
    still_on_time = now - MISSED_AFTER
    missed: _Missed | None = None
    slot: datetime | None = first
    if first < still_on_time:
        missed = _Missed(first, _newest(schedule, first, still_on_time - _TICK))
        slot = schedule.next_after(missed.last)
    on_time: list[datetime] = []
    while slot is not None and slot <= now:
        on_time.append(slot)
        slot = schedule.next_after(slot)
    newest = on_time[-1] if on_time else missed.last if missed else first
    skipped, caught_up = _catch_up(job, schedule, missed, any_on_time=bool(on_time))
    coalesced, on_time = _coalesce(job, on_time)
    runs = _runs(job, schedule, skipped, [*caught_up, *on_time], now, generation)
    if coalesced is not None:
        covering = _covering(job, schedule, coalesced, Reason.COALESCED, generation)
        runs = tuple(sorted([covering, *runs], key=_slot_of))
    return Account(runs, newest, slot)


def _coalesce(job: Job, on_time: list[datetime]) -> tuple[_Missed | None, list[datetime]]:
    """Of slots found together, a job that forbids overlap, or replaces, runs the newest: the older ones would only be in their way."""
    limit = job.concurrency.limit
    if job.concurrency.policy not in {"forbid", "replace"} or limit is None or len(on_time) <= limit:
        return None, on_time
    return _Missed(on_time[0], on_time[-limit - 1]), on_time[-limit:]


def _slot_of(run: NewRun) -> datetime:
    assert run.scheduled_at is not None  # it is a slot's
    return run.scheduled_at


def _newest(schedule: Schedule, first: datetime, until: datetime) -> datetime:
    """The newest slot up to `until`; `first`, which is one, if the zone's rules have changed since it was computed."""
    newest = schedule.previous(until)
    return first if newest is None or newest < first else newest


def _catch_up(
    job: Job, schedule: Schedule, missed: _Missed | None, *, any_on_time: bool
) -> tuple[_Missed | None, list[datetime]]:
    """Which of the missed slots are skipped, always the older ones, and which run, oldest first."""
    if missed is None:
        return None, []
    most = {"skip": 0, "latest": 0 if any_on_time else 1, "all": job.max_catch_up}[job.catch_up]
    chosen: list[datetime] = []
    slot: datetime | None = missed.last
    while slot is not None and slot >= missed.first and len(chosen) < most:
        chosen.append(slot)
        slot = schedule.previous(slot - _TICK)
    chosen.reverse()
    if slot is None or slot < missed.first:
        # All of them run; where the zone's rules have changed, the slot known from before stands alone and is the oldest.
        left_over = bool(chosen) and missed.first < chosen[0]
        return (_Missed(missed.first, missed.first) if left_over else None), chosen
    return _Missed(missed.first, slot), chosen


def _runs(
    job: Job, schedule: Schedule, skipped: _Missed | None, slots: list[datetime], now: datetime, generation: int | None
) -> tuple[NewRun, ...]:
    runs = [run_for(job, source=Source.SLOT, scheduled_at=slot, generation=generation) for slot in slots]
    if job.starting_deadline is not None:
        while runs and _too_late(job, runs[0], now):
            late = runs.pop(0).scheduled_at
            assert late is not None  # it is a slot's
            skipped = _Missed(skipped.first if skipped else late, late)
        runs = [run._replace(skipped=Reason.MISFIRE) if _too_late(job, run, now) else run for run in runs]
    if skipped is None:
        return tuple(runs)
    return (_covering(job, schedule, skipped, Reason.MISFIRE, generation), *runs)


def _too_late(job: Job, run: NewRun, now: datetime) -> bool:
    assert run.available_at is not None
    assert job.starting_deadline is not None
    return now - run.available_at > job.starting_deadline


def _covering(job: Job, schedule: Schedule, missed: _Missed, why: Reason, generation: int | None) -> NewRun:
    last = missed.last
    row = run_for(job, source=Source.SLOT, scheduled_at=last, available_at=last, generation=generation)
    if missed.first == last:
        return row._replace(skipped=why)
    count = schedule.count(missed.first, last, MOST_COUNTED)
    return row._replace(skipped=why, covers=Covers(missed.first, last, count))


def run_for(
    job: Job,
    *,
    source: Source,
    scheduled_at: datetime | None = None,
    available_at: datetime | None = None,
    payload: Mapping[str, Any] | None = None,
    generation: int | None = None,
) -> NewRun:
    """A run of a job, with all that it freezes of it (DESIGN §7).

    Without `available_at` a slot's run is available at the slot plus the job's jitter, any other one at once.
    """
    if available_at is None and scheduled_at is not None and source is Source.SLOT:
        available_at = scheduled_at + jitter(job, scheduled_at)
    start_by = None
    if source is Source.SLOT and job.starting_deadline is not None and available_at is not None:
        start_by = available_at + min(job.starting_deadline, _LAST_INSTANT - available_at)
    payload = job.payload if payload is None else payload
    return NewRun(
        namespace=job.namespace,
        job=job.name,
        handler=handler_text(job.handler),
        source=source,
        queue=job.queue,
        priority=job.priority,
        payload=payload,
        max_attempts=job.max_attempts,
        scheduled_at=scheduled_at,
        available_at=available_at,
        start_by=start_by,
        key=job.key_of(payload),
        max_queued=job.concurrency.max_queued if job.concurrency.policy == "queue" else None,
        replaces=source is Source.SLOT and job.concurrency.policy == "replace",
        generation=generation,
        tags=job.tags,
    )


def jitter(job: Job, slot: datetime) -> timedelta:
    """How much later than its slot a run is available: the same on every node, spread evenly over [0, job.jitter)."""
    if not job.jitter:
        return job.jitter
    digest = hashlib.sha256(f"{job.namespace}\0{job.name}\0{format_instant(slot)}".encode()).digest()
    return (job.jitter // _TICK * int.from_bytes(digest[:8]) >> 64) * _TICK
