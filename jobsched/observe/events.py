"""What happens to runs and nodes, as frozen values: one class an event, whose text is the line in a node's log.

An event's `name` is that of its class, in snake case; it and the fields are stable: they are what
`--log-format json` writes and what listeners get. Fields that are None are left out of the JSON.
"""

import logging
import re
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, ClassVar

from jobsched.model.instants import format_instant
from jobsched.model.pause import PauseScope
from jobsched.model.run import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """The base of all: `runner.on(Event, f)` hears everything."""

    name: ClassVar[str] = "event"
    #: Of the line in the node's log.
    severity: ClassVar[int] = logging.INFO

    def __init_subclass__(cls) -> None:
        cls.name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", cls.__name__).lower()

    @property
    def level(self) -> int:
        return self.severity

    def as_fields(self) -> dict[str, Any]:
        """The fields, without those that are None."""
        values = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: value for name, value in values if value is not None}


# -- runs


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEvent(Event):
    """The base of those about an attempt of a run. `job` is None for an ad-hoc run."""

    run: int
    namespace: str
    job: str | None
    handler: str
    attempt: int

    @property
    def what(self) -> str:
        """For people: the job, or what an ad-hoc run performs."""
        return self.job or self.handler


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(RunEvent):
    """An attempt begins on this node, so long after the run was `available_at`; of a slot's first attempt, so late after the slot."""

    node: int
    queue: str
    waited_seconds: float
    late_seconds: float | None = None

    @property
    def level(self) -> int:
        return level_of(self.job)

    def __str__(self) -> str:
        return f"{self.what}: run {self.run} starts, attempt {self.attempt}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptEnded(RunEvent):
    """The base of those that end an attempt. `seconds`: how long it took, unless it was taken from its handler."""

    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSucceeded(AttemptEnded):
    """It is over, and the store has its result. As all that follow: said once the store knows, and has accepted it."""

    @property
    def level(self) -> int:
        return level_of(self.job)

    def __str__(self) -> str:
        return f"{self.what}: run {self.run} succeeded"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRetrying(AttemptEnded):
    """An attempt failed, and another is to follow at `next_at`."""

    severity = logging.WARNING
    reason: Reason | None
    error: str
    max_attempts: int
    next_at: datetime

    def __str__(self) -> str:
        attempts = f"attempt {self.attempt} of {self.max_attempts} failed"
        return f"{self.what}: run {self.run}, {attempts}, next at {self.next_at.replace(microsecond=0)}: {self.error}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFailed(AttemptEnded):
    """It has failed for good."""

    severity = logging.ERROR
    reason: Reason | None
    error: str

    def __str__(self) -> str:
        return f"{self.what}: run {self.run} failed: {self.error}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCancelled(AttemptEnded):
    """It was ended by its handler's wish, a person's, or for a newer run."""

    reason: Reason | None
    error: str

    def __str__(self) -> str:
        return f"{self.what}: run {self.run} is cancelled: {self.error}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSnoozed(AttemptEnded):
    """Its handler wants to be called again at `next_at`; the attempt does not count."""

    next_at: datetime

    def __str__(self) -> str:
        return f"{self.what}: run {self.run} snoozes until {self.next_at.replace(microsecond=0)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunGivenBack(AttemptEnded):
    """It was begun and is pending again: the node is stopping, or does not know the handler. The attempt does not count."""

    def __str__(self) -> str:
        return f"{self.what}: run {self.run} is pending again"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLost(Event):
    """Its node died. `failed`: for good; `cancelled`: it had been asked to stop; else it is pending again."""

    severity = logging.WARNING
    run: int
    namespace: str
    job: str | None
    attempt: int
    node: int
    failed: bool
    cancelled: bool = False

    def __str__(self) -> str:
        what = "failed for good" if self.failed else "is cancelled" if self.cancelled else "is pending again"
        return f"node {self.node} died: its run {self.run} ({self.job or 'ad hoc'}, attempt {self.attempt}) {what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSkipped(Event):
    """A slot is not run. `covers`: how many slots up to `scheduled_at` its row stands for, 0 above 1,000; None: itself."""

    severity = logging.WARNING
    run: int
    namespace: str
    job: str | None
    scheduled_at: datetime | None
    reason: Reason | None
    covers: int | None = None

    def __str__(self) -> str:
        several = self.covers is not None
        slots = f"{self.covers or 'many'} slots up to {self.scheduled_at}" if several else f"slot {self.scheduled_at}"
        return f"{self.job}: {slots} skipped: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCancelling(Event):
    """Somebody cancelled it by hand while it runs here; its handler is asked to stop."""

    run: int
    job: str | None

    def __str__(self) -> str:
        return f"run {self.run} is asked to stop"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultDropped(RunEvent):
    """What an attempt led to counts for nothing: others have the run."""

    severity = logging.WARNING

    def __str__(self) -> str:
        return f"run {self.run}: the result of attempt {self.attempt} is dropped: this node had lost the run"


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadAbandoned(RunEvent):
    """A handler does not end at its timeout; its thread is given up and replaced."""

    severity = logging.ERROR

    def __str__(self) -> str:
        return f"run {self.run} of {self.what} does not end: its thread is given up and replaced"


