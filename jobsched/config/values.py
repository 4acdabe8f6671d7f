"""From checked options to the frozen values of the model, with the file's defaults below a job's own."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

from jobsched.config.schema import (
    ConcurrencyOptions,
    HttpOptions,
    JobOptions,
    Options,
    RetryOptions,
    SettingsOptions,
    TimeoutOptions,
)
from jobsched.model.handler import CommandHandler, HttpHandler, PythonHandler, ShellHandler
from jobsched.model.job import CalendarUse, Concurrency, Dst, History, Retries, Timeout
from jobsched.model.state import Settings

_Group = TypeVar("_Group", Retries, History, Dst)


def default_values(defaults: JobOptions | None, history_max_age: timedelta | None) -> dict[str, Any]:
    """Arguments of Job that every job of a file begins with."""
    base: dict[str, Any] = {} if history_max_age is None else {"history": History(max_age=history_max_age)}
    return base if defaults is None else job_values(defaults, base)


def job_values(options: JobOptions, base: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of Job: `base`, and over it what the options give. A handler of any kind is `handler`."""
    values = dict(base)
    given = options.__dict__
    for name in options.model_fields_set:
        turn = _TURNED.get(name)
        if turn is None:
            values[name] = given[name]
        else:
            field, make = turn
            values[field] = make(given[name], base.get(field))
    if "handler" in values:
        for name in _without_effect(values):
            if name in values and name not in options.model_fields_set:
                del values[name]
    return values


def _without_effect(values: Mapping[str, Any]) -> Iterator[str]:
    """Fields that a job of this kind does not heed: the file's defaults mean others with them."""
    if not isinstance(values["handler"], CommandHandler | ShellHandler):
        yield from ("env", "cwd")
    if "cron" not in values:
        yield "dst"
        if "every" not in values and "at" not in values:
            yield from ("start_at", "end_at", "jitter")


def settings_values(options: SettingsOptions) -> Settings:
    """The settings, each None where the file is silent."""
    return Settings(
        database=options.database,
        threads=options.threads,
        heartbeat=options.heartbeat,
        lease=options.lease,
        grace=options.grace,
        imports=tuple(options.imports or ()),
        history_max_age=options.history.max_age if "history" in options.model_fields_set else None,
        poll=options.poll,
        log_format=options.log_format,
    )


def _given(options: Options) -> dict[str, Any]:
    given = options.__dict__
    return {name: given[name] for name in options.model_fields_set}


def _over(kind: type[_Group]) -> Callable[[Any, _Group | None], _Group]:
    """Key by key: what is not given comes from the defaults."""

    def make(options: Options, base: _Group | None) -> _Group:
        return replace(base, **_given(options)) if base is not None else kind(**_given(options))

    return make


def _retries(options: RetryOptions, base: Retries | None) -> Retries:
    return _over(Retries)(options, base)


def _timeout(options: TimeoutOptions | None, base: Timeout | None) -> Timeout | None:
    if options is None:
        return None
    return replace(base, **_given(options)) if base is not None else Timeout(**_given(options))


def _concurrency(options: ConcurrencyOptions, _: Concurrency | None) -> Concurrency:
    # Replaced as a whole: its parts only mean something together, and `concurrency: 3` always means forbid.
    given = _given(options)
    if given.get("policy") == "allow":
        given.setdefault("limit", None)
    return Concurrency(**given)


def _http(options: HttpOptions, _: object) -> HttpHandler:
    given = _given(options)
    given["json"] = given.pop("body", None)
    given["expect"] = tuple(given.get("expect", ()))
    return HttpHandler(**given)


def _calendar(options: Any, _: object) -> CalendarUse:
    given: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in _given(options).items()
    }
    return CalendarUse(**given)


def _handler_of(options: Any, _: object) -> Any:
    """The handler of `on_failure`."""
    [name] = options.model_fields_set
    return _TURNED[name][1](options.__dict__[name], None)


_TURNED: dict[str, tuple[str, Callable[[Any, Any], Any]]] = {
    "handler": ("handler", lambda name, _: PythonHandler(name)),
    "command": ("handler", lambda argv, _: CommandHandler(tuple(argv))),
    "shell": ("handler", lambda script, _: ShellHandler(script)),
    "http": ("handler", _http),
    "cron": ("cron", lambda cron, _: tuple(cron)),
    "dst": ("dst", _over(Dst)),
    "calendar": ("calendar", _calendar),
    "concurrency": ("concurrency", _concurrency),
    "retries": ("retries", _over(Retries)),
    "timeout": ("timeout", _timeout),
    "history": ("history", _over(History)),
    "on_failure": ("on_failure", _handler_of),
    "env": ("env", lambda env, base: {**base, **env} if base else env),
    "tags": ("tags", lambda tags, _: tuple(tags)),
}
