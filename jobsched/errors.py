"""Every exception of jobsched.

    JobschedError
    ├── ConfigError                 the files are not valid: diagnostics with positions
    ├── DefinitionError             a job's definition that is not valid: which fields, and why
    ├── JobExistsError              a job that was to be created is there already
    ├── FileJobError                a job that only its files may change
    ├── MissingVariableError        a `${VAR}` that the environment does not have
    ├── MissingExtraError           a library of an extra is not installed
    ├── ScheduleError               an expression, zone or instant that makes no schedule
    │   └── CronError               which field of a cron expression, and why
    ├── SyncError
    │   ├── SyncRefusedError        the brake: it would remove too much
    │   └── SyncConflictError       another sync was faster; plan again
    ├── StoreError
    │   ├── UnknownStoreError       no adapter for the URL's scheme
    │   ├── DatabaseUrlError        the URL cannot be read
    │   ├── StoreUnavailableError   may pass: down, busy, restarting; worth trying again
    │   ├── OutcomeUnknownError     the commit's answer was lost: it may have happened
    │   ├── StoreBrokenError        nothing can be done, whatever it is, until somebody mends it: disk full, no rights
    │   │   └── StoreLostError      what this process has open is not what others find: only a new process will
    │   └── SchemaError             missing, older or newer than this program
    ├── NotFoundError
    │   ├── UnknownJobError
    │   ├── UnknownRunError
    │   ├── UnknownNotifierError    no job's alerts name it
    │   └── UnknownHandlerError     nothing importable or registered has this name
    ├── RefusedError                what was asked of a run cannot be done to it
    ├── BackfillError               a range of slots that cannot be filled
    ├── EnqueueError                a run that cannot be made as it was asked for
    │   ├── UniqueKeyError          its unique key is taken, and that was to be an error
    │   └── QueueFull               as many runs wait in its queue as may
    ├── MadeBeforeError             it was made before, under the same idempotency key
    ├── ClosedError                 the client was closed
    ├── NoClientError               a handler asked for the node's client, where there is none
    ├── PayloadError                a payload that is no JSON object, too large, or does not fit its handler
    ├── ResultError                 a handler returned what JSON cannot hold
    ├── HandlerExitError            a handler tried to end its thread or the process: sys.exit and the like
    ├── RemoteError                 what a handler raised in a process of its own
    ├── HandlerProcessError         that process could not start, or ended before its handler did
    ├── CommandError                a command ended with another code than 0, or could not start
    ├── HttpError                   an HTTP call did not answer as expected
    ├── NotifyError                 an alert could not be sent
    └── HandlerTimeoutError, HandlerCancelledError   the deadline passed; the run was asked to stop

    Retry, Cancel, Snooze           raised by a handler to say what shall become of its run (no errors)

Facts are attributes; the message is a sentence with the fact, the place and the next step.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol


class JobschedError(Exception):
    """The root: catch this to catch whatever jobsched raises."""


class _Diagnostic(Protocol):
    def __str__(self) -> str: ...


class ConfigError(JobschedError):
    """The files do not describe a valid state; nothing was changed."""

    def __init__(self, diagnostics: Sequence[_Diagnostic]) -> None:
        super().__init__("\n".join(str(diagnostic) for diagnostic in diagnostics))
        self.diagnostics = tuple(diagnostics)


class DefinitionError(JobschedError):
    """A definition that makes no valid job; nothing was changed. `problems`: field (empty: the whole) and what is wrong with it."""

    def __init__(self, name: str, problems: Sequence[tuple[str, str]]) -> None:
        told = "; ".join(f"{field}: {message}" if field else message for field, message in problems)
        super().__init__(f"job {name!r} cannot be defined so: {told}")
        self.name, self.problems = name, tuple(problems)


class JobExistsError(JobschedError):
    """A job of this name exists; nothing was changed."""

    def __init__(self, name: str, origin: str, generation: int) -> None:
        by = "a file declares it" if origin == "file" else "it was made at run time: update it, or delete it first"
        super().__init__(f"there is a job {name!r} already (generation {generation}): {by}")
        self.name, self.origin, self.generation = name, origin, generation


class FileJobError(JobschedError):
    """A file declares this job, and there it is changed; nothing was changed here."""

    def __init__(self, name: str, generation: int) -> None:
        super().__init__(
            f"a file declares job {name!r}, as of generation {generation}: change it there; "
            "here it can be paused, resumed and triggered"
        )
        self.name, self.generation = name, generation


class JobChangedError(JobschedError):
    """Somebody has changed this job since it was read; nothing was changed now."""

    def __init__(self, name: str, expected: int, generation: int) -> None:
        super().__init__(
            f"job {name!r} was changed meanwhile: it is as of generation {generation}, not {expected}; "
            "read it again, and say again what is to be changed"
        )
        self.name, self.expected, self.generation = name, expected, generation


class MadeBeforeError(JobschedError):
    """Something was made under this idempotency key before, or is being made; nothing was made now."""

    def __init__(self, key: str) -> None:
        super().__init__(f"something was made under the idempotency key {key!r} within a day; ask what it was")
        self.key = key


class MissingVariableError(JobschedError):
    """A `${VAR}` without a default, and the environment has no such variable."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the environment has no variable {name}; set it, or give a default: ${{{name}:-…}}")
        self.name = name


