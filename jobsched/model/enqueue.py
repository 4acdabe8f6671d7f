"""An ad-hoc run as a program asks for it: one value, checked before anything is made of it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import repeat
from operator import is_, itemgetter
from typing import Any, Literal, NamedTuple, TypedDict

from jobsched.errors import EnqueueError, PayloadError
from jobsched.model.alike import RunsAlike
from jobsched.model.durations import parse_duration
from jobsched.model.instants import as_utc
from jobsched.model.keys import LONGEST_KEY, as_key
from jobsched.model.names import is_name
from jobsched.model.options import NO_OPTIONS, declared_names, declared_options
from jobsched.model.payload import Model, payload_of, payloads_of
from jobsched.model.run import NewRun, OnConflict, Source
from jobsched.model.text import storable

_LONGEST_HANDLER = 500
_MOST_ATTEMPTS = 2**31 - 1
_PRIORITIES = 2**63
_MILLISECOND = timedelta(milliseconds=1)
#: As of a job's `tags`.
_MOST_TAGS, _LONGEST_TAG = 32, 64
#: As all that is said of a run unless it is said otherwise, it is looked at for each run.
_IGNORE = OnConflict.IGNORE.value


class EnqueueOptions(TypedDict, total=False):
    """How a run is made of its handler and payload: what `Client.enqueue` takes by name, with the same meaning."""

    run_at: datetime | None
    delay: timedelta | float | str | None
    queue: str | None
    priority: int | None
    max_attempts: int | None
    timeout: timedelta | float | str | None
    unique_key: str | None
    unique_for: timedelta | float | str | None
    on_conflict: Literal["ignore", "replace", "reschedule", "error"]
    concurrency_key: str | None
    tags: Sequence[str]
    batch: str | None
    connection: object


class Enqueue(NamedTuple):
    """What `Client.enqueue` takes, for `Client.enqueue_many`.

    `handler`: its name, or a function with @handler. `payload`: a JSON object, or a pydantic model, whose fields it is.
    What is not given is what the handler's decorator says, if its module is imported in this process; else the queue
    `default`, priority 0 and one attempt. `delay`, `timeout` and `unique_for`: a timedelta, seconds, or text like `10m`.
    All but the first two are given by name.
    """

    handler: str | Callable[..., Any]
    payload: Mapping[str, Any] | Model | None = None
    run_at: datetime | None = None
    delay: timedelta | float | str | None = None
    queue: str | None = None
    priority: int | None = None
    max_attempts: int | None = None
    timeout: timedelta | float | str | None = None
    unique_key: str | None = None
    unique_for: timedelta | float | str | None = None
    on_conflict: Literal["ignore", "replace", "reschedule", "error"] = "ignore"
    concurrency_key: str | None = None
    tags: Sequence[str] = ()
    batch: str | None = None

    def new_run(self, namespace: str, now: datetime | None, batch: str | None = None) -> NewRun:
        """The run to be made, of this batch if it names none. `now` is needed if there is a delay. Raises EnqueueError, PayloadError."""
        payload, name = payload_of(self.payload), _name(self.handler)
        said = declared_options.get(name, NO_OPTIONS)
        granted = 1 + said.retries.max if said.retries else 1
        if all(map(is_, self[2:], _NOTHING_SAID)):  # of most, and to look at each part takes as long as all the rest
            return NewRun(
                namespace,
                name,
                Source.ENQUEUE,
                None,
                said.queue or "default",
                _whole("priority", None, said.priority or 0, -_PRIORITIES, _PRIORITIES - 1),
                payload,
                _whole("max_attempts", None, granted, 1, _MOST_ATTEMPTS),
                batch=_short("the name of a batch", batch),
            )
        return NewRun(
            namespace=namespace,
            handler=name,
            source=Source.ENQUEUE,
            payload=payload,
            available_at=self._available_at(now),
            queue=_queue(self.queue) or said.queue or "default",
            priority=_whole("priority", self.priority, said.priority or 0, -_PRIORITIES, _PRIORITIES - 1),
            max_attempts=_whole("max_attempts", self.max_attempts, granted, 1, _MOST_ATTEMPTS),
            unique_key=_short("a unique key", self.unique_key),
            unique_for=self._unique_for(),
            on_conflict=_on_conflict(self.on_conflict, self.unique_key),
            key=_concurrency_key(self.concurrency_key),
            timeout=_lasting("timeout", self.timeout),
            tags=_tags(self.tags) if self.tags else (),
            batch=_short("the name of a batch", batch if self.batch is None else self.batch),
        )

    def _available_at(self, now: datetime | None) -> datetime | None:
        if self.run_at is not None and self.delay is not None:
            raise EnqueueError("give run_at or delay, not both")
        if self.delay is not None:
            assert now is not None, "whoever gives a delay is asked for the instant"
            return _after(now, self.delay)
        if self.run_at is None:
            return None
        try:
            return as_utc(self.run_at)
        except (ValueError, OverflowError) as error:
            raise EnqueueError(f"run_at: {error}") from None

    def _unique_for(self) -> timedelta | None:
        if self.unique_for is not None and self.unique_key is None:
            raise EnqueueError(f"unique_for={self.unique_for!r} needs a unique_key, which it is the time of")
        return _lasting("unique_for", self.unique_for)


_NOTHING_SAID = Enqueue("", None)[2:]
_BESIDE_PAYLOAD = [n for n, name in enumerate(Enqueue._fields) if name != "payload"]
_beside_payload = itemgetter(*_BESIDE_PAYLOAD)
_PAYLOAD = NewRun._fields.index("payload")


def all_enqueues(wanted: object) -> list[Enqueue]:
    """What `enqueue_many` was given, as a list. Raises EnqueueError if that is anything else than a list of `Enqueue`."""
    if isinstance(wanted, Enqueue) or not isinstance(wanted, Iterable):
        what = "a single one" if isinstance(wanted, Enqueue) else type(wanted).__name__
        raise EnqueueError(f"enqueue_many takes a list of what Enqueue(…) makes, not {what}")
    given = list(wanted)
    if not set(map(type, given)) <= {Enqueue}:  # a look at each in C: there may be thousands
        for number, one in enumerate(given, 1):
            if not isinstance(one, Enqueue):
                raise EnqueueError(
                    f"number {number} of {len(given)} is of type {type(one).__name__}, not what Enqueue(handler, payload, …) "
                    "makes; none was made"
                )
    return given


def new_runs(
    wanted: Sequence[Enqueue], namespace: str, now: datetime | None, batch: str | None = None
) -> Sequence[NewRun]:
    """The runs to be made, in their order, of this batch if they name none. `now` is needed if there is a delay.

    Raises EnqueueError, PayloadError, of many with the position of the one that is meant. What is said beside the payload
    is looked at once if all say the very same, or else once for those that do and follow each other.
    """
    if len(wanted) > 1 and (alike := _runs_alike(wanted, namespace, now, batch)) is not None:
        return alike
    made: list[NewRun] = []
    before: tuple[object, ...] = ()
    head: tuple[Any, ...] = ()
    tail: tuple[Any, ...] = ()
    try:
        for one in wanted:
            said = _beside_payload(one)
            if before and all(map(is_, said, before)):
                made.append(NewRun._make((*head, payload_of(one.payload), *tail)))
                continue
            run = one.new_run(namespace, now, batch)
            before, head, tail = said, run[:_PAYLOAD], run[_PAYLOAD + 1 :]
            made.append(run)
    except (EnqueueError, PayloadError) as error:
        if len(wanted) == 1:
            raise
        raise type(error)(f"number {len(made) + 1} of {len(wanted)}: {error}; none was made") from None
    return made


def _runs_alike(wanted: Sequence[Enqueue], namespace: str, now: datetime | None, batch: str | None) -> RunsAlike | None:
    """None if they are not alike, or one of them is to be refused."""
    columns = list(zip(*wanted, strict=True))
    # The same objects: what is equal, like 1 and True, need not be as right.
    if not all(all(map(is_, columns[n], repeat(wanted[0][n]))) for n in _BESIDE_PAYLOAD):
        return None
    try:
        payloads, text = payloads_of([one.payload for one in wanted])
        return RunsAlike(wanted[0].new_run(namespace, now, batch), payloads, text)
    except (EnqueueError, PayloadError):
        return None


def _name(handler: str | Callable[..., Any]) -> str:
    if callable(handler):
        try:
            return declared_names[handler]
        except (KeyError, TypeError):  # what is not registered, or cannot be looked up
            raise EnqueueError(f"{handler!r} is registered under no name: decorate it with @handler") from None
    if type(handler) is not str:
        raise _no_name(handler)
    return _checked_name(handler)


def _no_name(handler: object) -> EnqueueError:
    return EnqueueError(f"{str(handler)[:80]!r} names no handler: give the name that @handler registers it under")


@lru_cache(maxsize=256)  # a program has few, and names them again and again
def _checked_name(handler: str) -> str:
    if not 0 < len(handler) <= _LONGEST_HANDLER or storable(handler) != handler:
        raise _no_name(handler)
    if handler.startswith("{"):
        raise EnqueueError("a command or an HTTP call is performed for a job only: declare it in jobs.yaml")
    return handler


def _after(now: datetime, delay: timedelta | float | str) -> datetime:
    try:
        return now + _duration("delay", delay)
    except OverflowError as error:
        raise EnqueueError(f"delay={delay!r}: {error}") from None


def _lasting(what: str, given: timedelta | float | str | None) -> timedelta | None:
    """More than nothing, in whole milliseconds."""
    if given is None:
        return None
    duration = _duration(what, given)
    if not duration:
        raise EnqueueError(f"{what}={given!r}: must be more than 0")
    return -(-duration // _MILLISECOND) * _MILLISECOND


def _duration(what: str, given: timedelta | float | str) -> timedelta:
    try:
        return parse_duration(given.total_seconds() if isinstance(given, timedelta) else given)
    except ValueError as error:
        raise EnqueueError(f"{what}={given!r}: {error}") from None


def _queue(queue: str | None) -> str | None:
    if queue is not None and not is_name(queue):
        raise EnqueueError(
            f"queue={queue!r} is no name of a queue: up to 100 letters, digits, dots, dashes and underscores"
        )
    return queue


def _whole(what: str, given: int | None, else_: int, least: int, most: int) -> int:
    number = else_ if given is None else given
    if type(number) is not int or not least <= number <= most:
        raise EnqueueError(f"{what}={number!r} is no whole number from {least} to {most}")
    return number


def _short(what: str, text: str | None) -> str | None:
    if text is not None and not _is_text(text, LONGEST_KEY):
        raise EnqueueError(f"{what} has 1 to {LONGEST_KEY} characters, and neither NUL nor lone surrogates")
    return text


def _tags(tags: Sequence[str]) -> tuple[str, ...]:
    if isinstance(tags, str) or not isinstance(tags, Sequence):
        raise EnqueueError(f"tags={tags!r}: give a list of them")
    if len(tags) > _MOST_TAGS:
        raise EnqueueError(f"{len(tags)} tags are more than the {_MOST_TAGS} that a run may have")
    for tag in tags:
        if not _is_text(tag, _LONGEST_TAG):
            raise EnqueueError(
                f"{str(tag)[:80]!r} is no tag: a text of 1 to {_LONGEST_TAG} characters, without NUL and lone surrogates"
            )
    return tuple(dict.fromkeys(tags))


def _is_text(given: object, longest: int) -> bool:
    return type(given) is str and 0 < len(given) <= longest and storable(given) == given


def _on_conflict(given: str, unique_key: str | None) -> OnConflict:
    if given == _IGNORE:
        return OnConflict.IGNORE
    if given not in tuple(OnConflict):
        raise EnqueueError(f"on_conflict={given!r} is none of {', '.join(OnConflict)}")
    if unique_key is None and given != OnConflict.IGNORE:
        raise EnqueueError(f"on_conflict={given!r} needs a unique_key, which two runs may have")
    return OnConflict(given)


def _concurrency_key(key: str | None) -> str | None:
    if key is not None and type(key) is not str:
        raise EnqueueError(f"concurrency_key={key!r} is no text")
    try:
        return None if key is None else as_key(key)
    except ValueError as error:
        raise EnqueueError(str(error)) from None
