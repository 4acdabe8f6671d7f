"""The shapes of what is sent, which is checked by them, and of what is answered, for OpenAPI: the functions of `-o json` make it."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, WithJsonSchema

from jobsched.model.durations import parse_duration
from jobsched.model.instants import parse_instant

T = TypeVar("T")


def _of_text(read: Callable[[str], T]) -> Callable[[Any], T]:
    def check(value: Any) -> T:
        if not isinstance(value, str):
            raise ValueError("expected a text")  # noqa: TRY004 - pydantic wants ValueError
        return read(value)

    return check


#: RFC 3339 with `Z` or an offset.
Instant: TypeAlias = Annotated[
    datetime,
    BeforeValidator(_of_text(parse_instant)),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-12-24T08:00:00Z"]}),
]
#: A number of seconds, or text.
Duration: TypeAlias = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    WithJsonSchema(
        {"anyOf": [{"type": "number", "minimum": 0}, {"type": "string"}], "examples": ["30s", "1h30m", "2d", 90]}
    ),
]


def _some(duration: timedelta) -> timedelta:
    if not duration:
        raise ValueError("must be more than 0")
    return duration


State: TypeAlias = Literal["scheduled", "pending", "blocked", "running", "succeeded", "failed", "cancelled", "skipped"]


Action: TypeAlias = Literal[
    "pause",
    "resume",
    "trigger",
    "enqueue",
    "backfill",
    "cancel",
    "requeue",
    "reschedule",
    "delete",
    "create",
    "update",
    "remove",
]


class Sent(BaseModel):
    """What is sent has these fields and no others, and nothing is converted on the way."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Answered(BaseModel):
    model_config = ConfigDict(extra="forbid")


# -- sent


class EnqueueRun(Sent):
    """A run to be made, as `Client.enqueue` takes it."""

    handler: str = Field(description="The name that a module of `settings.imports` registers with @handler.")
    payload: dict[str, Any] = Field(default={}, description="Its keyword arguments; at most 1 MiB.")
    run_at: Instant | None = Field(default=None, description="Not before this instant.")
    delay: Duration | None = Field(default=None, description="Not before this time has passed.")
    queue: str | None = None
    priority: int | None = Field(default=None, description="Smaller ones run first.")
    max_attempts: int | None = None
    timeout: Duration | None = Field(default=None, description="How long one attempt may take.")
    unique_key: str | None = Field(default=None, description="None is made while a run with this key is unfinished.")
    unique_for: Duration | None = Field(default=None, description="Nor within this time, though it has finished.")
    on_conflict: Literal["ignore", "replace", "reschedule", "error"] = Field(
        default="ignore", description="What becomes of one that waits with this `unique_key`."
    )
    concurrency_key: str | None = Field(default=None, description="Of the runs with this key, one runs at a time.")
    tags: list[str] = []
    batch: str | None = Field(default=None, description="The name of what it is a part of.")


OneOrMany: TypeAlias = Annotated[
    Annotated[EnqueueRun, Tag("one")] | Annotated[list[EnqueueRun], Field(min_length=1, max_length=1000), Tag("many")],
    Discriminator(lambda value: "many" if isinstance(value, list) else "one"),
]


class Define(Sent):
    definition: dict[str, Any] = Field(description="As in jobs.yaml: handler, cron, payload and so on.")


class Create(Define):
    name: str


Reason: TypeAlias = Annotated[str | None, Field(default=None, max_length=1000, description="Why; the audit keeps it.")]


class Trigger(Sent):
    payload: dict[str, Any] | None = Field(default=None, description="Replaces the job's payload.")
    reason: Reason = None


class PauseFor(Sent):
    duration: Annotated[Duration, AfterValidator(_some)] | None = Field(
        default=None, description="How long; without it, until it is resumed."
    )
    reason: Reason = None


class Resume(Sent):
    reason: Reason = None


class Reschedule(Sent):
    """One of the two."""

    run_at: Instant | None = None
    delay: Duration | None = None


class RequeueRuns(Sent):
    """Runs by their ids, or by a filter; of a filter the oldest first."""

    ids: list[Annotated[int, Field(ge=0, le=2**63 - 1)]] | None = Field(default=None, min_length=1, max_length=1000)
    job: str | None = None
    handler: str | None = None
    queue: str | None = None
    tag: str | None = None
    batch: str | None = None
    states: list[Literal["failed", "cancelled", "skipped"]] = Field(default=["failed"], min_length=1)
    since: str | None = Field(default=None, description="Made since an RFC 3339 instant, or within a duration: 1h, 2d.")
    limit: int = Field(default=1000, ge=1, le=10_000)


# -- answered


class Problem(Answered):
    """An error (RFC 9457). `code` is one word for programs."""

    model_config = ConfigDict(extra="allow")

    title: str
    status: int
    code: str
    detail: str


class Covers(Answered):
    first: str
    last: str
    count: int | None