class MissingExtraError(JobschedError):
    """What was asked for needs a library that is not installed with jobsched itself."""

    def __init__(self, what: str, library: str, extra: str) -> None:
        super().__init__(f"{what} need {library}, which is not installed: pip install 'jobsched[{extra}]'")
        self.library, self.extra = library, extra


class ScheduleError(JobschedError):
    """An expression, zone or instant that makes no schedule; the message says why."""


class CronError(ScheduleError):
    """A cron expression that is refused, with the field that is wrong."""

    def __init__(self, expression: str, field: str | None, reason: str) -> None:
        super().__init__(f"{field}: {reason}" if field else reason)
        self.expression, self.field, self.reason = expression, field, reason


class SyncError(JobschedError):
    """The desired state was not applied; the stored one runs on."""


class SyncRefusedError(SyncError):
    """The brake: this sync would remove all jobs, or more than half of them and more than five."""

    def __init__(self, namespace: str, removed: int, total: int) -> None:
        super().__init__(
            f"would remove {removed} of {total} jobs of namespace {namespace!r}; nothing was changed. "
            f"If that is meant, sync the same files once with --allow-delete"
        )
        self.namespace, self.removed, self.total = namespace, removed, total


class SyncConflictError(SyncError):
    """Another sync or a fire changed the store since it was read: read again, plan again."""


class StoreError(JobschedError):
    """The database refused; trying again will not help."""


class UnknownStoreError(StoreError):
    """No installed adapter handles this URL scheme."""

    def __init__(self, scheme: str, known: Sequence[str], hint: str = "") -> None:
        super().__init__(f"no store for {scheme!r}; installed: {', '.join(known) or 'none'}{hint}")
        self.scheme, self.known = scheme, tuple(known)


class DatabaseUrlError(StoreError):
    """The database URL cannot be read; the message never shows a password."""


class StoreUnavailableError(StoreError):
    """The database cannot be reached or is busy: the same call may succeed later."""


class OutcomeUnknownError(StoreUnavailableError):
    """The connection broke while committing: the change may have been made. Look before you repeat it."""


class StoreBrokenError(StoreError):
    """Nothing can be stored, whatever it is, until somebody makes room or gives rights back; the message says what to do."""


class StoreLostError(StoreBrokenError):
    """What this process has open is no longer the database that others find: it is refused until the process is started anew."""


class SchemaError(StoreError):
    """The database's schema is missing, older or newer than this program; the message says what to run."""


class NotFoundError(JobschedError):
    """What was asked for by name or id does not exist."""


class UnknownJobError(NotFoundError):
    """No job of this name in the namespace."""

    def __init__(self, namespace: str, name: str, nearest: str | None = None, hint: str = "see: jobsched list") -> None:
        hint = f"; did you mean {nearest!r}?" if nearest else f"; {hint}"
        super().__init__(f"no job {name!r} in namespace {namespace!r}{hint}")
        self.namespace, self.name = namespace, name


class UnknownNotifierError(NotFoundError):
    """No notifier of this name is in use."""

    def __init__(self, namespace: str, name: str, known: Sequence[str]) -> None:
        used = f"those in use are {', '.join(known)}" if known else "none is in use"
        super().__init__(
            f"no job of namespace {namespace!r} alerts a notifier {name!r}; {used}. Name it in a job's `alerts`, and sync"
        )
        self.namespace, self.name, self.known = namespace, name, tuple(known)


class UnknownRunError(NotFoundError):
    """No run with this id: never made, or pruned."""

    def __init__(self, run_id: int) -> None:
        super().__init__(f"no run {run_id}; it was never made, or its history has been pruned")
        self.run_id = run_id


class UnknownHandlerError(NotFoundError):
    """Nothing that can be imported or is registered has this name."""

    def __init__(self, handler: str, why: str) -> None:
        super().__init__(f"unknown handler {handler!r}: {why}")
        self.handler, self.why = handler, why


class RefusedError(JobschedError):
    """What was asked of a run cannot be done; `refusal` is the word for why."""

    def __init__(self, run_id: int, asked: str, refusal: str, why: str) -> None:
        super().__init__(f"run {run_id} cannot be {asked}: {why}")
        self.run_id, self.refusal = run_id, refusal


class BackfillError(JobschedError):
    """A range of slots that cannot be filled: none can be, they are too many, or the schedule changed meanwhile."""


class EnqueueError(JobschedError, ValueError):
    """A run that cannot be made as it was asked for; nothing was made. The message says what to give instead."""