# -- files


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncApplied(Event):
    """The node's files are a new generation now."""

    namespace: str
    generation: int
    jobs_created: int
    jobs_updated: int
    jobs_removed: int

    def __str__(self) -> str:
        counts = ((self.jobs_created, "created"), (self.jobs_updated, "updated"), (self.jobs_removed, "removed"))
        return f"generation {self.generation} applied: " + ", ".join(
            f"{count} {word}" for count, word in counts if count
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncRefused(Event):
    """The node's files are not applied; what was applied before runs on."""

    severity = logging.ERROR
    what: str
    error: str

    def __str__(self) -> str:
        return f"{self.what}:\n{self.error}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncRecovered(Event):
    """The files are good again after they had been refused."""

    namespace: str

    def __str__(self) -> str:
        return "the files are valid again, and applied"


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncStale(Event):
    """A generation that this node's files do not declare is what runs. `applied_by`: None where the files were old at the start."""

    severity = logging.WARNING
    namespace: str
    generation: int
    applied_by: str | None = None

    def __str__(self) -> str:
        number = self.generation
        if self.applied_by is None:
            return f"this node's files are older than generation {number} and were replaced since; it runs generation {number}"
        return (
            f"generation {number}, applied by {self.applied_by}, replaces what this node's files declare; it runs that"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerUnknown(Event):
    """The node cannot perform these jobs, and leaves their runs to others."""

    severity = logging.WARNING
    handler: str
    jobs: tuple[str, ...]
    error: str

    def __str__(self) -> str:
        more = f" and {len(self.jobs) - 3} more" if len(self.jobs) > 3 else ""
        return (
            f"this node cannot perform {', '.join(self.jobs[:3])}{more}, and leaves runs of it to others: {self.error}"
        )


# -- pauses


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused(Event):
    """A job, a queue or all of a namespace (`scope`) is paused."""

    namespace: str
    scope: PauseScope
    target: str | None
    by: str
    until: datetime | None
    why: str | None

    def __str__(self) -> str:
        until = f" until {format_instant(self.until)}" if self.until else ""
        why = f": {self.why}" if self.why else ""
        return f"{_scope_text(self.scope, self.target, self.namespace)} is paused{until} by {self.by}{why}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed(Event):
    """A pause has ended. `expired`: its time was over; else somebody resumed."""

    namespace: str
    scope: PauseScope
    target: str | None
    expired: bool

    def __str__(self) -> str:
        how = "goes on: its pause is over" if self.expired else "is resumed"
        return f"{_scope_text(self.scope, self.target, self.namespace)} {how}"


# -- nodes


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStarted(Event):
    """The node works."""

    node: int
    namespaces: tuple[str, ...]
    threads: int
    database: str

    def __str__(self) -> str:
        return f"node {self.node} runs {', '.join(self.namespaces)} with {self.threads} threads on {self.database}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStopping(Event):
    """The node claims nothing more and waits for what runs."""

    node: int
    running: int
    grace_seconds: float

    def __str__(self) -> str:
        return (
            f"stopping: waits up to {self.grace_seconds:g} s for {self.running} runs; a second signal ends it at once"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStopped(Event):
    """The last that a node says."""

    node: int

    def __str__(self) -> str:
        return f"node {self.node} has stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFenced(Event):
    """The node could not renew its lease: it claims nothing, and its handlers are stopped."""

    severity = logging.ERROR
    node: int

    def __str__(self) -> str:
        return f"node {self.node} could not renew its lease: it claims nothing and stops its handlers until it can"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeWornOut(Event):
    """So many threads are given up that the node stops; its supervisor should start it anew."""

    severity = logging.ERROR
    node: int
    abandoned: int

    def __str__(self) -> str:
        what = "are given up, as many as may be: this node stops, and should be started anew"
        return f"{self.abandoned} threads {what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRejoined(Event):
    """The node was declared dead by others, and goes on under a new id."""

    severity = logging.WARNING
    node: int
    was: int

    def __str__(self) -> str:
        return f"node {self.was} was declared dead and goes on as node {self.node}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeLost(Event):
    """Another node's lease has run out, and this one gave its `runs` back."""

    severity = logging.WARNING
    node: int
    runs: int

    def __str__(self) -> str:
        return f"node {self.node} is dead: its lease has run out; {self.runs} runs of it were given back or failed"


def _scope_text(scope: PauseScope, target: str | None, namespace: str) -> str:
    return f"all of {namespace}" if scope is PauseScope.ALL else f"{scope} {target}"


def level_of(job: str | None) -> int:
    """Of what goes well: ad-hoc runs come by the thousand."""
    return logging.INFO if job else logging.DEBUG