class Run(Answered):
    """A run. `job` is null of ad-hoc runs, `scheduled_at` of all but slots; `covers` is of a skipped row for several slots."""

    id: int
    namespace: str
    job: str | None
    handler: str | dict[str, Any]
    source: Literal["slot", "trigger", "enqueue", "backfill"]
    queue: str
    priority: int
    state: State
    reason: str | None
    attempt: int
    max_attempts: int
    scheduled_at: str | None
    available_at: str
    started_at: str | None
    finished_at: str | None
    node: int | None
    generation: int | None
    payload: dict[str, Any]
    result: Any
    error: list[dict[str, Any]] | None
    covers: Covers | None
    created_at: str
    tags: list[str]
    batch: str | None
    timeout: str | None
    unique_key: str | None
    unique_until: str | None


class Pause(Answered):
    scope: Literal["job", "queue", "all"]
    name: str | None
    since: str
    by: str
    reason: str | None
    until: str | None


class Job(Answered):
    """A job. `definition`: as in jobs.yaml, without what is built in."""

    namespace: str
    name: str
    definition: dict[str, Any]
    suspended: bool
    pause: Pause | None
    next_at: str | None
    generation: int
    origin: Literal["file", "api"]
    last_run: Run | None


class Slot(Answered):
    """`scheduled_at` in the job's zone."""

    scheduled_at: str
    utc: str


class Lack(Answered):
    """A place that is taken; `per` and `until`: of a rate, in how long, and when the next may start."""

    kind: str
    name: str
    limit: int
    held: int
    per: str | None
    until: str | None


class Fate(Answered):
    """What became of a slot: its run or row, or why nothing is recorded."""

    at: str
    unrecorded: Literal["no_slot", "suspended", "paused", "to_come", "unaccounted", "forgotten"] | None
    pause: Pause | None
    run: Run | None
    waits_for: list[Lack]


class LogLine(Answered):
    run: int
    attempt: int
    seq: int
    at: str
    stream: str
    text: str


class Answer(Answered):
    """What asking something of one run led to; `refused`: why not."""

    id: int
    state: State | None
    refused: (
        Literal[
            "unknown",
            "finished",
            "unfinished",
            "running",
            "succeeded",
            "covers",
            "abandoned",
            "job_gone",
            "unique_key",
            "unique_for",
        ]
        | None
    )


class Act(Answered):
    """What somebody did. `job`, `queue`, `run`: to what, if it was one; `count`: to how many; `details`: reason, until and so on."""

    id: int
    namespace: str
    at: str
    by: str
    via: Literal["cli", "http", "dashboard", "python"]
    action: Action
    job: str | None
    queue: str | None
    run: int | None
    count: int
    details: dict[str, Any]


class QueueRuns(Answered):
    queue: str
    state: State
    runs: int
    pause: Pause | None


class JobRuns(Answered):
    job: str | None
    succeeded: int
    failed: int
    cancelled: int
    skipped: int


class Stats(Answered):
    """Unfinished runs by queue and state; those made since then and finished, as far as they are kept, by job."""

    namespace: str
    since: str
    queues: list[QueueRuns]
    jobs: list[JobRuns]


class BatchStates(Answered):
    scheduled: int
    pending: int
    blocked: int
    running: int
    succeeded: int
    failed: int
    cancelled: int
    skipped: int


class Batch(Answered):
    """`done`: none of its runs is unfinished."""

    namespace: str
    batch: str
    total: int
    done: bool
    states: BatchStates


class Queue(Answered):
    """`oldest_pending_at`: when the one that has waited longest for a thread came due."""

    queue: str
    limit: int | None
    rate: str | None
    max_queued: int | None
    scheduled: int
    pending: int
    blocked: int
    running: int
    oldest_pending_at: str | None
    oldest_pending_seconds: float | None
    pause: Pause | None


class Node(Answered):
    """A node. What else it tells of itself stands beside these."""

    model_config = ConfigDict(extra="allow")

    id: int
    host: str
    pid: int
    version: str
    alive: bool
    started_at: str
    heartbeat_at: str
    namespaces: list[str]


class Generation(Answered):
    """An applied sync. `summary`: the names of jobs created, updated (with their fields) and removed."""

    number: int
    hash: str
    commit: str | None
    applied_at: str
    applied_by: str
    summary: dict[str, Any]


class Diagnostic(Answered):
    file: str
    line: int
    column: int
    severity: Literal["error", "warning"]
    path: str
    message: str
    hint: str | None


class Change(Answered):
    field: str
    old: Any
    new: Any


class JobPlan(Answered):
    name: str
    action: Literal["create", "update", "remove"]
    changes: list[Change]
    next_before: str | None
    next_after: str | None
    pause: Pause | None


class QueueLimits(Answered):
    """Over all nodes: runs at once, starts in a time, runs that may wait; null: no such limit."""

    limit: int | None
    rate: str | None
    max_queued: int | None


class QueuePlan(Answered):
    name: str
    before: QueueLimits
    after: QueueLimits


class Plan(Answered):
    """What a sync of this document would do."""

    namespace: str
    jobs: list[JobPlan]
    queues: list[QueuePlan]
    unchanged: int
    paused: list[str]


class Alert(Answered):
    """A breach that is not over. `subject`: what it is about; `details`: what is known of it, by its kind."""

    id: int
    namespace: str
    job: str | None
    kind: Literal["final_failure", "late", "stuck", "no_success", "sync_refused"]
    subject: str
    opened_at: str
    told_at: str | None
    details: dict[str, Any]


class Health(Answered):
    status: Literal["ok"]
