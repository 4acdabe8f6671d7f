"""An ad-hoc run as a program asks for it: one value, checked before anything is made of it."""

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Literal, TypedDict

from jobsched.errors import EnqueueError
from jobsched.model.durations import parse_duration
from jobsched.model.instants import as_utc
from jobsched.model.keys import LONGEST_KEY, as_key
from jobsched.model.options import NO_OPTIONS, declared_names, declared_options, is_queue
from jobsched.model.payload import Model, payload_of
from jobsched.model.run import NewRun, OnConflict, Source
from jobsched.model.text import storable

_LONGEST_HANDLER = 500
_MOST_ATTEMPTS = 2**31 - 1
_PRIORITIES = 2**63


class EnqueueOptions(TypedDict, total=False):
    """How a run is made of its handler and payload: what `Client.enqueue` takes by name, with the same meaning."""

    run_at: datetime | None
    delay: timedelta | float | str | None
    queue: str | None
    priority: int | None
    max_attempts: int | None
    unique_key: str | None
    on_conflict: Literal["ignore", "replace", "reschedule", "error"]
    concurrency_key: str | None
    connection: object


@dataclass(frozen=True, slots=True)
class Enqueue:
    """What `Client.enqueue` takes, for `Client.enqueue_many`.

    `handler`: its name, or a function with @handler. `payload`: a JSON object, or a pydantic model, whose fields it is.
    What is not given is what the handler's decorator says, if its module is imported in this process; else the queue
    `default`, priority 0 and one attempt. `delay`: a timedelta, seconds, or text like `10m`.
    """

    handler: str | Callable[..., Any]
    payload: Mapping[str, Any] | Model | None = None
    _: KW_ONLY
    run_at: datetime | None = None
    delay: timedelta | float | str | None = None
    queue: str | None = None
    priority: int | None = None
    max_attempts: int | None = None
    unique_key: str | None = None
    on_conflict: Literal["ignore", "replace", "reschedule", "error"] = "ignore"
    concurrency_key: str | None = None

    def new_run(self, namespace: str, now: datetime | None) -> NewRun:
        """The run to be made. `now` is needed if there is a delay. Raises EnqueueError, PayloadError."""
        payload, name = payload_of(self.payload), _name(self.handler)
        said = declared_options.get(name, NO_OPTIONS)
        granted = 1 + said.retries.max if said.retries else 1
        return NewRun(
            namespace=namespace,
            handler=name,
            source=Source.ENQUEUE,
            payload=payload,
            available_at=self._available_at(now),
            queue=_queue(self.queue) or said.queue or "default",
            priority=_whole("priority", self.priority, said.priority or 0, -_PRIORITIES, _PRIORITIES - 1),
            max_attempts=_whole("max_attempts", self.max_attempts, granted, 1, _MOST_ATTEMPTS),
            unique_key=_unique_key(self.unique_key),
            on_conflict=_on_conflict(self.on_conflict, self.unique_key),
            key=_concurrency_key(self.concurrency_key),
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
        return now + parse_duration(delay.total_seconds() if isinstance(delay, timedelta) else delay)
    except (ValueError, OverflowError) as error:
        raise EnqueueError(f"delay={delay!r}: {error}") from None


def _queue(queue: str | None) -> str | None:
    if queue is not None and not is_queue(queue):
        raise EnqueueError(f"queue={queue!r} is no name of a queue: letters, digits, dots, dashes and underscores")
    return queue


def _whole(what: str, given: int | None, else_: int, least: int, most: int) -> int:
    number = else_ if given is None else given
    if type(number) is not int or not least <= number <= most:
        raise EnqueueError(f"{what}={number!r} is no whole number from {least} to {most}")
    return number


def _unique_key(key: str | None) -> str | None:
    if key is not None and (type(key) is not str or not 0 < len(key) <= LONGEST_KEY or storable(key) != key):
        raise EnqueueError(f"a unique key has 1 to {LONGEST_KEY} characters, and neither NUL nor lone surrogates")
    return key


def _on_conflict(given: str, unique_key: str | None) -> OnConflict:
    if given == OnConflict.IGNORE.value:
        return OnConflict.IGNORE
    if given not in tuple(OnConflict):
        raise EnqueueError(f"on_conflict={given!r} is none of {', '.join(OnConflict)}")
    if unique_key is None and given != OnConflict.IGNORE:
        raise EnqueueError(f"on_conflict={given!r} needs a unique_key, which two runs may have")
    return OnConflict(given)


def _concurrency_key(key: str | None) -> str | None:
    try:
        return None if key is None else as_key(key)
    except ValueError as error:
        raise EnqueueError(str(error)) from None
