"""Runs: one queued piece of work each, what becomes of it, and what passes between a store and a node.

What is made for each run that is enqueued or performed is a NamedTuple: a frozen dataclass of so many fields takes four
times as long.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal, NamedTuple

from jobsched.model.alert import AlertKind
from jobsched.model.job import OnFailure


class RunState(StrEnum):
    """Where a run is. The last four are final."""

    SCHEDULED = "scheduled"  #: its `available_at` has not come; a retry waits here too
    PENDING = "pending"  #: due, waiting for a thread
    BLOCKED = "blocked"  #: due, not yet admitted by its concurrency key
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"  #: attempts exhausted: the dead-letter set
    CANCELLED = "cancelled"
    SKIPPED = "skipped"

    @property
    def final(self) -> bool:
        return self in FINAL_STATES


FINAL_STATES = frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED, RunState.SKIPPED})


class Reason(StrEnum):
    """Why: one word of a closed set. The first four of an attempt or a failed run, the rest of a skipped or cancelled one."""

    ERROR = "error"
    TIMEOUT = "timeout"
    LOST = "lost"  #: its node died
    CANCELLED = "cancelled"
    OVERLAP = "overlap"
    MISFIRE = "misfire"
    PAUSED = "paused"
    CALENDAR = "calendar"
    JOB_REMOVED = "job_removed"
    REPLACED = "replaced"
    COALESCED = "coalesced"


class Source(StrEnum):
    """What made a run."""

    SLOT = "slot"
    TRIGGER = "trigger"
    ENQUEUE = "enqueue"
    BACKFILL = "backfill"


class OnConflict(StrEnum):
    """What becomes of a new run whose unique key another has. One that runs, or is over, is never touched."""

    IGNORE = "ignore"  #: none is made
    REPLACE = "replace"  #: the one that waits becomes what the new one would have been, under its id
    RESCHEDULE = "reschedule"  #: the one that waits gets the time of the new one
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Covers:
    """The slots that one skipped row stands for. `count` is None above 1,000."""

    first: datetime
    last: datetime
    count: int | None


#: Of a run that is given none: nobody changes a payload.
_NO_PAYLOAD: Mapping[str, Any] = {}


class NewRun(NamedTuple):
    """A run to be made. The store decides between scheduled, pending, blocked and skipped (DESIGN §2) unless `skipped` says so."""

    namespace: str
    handler: str  #: as `handler_text` gives it
    source: Source
    job: str | None = None
    queue: str = "default"
    priority: int = 0
    payload: Mapping[str, Any] = _NO_PAYLOAD
    max_attempts: int = 1
    scheduled_at: datetime | None = None  #: the slot, also of a backfill; None for all other sources
    available_at: datetime | None = None  #: None: now, by the store's clock
    start_by: datetime | None = None  #: not claimed for the first time by then, it is skipped(misfire)
    key: str | None = None  #: concurrency key; its limit stands in the store
    max_queued: int | None = (
        None  #: a slot waits as blocked while fewer than this do; None: it never waits, overlap skips it
    )
    replaces: bool = False  #: for it, unfinished runs of its key end as cancelled(replaced), until the limit holds
    unique_key: str | None = None  #: while a run with this key is unfinished, no second one is made
    unique_for: timedelta | None = None  #: nor so long after it was made, whatever has become of it
    on_conflict: OnConflict = OnConflict.IGNORE  #: when its unique key is taken
    timeout: timedelta | None = None  #: of each attempt; of runs without a job alone, whose handler's is replaced by it
    tags: tuple[str, ...] = ()
    batch: str | None = None
    trace: str | None = None  #: the W3C `traceparent` of whoever enqueued it
    skipped: Reason | None = None  #: recorded as skipped, for this reason
    covers: Covers | None = None
    generation: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run as it stands in the store; the fields of its JSON (DESIGN §2), times in UTC."""

    id: int
    namespace: str
    job: str | None
    handler: str
    source: Source
    queue: str
    priority: int
    state: RunState
    reason: Reason | None
    attempt: int
    max_attempts: int
    scheduled_at: datetime | None
    available_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    node: int | None
    generation: int | None
    payload: Mapping[str, Any]
    result: Any
    error: tuple[Mapping[str, Any], ...]  #: one entry per failed attempt, oldest first
    covers: Covers | None
    created_at: datetime
    tags: tuple[str, ...] = ()
    batch: str | None = None
    timeout: timedelta | None = None  #: what it was enqueued with; None: its job's, or its handler's
    unique_key: str | None = None
    unique_until: datetime | None = None  #: no second run of its key is made before, though it has finished


