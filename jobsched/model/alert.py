"""What a job wants told, and to whom: notifiers, the kinds of breaches, and what counts as too late or too long."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from jobsched.model.handler import AppriseHandler, Handler, NotifyHandler

#: The queue of the runs that tell of breaches.
ALERT_QUEUE: Final = "alerts"
#: How long one attempt to reach a receiver may take: a dead one is given up, and tried again.
SENDING_TIMEOUT: Final = timedelta(seconds=10)
#: A message names so many breaches; of the others it gives the number.
NAMED: Final = 10
#: Attempts, with the delays of `Retries`: 10 s, 20 s, 40 s, 80 s, 160 s.
SENDING_ATTEMPTS: Final = 6


class AlertKind(StrEnum):
    """What people want to be told of."""

    FINAL_FAILURE = "final_failure"  #: a run has failed for good
    FAILURE = "failure"  #: an attempt has failed, whether or not it is tried again
    RECOVERY = "recovery"  #: the first success after a final failure
    LATE = "late"  #: a slot has not started within `sla.late_after`
    MISSED = "missed"  #: a slot is skipped because its time was over
    STUCK = "stuck"  #: an attempt has been running for longer than `sla.max_runtime`
    NO_SUCCESS = "no_success"  #: none for longer than `sla.max_time_since_success`
    SYNC_REFUSED = "sync_refused"  #: changed files are not valid, or not applied
    NODE_LOST = "node_lost"  #: the lease of a node of the namespace ran out
    PING = "ping"  #: a run of a job with `ping` is over, or an attempt begins: told to a URL, not to people


#: What `when` may list.
FOR_PEOPLE: Final = tuple(kind for kind in AlertKind if kind is not AlertKind.PING)
#: Noted in the transaction in which an attempt ends.
AT_THE_END: Final = frozenset({AlertKind.FINAL_FAILURE, AlertKind.FAILURE, AlertKind.RECOVERY})
#: Of no job: told to all that any job of the namespace names for them.
OF_NAMESPACE: Final = frozenset({AlertKind.SYNC_REFUSED, AlertKind.NODE_LOST})
#: The field of `sla` that says when it is one; looked after by the nodes, and over when it is no longer so.
SLA_FIELDS: Final = {
    AlertKind.LATE: "late_after",
    AlertKind.STUCK: "max_runtime",
    AlertKind.NO_SUCCESS: "max_time_since_success",
}
#: The fields of a notifier that say what is sent; another one says by what.
WORDS: Final = ("title", "text")


@dataclass(frozen=True, slots=True)
class Notifier:
    """A receiver of alerts, as `notifiers` of a file declares it. `title`, `text`: templates; None: the usual words."""

    name: str
    target: Handler | AppriseHandler
    title: str | None = None
    text: str | None = None

    @property
    def handler(self) -> NotifyHandler:
        """What a run that sends to it performs."""
        return NotifyHandler(self.name, self.target)


@dataclass(frozen=True, slots=True)
class Ping:
    """Which URL is called when a run of the job has succeeded, or failed for good, or an attempt begins; None: none."""

    success: str | None = None
    failure: str | None = None
    start: str | None = None


@dataclass(frozen=True, slots=True)
class Sla:
    """What counts as too late or too long; None: nothing does."""

    late_after: timedelta | None = None
    max_runtime: timedelta | None = None
    max_time_since_success: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Alerts:
    """What of a job is told to whom, and how often at most."""

    notify: tuple[Notifier, ...] = ()
    when: tuple[AlertKind, ...] = (AlertKind.FINAL_FAILURE, AlertKind.RECOVERY)
    sla: Sla = Sla()
    throttle: timedelta = timedelta(minutes=10)

    @property
    def at_the_end(self) -> frozenset[AlertKind]:
        """What is to be looked for when an attempt ends."""
        return AT_THE_END.intersection(self.when)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBreach:
    """Something to be told, to be noted once: no second row has its (namespace, job, kind, subject)."""

    namespace: str
    kind: AlertKind
    subject: str  #: what it is about: a run and its attempt, a slot, a node
    job: str | None = None  #: None: of the namespace as a whole
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def identity(self) -> tuple[str, str | None, AlertKind, str]:
        return self.namespace, self.job, self.kind, self.subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach(NewBreach):
    """A breach as the store has it."""

    id: int
    opened_at: datetime
    closed_at: datetime | None = None  #: it is over; at once for what merely happens
    told_at: datetime | None = None  #: a message about it was made


@dataclass(frozen=True, slots=True, kw_only=True)
class Untold:
    """The breaches of one job and kind that nobody was told of: the newest of them, oldest first, and what is true of all."""

    newest: tuple[Breach, ...]  #: at most `NAMED`, at least one
    count: int
    since: datetime
    last_told_at: datetime | None = None  #: the newest message of this job and kind

    @property
    def last(self) -> Breach:
        return self.newest[-1]
