"""What a handler's decorator says of its runs, `@handler("email.send", retries=5, timeout="30s")`, and how far it holds for a job's."""

from collections.abc import Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from typing import Any
from weakref import WeakKeyDictionary

from jobsched.model.durations import parse_duration
from jobsched.model.job import Job, Retries, Timeout
from jobsched.model.names import is_name

_RETRIES = frozenset(field.name for field in fields(Retries))
_BACKOFFS = ("exponential", "linear", "constant")


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerOptions:
    """None where the decorator is silent."""

    queue: str | None = None
    priority: int | None = None
    retries: Retries | None = None
    timeout: Timeout | None = None
    given: frozenset[str] = frozenset()  #: parts of `retries` and `timeout` that it speaks of, as in `Job.given`


NO_OPTIONS = HandlerOptions()
#: By name, what `@handler` said in this process. A client freezes queue, priority and attempts of a run when it makes
#: it, so they hold where the module of the handler is imported.
declared_options: dict[str, HandlerOptions] = {}
#: By function, the name that `@handler` gave it in this process.
declared_names: MutableMapping[Callable[..., Any], str] = WeakKeyDictionary()


def handler_options(
    *,
    queue: str | None = None,
    priority: int | None = None,
    retries: int | Mapping[str, Any] | None = None,
    timeout: timedelta | float | str | Mapping[str, Any] | None = None,
    retry_on: Iterable[type[BaseException] | str] | None = None,
    no_retry_on: Iterable[type[BaseException] | str] | None = None,
) -> HandlerOptions:
    """The arguments of the decorator as options; they are spelled as in jobs.yaml. Raises ValueError saying what is wrong."""
    if queue is not None and not is_name(queue):
        raise ValueError(f"queue={queue!r} is no name of a queue")
    if priority is not None and type(priority) is not int:
        raise ValueError(f"priority={priority!r} is no whole number")
    named = {
        field: errors for field, errors in (("retry_on", retry_on), ("no_retry_on", no_retry_on)) if errors is not None
    }
    policy, given = None, set[str]()
    if retries is not None or named:
        whole = {} if retries is None else dict(retries) if isinstance(retries, Mapping) else {"max": retries}
        policy = _retries({**whole, **named})
        given |= parts("retries", {**whole, **named})
    if timeout is not None:
        given |= parts("timeout", timeout if isinstance(timeout, Mapping) else ["after"])
    return HandlerOptions(
        queue=queue,
        priority=priority,
        retries=policy,
        timeout=None if timeout is None else _timeout(timeout),
        given=frozenset(given),
    )


def parts(group: str, names: Iterable[str]) -> set[str]:
    """As `Job.given` names them: `retries.max`."""
    return {f"{group}.{name}" for name in names}


def options_of(job: Job, said: HandlerOptions = NO_OPTIONS) -> HandlerOptions:
    """How attempts of a job are made, part by part: as it says itself, else as its handler's decorator, else as its file's
    defaults, else as is built in. Queue and priority are left out: they were frozen when the run was made.
    """
    heard = said.given - job.given
    retries, timeout = job.retries, job.timeout
    if further := _heard("retries", said.retries, heard):
        retries = replace(retries, **further)
    if further := _heard("timeout", said.timeout, heard):
        timeout = Timeout(**further) if timeout is None else replace(timeout, **further)
    return HandlerOptions(retries=retries, timeout=timeout)


def options_of_run(timeout: timedelta | None, said: HandlerOptions = NO_OPTIONS) -> HandlerOptions:
    """How attempts of a run without a job are made: what it was enqueued with goes before its handler's decorator."""
    if timeout is None:
        return said
    return replace(said, timeout=Timeout(timeout) if said.timeout is None else replace(said.timeout, after=timeout))


def _heard(group: str, said: Retries | Timeout | None, heard: Iterable[str]) -> dict[str, Any]:
    prefix = f"{group}."
    return {
        part.removeprefix(prefix): getattr(said, part.removeprefix(prefix)) for part in heard if part.startswith(prefix)
    }


def _retries(given: Mapping[str, Any]) -> Retries:
    values: dict[str, Any] = dict(given)
    if unknown := sorted(set(values) - _RETRIES):
        raise ValueError(f"retries has no {unknown[0]!r}; it has {', '.join(sorted(_RETRIES))}")
    if type(values.get("max", 0)) is not int or values.get("max", 0) < 0:
        raise ValueError(f"retries: max={values['max']!r} is no number of further attempts")
    if values.get("backoff", "constant") not in _BACKOFFS:
        raise ValueError(f"retries: backoff={values['backoff']!r} is none of {', '.join(_BACKOFFS)}")
    for field, least, most in (("factor", 1, 1000), ("jitter", 0, 1)):
        number = values.get(field, least)
        if isinstance(number, bool) or not isinstance(number, int | float) or not least <= number <= most:
            raise ValueError(f"retries: {field}={number!r} is no number from {least} to {most}")
    for field in ("delay", "max_delay"):
        if field in values:
            values[field] = _duration(f"retries: {field}", values[field])
    for field in ("retry_on", "no_retry_on"):
        if field in values:
            values[field] = _error_names(field, values[field])
    return Retries(**values)


def _timeout(given: timedelta | float | str | Mapping[str, Any]) -> Timeout:
    values: dict[str, Any] = dict(given) if isinstance(given, Mapping) else {"after": given}
    if "after" not in values or not set(values) <= {"after", "kill_after"}:
        raise ValueError(f"timeout={given!r}: a duration, or a mapping of `after` and perhaps `kill_after`")
    timeout = Timeout(**{field: _duration("timeout", value) for field, value in values.items()})
    if not timeout.after:
        raise ValueError("timeout: must be more than 0")
    return timeout


def _duration(what: str, value: Any) -> timedelta:
    if isinstance(value, timedelta):
        value = value.total_seconds()
    try:
        return parse_duration(value)
    except ValueError as error:
        raise ValueError(f"{what}={value!r}: {error}") from None


def _error_names(field: str, errors: Iterable[type[BaseException] | str]) -> tuple[str, ...]:
    """Classes by their dotted names, which are found again in whatever process they are raised."""
    if isinstance(errors, str | type):
        raise ValueError(f"{field}={errors!r}: a list of exception classes, or of names")  # noqa: TRY004 - as all others
    return tuple(each if isinstance(each, str) else f"{each.__module__}.{each.__qualname__}" for each in errors)