class Claim(NamedTuple):
    """A run that a node now owns: what is needed to perform it, and the fence (`node`, `claim_no`) to finish it."""

    id: int
    claim_no: int
    node: int
    namespace: str
    job: str | None
    job_revision: int | None  #: None: ad hoc, or its job is gone
    handler: str
    source: Source
    queue: str
    attempt: int
    max_attempts: int
    losses: int
    scheduled_at: datetime | None
    available_at: datetime
    started_at: datetime
    generation: int | None
    payload: Mapping[str, Any]
    key: str | None
    attempts_before: int = 0  #: up to when it was last requeued; `max_attempts` counts them
    timeout: timedelta | None = None  #: what it was enqueued with
    trace: str | None = None  #: what it was enqueued with


class Transition(NamedTuple):
    """One owned run leaves `running`. It counts only if (`node`, `claim_no`) still own it.

    `state` is succeeded, failed or cancelled; scheduled (a retry or a snooze: with `available_at`);
    or pending (given back). `error` is appended to the run's errors. `attempt` and `losses` are stored as given.
    `abandoned`: a thread of its node still performs it, so its key's place stays taken; only of a run that ends.
    `on_failure`: becomes a run, in the same transaction, if this one is failed now.
    """

    id: int
    claim_no: int
    node: int
    state: RunState
    attempt: int
    losses: int = 0
    reason: Reason | None = None
    available_at: datetime | None = None
    result: Any = None
    error: Mapping[str, Any] | None = None
    abandoned: bool = False
    on_failure: OnFailure | None = None
    alerts: frozenset[AlertKind] = frozenset()  #: what of its end is a breach, to be noted in the same transaction
    max_attempts: int | None = None  #: what its node grants it, where that is not what the row says; None: as it stands


class Became(NamedTuple):
    """What a transition was stored as: not what it says, if its job was gone or somebody had asked the run to stop."""

    state: RunState
    reason: Reason | None


@dataclass(frozen=True, slots=True)
class Lack:
    """What a blocked run waits for: a place of its key, or of its queue, or its turn by the rate of its queue."""

    kind: Literal["key", "queue", "rate"]
    name: str
    limit: int  #: places; of a rate: its starts in `per`
    held: (
        int  #: places that are taken, more than the limit after it was lowered; of a rate: runs that go before this one
    )
    per: timedelta | None = None  #: of a rate
    until: datetime | None = None  #: of a rate, about; None: until a thread is free for those that it has let in


class Created(NamedTuple):
    """What became of a NewRun: scheduled, pending, blocked or skipped.

    `existing`: its unique key was taken, and `id` is the run that has it.
    """

    id: int
    namespace: str
    job: str | None
    scheduled_at: datetime | None
    state: RunState
    reason: Reason | None
    existing: bool = False


@dataclass(frozen=True, slots=True)
class OwnedRun:
    """A running run and its fence, as the store sees them; for rescue and for comparing what a node holds."""

    id: int
    claim_no: int
    node: int
    namespace: str
    job: str | None
    attempt: int
    max_attempts: int
    losses: int


class Refusal(StrEnum):
    """Why what was asked about a run was not done."""

    UNKNOWN = "unknown"  #: no such run: never made, or pruned
    FINISHED = "finished"
    UNFINISHED = "unfinished"
    RUNNING = "running"
    SUCCEEDED = "succeeded"  #: nothing is left to be done again
    COVERS = "covers"  #: the row stands for several slots
    ABANDONED = "abandoned"  #: its last attempt's thread goes on
    JOB_GONE = "job_gone"
    UNIQUE_KEY = "unique_key"  #: another run has its unique key now
    UNIQUE_FOR = "unique_for"  #: it is over, but keeps its unique key for a while


@dataclass(frozen=True, slots=True)
class Answer:
    """What asking something of one run led to: the state it has now, and why it was refused, if it was.

    `state`: None if there is no such run, or no longer.
    """

    id: int
    state: RunState | None
    refused: Refusal | None = None


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of what an attempt wrote. `stream`: stdout, stderr or log."""

    run_id: int
    attempt: int
    seq: int
    at: datetime
    stream: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """A run as a strip of many shows it: without what may be large."""

    id: int
    state: RunState
    reason: Reason | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """Which runs are asked for; None does not filter. Newest first; `before_id` continues a list."""

    namespace: str | None = None
    job: str | None = None
    handler: str | None = None  #: as `handler_text` gives it
    queue: str | None = None
    tag: str | None = None
    batch: str | None = None
    states: tuple[RunState, ...] = ()
    since: datetime | None = None  #: created at or after
    before_id: int | None = None
    from_id: int | None = None  #: this one or later ones: bounds what is read where no index has what is asked for
    ids: tuple[int, ...] | None = None  #: only these, some thousands at most
    failures_of: tuple[int, ...] = ()  #: only the `on_failure` runs that these runs' failures made
    limit: int = 50
