"""What the store has, and what it takes to make it equal what the files say (`desired.py`)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, NamedTuple

from jobsched.model.job import Job
from jobsched.model.pause import Pause
from jobsched.model.queue import QueueLimits
from jobsched.model.run import NewRun


class Origin(StrEnum):
    """Who declared a job, and so who may change it."""

    FILE = "file"  #: a sync: files, and nobody else
    API = "api"  #: a program, at run time; no sync touches it, unless its files declare a job of this name


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredJob:
    """A job as the store has it."""

    job: Job
    revision: int  #: raised by each change of the definition
    schedule_revision: int  #: raised by each change of the schedule
    cursor: datetime  #: the last slot accounted for
    next_at: datetime | None  #: the next slot; None: there is none, or the job is suspended
    generation: int
    origin: Origin = Origin.FILE


#: So many generations of a namespace are kept, to tell an old file from a new one; and of so many what they changed.
GENERATIONS_KEPT, SUMMARIES_KEPT = 1000, 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """One applied sync, or one change of a job at run time: that has the hash and commit of the generation before."""

    namespace: str
    number: int
    content_hash: str
    commit: str | None
    applied_at: datetime
    applied_by: str
    summary: Mapping[str, Any]  #: {"created": [names], "updated": {name: [fields]}, "removed": [names]}; {}: not kept


@dataclass(frozen=True, slots=True, kw_only=True)
class ActualState:
    """One namespace as the store has it, read in one snapshot."""

    namespace: str
    jobs: Mapping[str, StoredJob]
    generation: Generation | None  #: the newest
    pauses: tuple[Pause, ...] = ()
    queues: Mapping[str, QueueLimits] = field(default_factory=dict)  #: those that have limits


@dataclass(frozen=True, slots=True, kw_only=True)
class JobWrite:
    """A job to be written by a sync. `seen_*` fence it: another cursor or schedule in the store is a conflict (None: a new job)."""

    job: Job
    revision: int
    schedule_revision: int
    cursor: datetime
    next_at: datetime | None
    seen_revision: int | None = None
    seen_cursor: datetime | None = (
        None  #: None on an update that leaves the cursor alone: then `cursor` and `next_at` are not written
    )
    max_attempts: int | None = (
        None  #: of its unfinished runs from now on, not counting attempts before a requeue; None: as they are
    )
    slots: tuple[NewRun, ...] = ()  #: rows that account for the old schedule
    origin: Origin = Origin.FILE


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRemoval:
    """A job to be removed: its waiting runs are cancelled(job_removed)."""

    name: str
    slots: tuple[NewRun, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncChange:
    """Everything one sync writes, in one transaction."""

    namespace: str
    seen_generation: int | None  #: the newest one when the plan was made; another one in the store is a conflict
    content_hash: str
    commit: str | None
    applied_by: str
    writes: tuple[JobWrite, ...]
    removals: tuple[JobRemoval, ...]
    summary: Mapping[str, Any]
    queues: Mapping[str, QueueLimits] | None = None  #: those that have limits from now on; None: as they are
    changes: Mapping[str, Any] | None = None  #: what the record of the generation shows value by value
    positions: Mapping[str, Any] | None = (
        None  #: {"files": [...], "jobs": {name: [number of the file, line]}}; None: as they are
    )

    @property
    def names(self) -> list[str]:
        """The jobs that it writes and removes."""
        return [*(write.job.name for write in self.writes), *(removal.name for removal in self.removals)]


class DueJob(NamedTuple):
    """A job whose next slot has come: enough to look up its definition and to compute its slots."""

    namespace: str
    name: str
    revision: int
    schedule_revision: int
    cursor: datetime
    next_at: datetime
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """The slots of one job up to an instant, accounted for: inserts `runs` and moves the cursor if nobody else did."""

    namespace: str
    job: str
    schedule_revision: int
    seen_cursor: datetime
    cursor: datetime
    next_at: datetime | None
    runs: tuple[NewRun, ...]
    revision: int | None = None  #: of the job it was reckoned by; at another one nothing is fired. None: at any
    prepared: object = field(default=None, compare=False, repr=False)  #: what the store made of it beforehand


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumption:
    """Pauses that end, with the slots accounted for of those jobs that nothing else holds then."""

    namespace: str
    seen: tuple[Pause, ...]  #: all that stood when this was reckoned; another one gone since is a conflict
    ended: tuple[Pause, ...]
    firings: tuple[Firing, ...]
    unreckoned: tuple[str, ...] = ()  #: jobs whose slots could not be: they are left to their misfire policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One `jobsched run` process, alive or dead."""

    id: int
    host: str
    pid: int
    version: str
    started_at: datetime
    heartbeat_at: datetime
    alive: bool  #: its lease has not run out, by the store's clock
    namespaces: tuple[str, ...]
    info: Mapping[str, Any]  #: threads, running, generation and hash of its file, last error, skew


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """`state` of the database's schema beside this program's."""

    state: Literal["missing", "older", "current", "newer"]
    found: str | None
    needed: str