class UniqueKeyError(EnqueueError):
    """Another run has the unique key of one that was to be made; none was made. `until`: when it is over, but keeps the key.

    `run_id`: that run; None if it was to be made by the same call.
    """

    def __init__(self, unique_key: str, run_id: int | None, until: datetime | None = None) -> None:
        why = "and is not over" if until is None else f"until {until.isoformat()}, as its unique_for says"
        has = f"run {run_id} has the unique key {unique_key!r} {why}"
        if run_id is None:
            has = f"several runs of this call have the unique key {unique_key!r}: give each its own"
        super().__init__(f"{has}; nothing was made")
        self.unique_key, self.run_id, self.until = unique_key, run_id, until


class QueueFull(EnqueueError):
    """As many runs wait in a queue as its `max_queued` allows, or the new ones would be too many; none was made.

    `depth`: how many wait; `limit`: how many may.
    """

    def __init__(self, queue: str, depth: int, limit: int, more: int = 1) -> None:
        beyond = "" if more == 1 else f", and {more:,} more do not fit"
        super().__init__(
            f"queue {queue!r} is full: {depth:,} runs wait in it, and its max_queued is {limit:,}{beyond}; nothing was made. "
            f"Enqueue again when some have started, or raise settings.queues.{queue}.max_queued"
        )
        self.queue, self.depth, self.limit = queue, depth, limit


class ClosedError(JobschedError):
    """The client was closed."""

    def __init__(self) -> None:
        super().__init__("this client is closed; make a new one, or leave its `with` block later")


class NoClientError(JobschedError):
    """`ctx.client` where no node performs the handler, or another process does."""

    def __init__(self) -> None:
        super().__init__(
            "ctx.client is the node's: there is none with `executor: process`, in `jobsched exec`, and in a test that "
            "performs a handler without a database; there make your own, Client(URL)"
        )


class PayloadError(JobschedError):
    """A payload that is no JSON object, is too large, or does not fit its handler's signature."""


class ResultError(JobschedError):
    """A handler returned what JSON cannot hold. The work was done, so the run is not retried."""


class HandlerExitError(JobschedError):
    """A handler raised what is no Exception: SystemExit, KeyboardInterrupt, GeneratorExit and the like."""

    def __init__(self, raised: BaseException) -> None:
        super().__init__(f"the handler raised {type(raised).__name__}({raised}); to fail a run, raise an exception")
        self.type_name = type(raised).__name__


class RemoteError(JobschedError):
    """Stands for what a handler raised in a process of its own: `entry` as a run keeps it, `classes` by name, own first."""

    def __init__(self, entry: Mapping[str, str], classes: Sequence[str]) -> None:
        super().__init__(entry.get("message", ""))
        self.entry, self.classes = dict(entry), tuple(classes)


class HandlerProcessError(JobschedError):
    """The process of a handler could not start, or ended before its handler did (exit code negative: the signal)."""

    def __init__(self, message: str, exit_code: int | None = None) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class CommandError(JobschedError):
    """A command could not start, or ended with another code than 0 (negative: the signal that ended it)."""

    def __init__(self, message: str, exit_code: int | None = None) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class HttpError(JobschedError):
    """An HTTP call was not answered, or not as expected; `status` is what it was answered."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class NotifyError(JobschedError):
    """An alert could not be sent."""


class HandlerTimeoutError(JobschedError):
    """The deadline of the attempt passed."""


class HandlerCancelledError(JobschedError):
    """The attempt was asked to stop: shutdown, cancelled by hand, or its node lost the run."""


class Retry(Exception):
    """Raised by a handler: try again, `after` this delay (None: the job's backoff). Uses up an attempt."""

    def __init__(self, after: timedelta | float | None = None, reason: str = "") -> None:
        super().__init__(reason or "the handler asked for a retry")
        self.after = None if after is None else _delay("Retry(after=…)", after)


class Cancel(Exception):
    """Raised by a handler: end this run as cancelled, without retry."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason or "the handler cancelled the run")


class Snooze(Exception):
    """Raised by a handler: not now, come back at `until` (an aware instant, or a delay). Uses up no attempt."""

    def __init__(self, until: datetime | timedelta | float) -> None:
        super().__init__("the handler snoozed the run")
        if isinstance(until, datetime):
            if until.tzinfo is None:
                raise ValueError(f"Snooze(until={until!r}) names no instant: give it a zone, e.g. datetime.now(UTC)")
            self.until: datetime | timedelta = until
        else:
            self.until = _delay("Snooze(until=…)", until)


def _delay(what: str, value: object) -> timedelta:
    """Raises TypeError in the handler, where the mistake is, rather than when its run is written."""
    if isinstance(value, timedelta):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return timedelta(seconds=value)
    raise TypeError(f"{what} takes seconds or a timedelta, not {value!r}")
