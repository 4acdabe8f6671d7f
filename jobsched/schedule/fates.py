"""What became of slots: the rows that are recorded of a job, beside the slots that its schedule demands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from jobsched.model.instants import format_instant
from jobsched.model.job import Job
from jobsched.model.pause import Pause
from jobsched.model.report import lack_as_json, pause_as_json, run_as_json
from jobsched.model.run import Lack, Run
from jobsched.schedule.schedule import Schedule, schedule_of

_TICK = timedelta(microseconds=1)


class Unrecorded(StrEnum):
    """Why nothing is recorded of an instant."""

    NO_SLOT = "no_slot"  #: the schedule does not demand it
    SUSPENDED = "suspended"  #: the schedule would demand it, and nothing is fired until the job is resumed
    PAUSED = "paused"  #: the schedule demands it, and it is skipped when the job is resumed
    TO_COME = "to_come"
    UNACCOUNTED = "unaccounted"  #: its time has come, and no node has fired it yet
    FORGOTTEN = "forgotten"  #: before the job or its schedule was as it is, or its row was pruned or deleted


@dataclass(frozen=True, slots=True)
class Fate:
    """One instant, and the run or the skipped row that accounts for it, or why there is none."""

    at: datetime
    run: Run | None
    unrecorded: Unrecorded | None = None
    pause: Pause | None = None  #: what holds it, if it is paused


def fate_at(
    job: Job, cursor: datetime, rows: Sequence[Run], at: datetime, now: datetime, pause: Pause | None = None
) -> Fate:
    """What became of one instant. `rows`: at least those that are, or cover, that instant; `pause`: what holds the job."""
    exact = (row for row in rows if row.scheduled_at == at)
    covering = (row for row in rows if row.covers is not None and row.covers.first <= at <= row.covers.last)
    row = next(exact, None) or next(covering, None)
    if row is not None:
        return Fate(at, row)
    schedule = schedule_of(job)
    if schedule is None or schedule.previous(at) != at:
        return Fate(at, None, Unrecorded.NO_SLOT)
    if at <= cursor:
        return Fate(at, None, Unrecorded.FORGOTTEN)
    if job.suspend:
        return Fate(at, None, Unrecorded.SUSPENDED)
    return _open(at, now, pause)


def _open(slot: datetime, now: datetime, pause: Pause | None) -> Fate:
    """The fate of a slot after the cursor."""
    if pause is not None and (pause.until is None or slot <= pause.until):
        return Fate(slot, None, Unrecorded.PAUSED, pause)
    return Fate(slot, None, Unrecorded.TO_COME if slot > now else Unrecorded.UNACCOUNTED)


def latest_fates(
    job: Job, cursor: datetime, rows: Sequence[Run], now: datetime, count: int, pause: Pause | None = None
) -> list[Fate]:
    """The newest slots up to now, newest first: those that nobody has accounted for, then the rows.

    `rows`: the newest of the job's slots, newest first. They may be of an earlier schedule.
    """
    schedule = None if job.suspend else schedule_of(job)
    open_slots = [] if schedule is None else _slots_back(schedule, cursor, now, count)
    fates = [_open(slot, now, pause) for slot in open_slots]
    fates += [Fate(row.scheduled_at, row) for row in rows if row.scheduled_at is not None]
    return fates[:count]


def neighbours(job: Job, at: datetime) -> list[datetime]:
    """The slots before and after an instant that is none, as the schedule is now."""
    schedule = schedule_of(job)
    if schedule is None:
        return []
    return [slot for slot in (schedule.previous(at), schedule.next_after(at)) if slot is not None]


def _slots_back(schedule: Schedule, after: datetime, until: datetime, count: int) -> list[datetime]:
    """The newest slots in (after, until], newest first."""
    slots: list[datetime] = []
    slot = schedule.previous(until)
    while slot is not None and slot > after and len(slots) < count:
        slots.append(slot)
        slot = schedule.previous(slot - _TICK)
    return slots


def fate_as_json(fate: Fate, lacks: Mapping[int, Sequence[Lack]] | None = None) -> dict[str, Any]:
    """The form that `-o json` and HTTP show; `lacks`: what blocked runs wait for, by their ids."""
    return {
        "at": format_instant(fate.at),
        "unrecorded": None if fate.unrecorded is None else str(fate.unrecorded),
        "pause": pause_as_json(fate.pause),
        "run": None if fate.run is None else run_as_json(fate.run),
        "waits_for": [lack_as_json(lack) for lack in lacks.get(fate.run.id, ())] if fate.run and lacks else [],
    }
