"""The declaration: what a job is, frozen, with the defaults that jobs.yaml documents."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias

from jobsched.model.alert import AlertKind, Alerts, Ping
from jobsched.model.handler import Handler, PythonHandler
from jobsched.model.keys import key_for

Backoff: TypeAlias = Literal["exponential", "linear", "constant"]
ConcurrencyPolicy: TypeAlias = Literal["allow", "forbid", "replace", "queue"]
CatchUp: TypeAlias = Literal["skip", "latest", "all"]


@dataclass(frozen=True, slots=True)
class Retries:
    """How often, and when, a failed attempt is followed by another."""

    max: int = 0  #: further attempts after the first
    backoff: Backoff = "exponential"
    delay: timedelta = timedelta(seconds=10)
    factor: float = 2.0
    max_delay: timedelta = timedelta(minutes=10)
    jitter: float = 0.1  #: share of the delay, up or down
    retry_on: tuple[str, ...] = ()  #: names of errors; empty: all
    no_retry_on: tuple[str, ...] = ()  #: names of errors, stronger than `retry_on`


@dataclass(frozen=True, slots=True)
class Timeout:
    """Of one attempt, from the handler's start."""

    after: timedelta
    kill_after: timedelta = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Concurrency:
    """How many runs of a key (by default: of the job) may be unfinished or running at once, over all nodes."""

    policy: ConcurrencyPolicy = "forbid"
    limit: int | None = 1  #: None with `allow` only
    key: str | None = None  #: fixed, or a reference like payload.region; None: the job's own
    max_queued: int = 100

    def declared_key(self, job: str) -> str | None:
        """The key, or reference, that this limit of the job is declared for; None where nothing is counted."""
        if self.policy == "allow":
            return None
        return self.key or f"job:{job}"


@dataclass(frozen=True, slots=True)
class Dst:
    """What a schedule with a fixed minute and hour does when clocks change."""

    gap: Literal["run_after", "skip"] = "run_after"
    overlap: Literal["first", "both"] = "first"


@dataclass(frozen=True, slots=True)
class CalendarUse:
    """Which named calendars a job heeds."""

    exclude: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    on_excluded: Literal["skip", "next_day"] = "skip"


@dataclass(frozen=True, slots=True)
class History:
    """How many finished runs of a job are kept, and for how long at most."""

    success: int = 50
    failed: int = 200
    skipped: int = 100
    max_age: timedelta = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class OnFailure:
    """What is performed, as a run of its own, when a run has failed for good."""

    handler: Handler
    retries: int = 3  #: of that run, after its first attempt; the delays are those of `Retries`


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job of a namespace. Field names, meanings and defaults are those of jobs.yaml; times are UTC."""

    namespace: str
    name: str
    handler: Handler
    cron: tuple[str, ...] = ()
    every: timedelta | None = None
    at: datetime | None = None
    timezone: str = "UTC"
    dst: Dst = Dst()
    start_at: datetime | None = None
    end_at: datetime | None = None
    jitter: timedelta = timedelta(0)
    calendar: CalendarUse | None = None
    payload: Mapping[str, Any] = field(default_factory=dict)
    queue: str = "default"
    priority: int = 0
    concurrency: Concurrency = Concurrency()
    starting_deadline: timedelta | None = None
    catch_up: CatchUp = "latest"
    max_catch_up: int = 100
    retries: Retries = Retries()
    timeout: Timeout | None = None
    executor: Literal["thread", "process"] = "thread"
    on_crash: Literal["retry", "fail"] = "retry"
    suspend: bool = False
    history: History = History()
    on_failure: OnFailure | None = None
    alerts: Alerts | None = None
    ping: Ping | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str | None = None
    user: str | None = None
    umask: str | None = None  #: octal digits
    tags: tuple[str, ...] = ()
    owner: str | None = None
    description: str | None = None
    #: Parts of `retries` and `timeout` that the job itself says, like `retries.max`: there its handler's decorator is not
    #: heard. Known of Python handlers alone; others have no decorator.
    given: frozenset[str] = frozenset()

    @property
    def concurrency_key(self) -> str | None:
        """The key, or reference, that this job's limit is declared for; None where nothing is counted."""
        return self.concurrency.declared_key(self.name)

    def key_of(self, payload: Mapping[str, Any]) -> str | None:
        """The key that a run of this job with this payload is counted by; None where nothing is counted."""
        declared = self.concurrency_key
        return None if declared is None else key_for(declared, payload)

    @property
    def max_attempts(self) -> int:
        return 1 + self.retries.max

    @property
    def noted_at_the_end(self) -> frozenset[AlertKind]:
        """What is to be looked for when an attempt of it ends."""
        noted: frozenset[AlertKind] = frozenset() if self.alerts is None else self.alerts.at_the_end
        return noted if self.ping is None else noted | {AlertKind.PING}

    @property
    def python_handlers(self) -> list[str]:
        """Names of all that it has performed in Python: by its runs, of failures, to send its alerts."""
        handlers: list[object] = [self.handler]
        if self.on_failure is not None:
            handlers.append(self.on_failure.handler)
        if self.alerts is not None:
            handlers += (notifier.target for notifier in self.alerts.notify)
        return [handler.name for handler in handlers if isinstance(handler, PythonHandler)]


#: A change of one of these is a change of schedule: the old one is accounted for first (DESIGN §6).
SCHEDULE_FIELDS = frozenset({"cron", "every", "at", "timezone", "dst", "start_at", "end_at", "calendar"})
