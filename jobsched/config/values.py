"""From checked options to the frozen values of the model, with the file's defaults below a job's own."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

from jobsched.model.alert import SLA_FIELDS, WORDS, AlertKind, Alerts, Notifier, Ping, Sla
from jobsched.model.desired import ApiSettings, Settings
from jobsched.model.handler import AppriseHandler, CommandHandler, HttpHandler, PythonHandler, ShellHandler
from jobsched.model.job import CalendarUse, Concurrency, Dst, History, OnFailure, Retries, Timeout
from jobsched.model.options import parts
from jobsched.model.queue import QueueLimits

_Group = TypeVar("_Group", History, Dst)


def default_values(defaults: Mapping[str, Any] | None, history_max_age: timedelta | None) -> dict[str, Any]:
    """Arguments of Job that every job of a file begins with."""
    base: dict[str, Any] = {} if history_max_age is None else {"history": History(max_age=history_max_age)}
    return base if defaults is None else job_values(defaults, base)


def job_values(options: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of Job: `base`, and over it what the options give. A handler of any kind is `handler`."""
    return joined(dict(argument(name, given, base) for name, given in options.items()), options.keys(), base)


def argument(name: str, given: Any, base: Mapping[str, Any]) -> tuple[str, Any]:
    """The argument of Job that an option is, and its value."""
    turn = _TURNED.get(name)
    if turn is None:
        return name, given
    field, make = turn
    return field, make(given, base.get(field))


def joined(arguments: Mapping[str, Any], options: Collection[str], base: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of Job: what a job's options are, over what of `base` has an effect in it."""
    if not base:
        return dict(arguments)
    values = {**base, **arguments}
    if "handler" in values:
        for name in _without_effect(values):
            if name in values and name not in options:
                del values[name]
    return values


def _without_effect(values: Mapping[str, Any]) -> Iterator[str]:
    """Fields that a job of this kind does not heed: the file's defaults mean others with them."""
    if not isinstance(values["handler"], CommandHandler | ShellHandler):
        yield from ("env", "cwd")
    if "cron" not in values:
        yield "dst"
        if "every" not in values and "at" not in values:
            yield from ("start_at", "end_at", "jitter", "starting_deadline")


def given_parts(options: Mapping[str, Any]) -> frozenset[str]:
    """What a job says of its own retries and timeout, as `Job.given` names it; `timeout: none` says all of it."""
    given = parts("retries", options.get("retries", ()))
    if "timeout" in options:
        whole = options["timeout"]
        given |= parts("timeout", ("after", "kill_after") if whole is None else whole)
    return frozenset(given)


def settings_values(options: Mapping[str, Any]) -> Settings:
    """The settings, each None where the file is silent."""
    queues = options.get("queues", {})
    return Settings(
        database=options.get("database"),
        threads=options.get("threads"),
        max_abandoned=options.get("max_abandoned"),
        pass_env=tuple(options["pass_env"]) if "pass_env" in options else None,
        heartbeat=options.get("heartbeat"),
        lease=options.get("lease"),
        grace=options.get("grace"),
        imports=tuple(options.get("imports", ())),
        history_max_age=options.get("history", {}).get("max_age"),
        poll=options.get("poll"),
        log_format=options.get("log_format"),
        queues={name: limits for name, queue in queues.items() if (limits := _queue_limits(queue)) != QueueLimits()},
        queue_threads={name: queue["threads"] for name, queue in queues.items() if "threads" in queue},
        api=_api(options.get("api", {})),
    )


def _api(options: Mapping[str, Any]) -> ApiSettings:
    return ApiSettings(
        tokens=dict(options.get("tokens", {})),
        hosts=tuple(options.get("hosts", ())),
        allow_definitions=options.get("allow_definitions", False),
    )


def _queue_limits(given: Mapping[str, Any]) -> QueueLimits:
    return QueueLimits(limit=given.get("limit"), rate=given.get("rate"), max_queued=given.get("max_queued"))


def _over(kind: type[_Group]) -> Callable[[dict[str, Any], _Group | None], _Group]:
    """Key by key: what is not given comes from the defaults."""

    def make(given: dict[str, Any], base: _Group | None) -> _Group:
        return replace(base, **given) if base is not None else kind(**given)

    return make


def _retries(given: dict[str, Any], base: Retries | None) -> Retries:
    named: dict[str, Any] = {field: tuple(given[field]) for field in ("retry_on", "no_retry_on") if field in given}
    return replace(base or Retries(), **{**given, **named})


def _timeout(given: dict[str, Any] | None, base: Timeout | None) -> Timeout | None:
    if given is None:
        return None
    return replace(base, **given) if base is not None else Timeout(**given)


def _concurrency(given: dict[str, Any], _: Concurrency | None) -> Concurrency:
    # Replaced as a whole: its parts only mean something together, and `concurrency: 3` always means forbid.
    if given.get("policy") == "allow":
        given = {"limit": None, **given}
    return Concurrency(**given)


def _http(given: dict[str, Any], _: object) -> HttpHandler:
    return HttpHandler(**{**given, "expect": tuple(given.get("expect", ()))})


def _calendar(given: dict[str, Any], _: object) -> CalendarUse:
    names: dict[str, Any] = {field: tuple(given[field]) for field in ("exclude", "only") if field in given}
    return CalendarUse(**{**given, **names})


def _on_failure(given: dict[str, Any] | None, _: object) -> OnFailure | None:
    # Replaced as a whole: a job that names another handler means nothing of the defaults' one.
    # Of none or several kinds another rule tells; here it must only not break.
    kind = next((name for name in given or () if name != "retries"), None)
    if given is None or kind is None:
        return None
    retries = {"retries": given["retries"]} if "retries" in given else {}
    return OnFailure(_TURNED[kind][1](given[kind], None), **retries)


def _alerts(given: dict[str, Any] | None, base: dict[str, Any] | None) -> dict[str, Any] | None:
    """Key by key, still as written: whom the names stand for is known once all files are read; see `alerts_of`."""
    if given is None:
        return None
    sla = {**(base or {}).get("sla", {}), **given.get("sla", {})}
    return {**(base or {}), **given, **({"sla": sla} if sla else {})}


def notifiers_of(entries: Mapping[str, Any]) -> dict[str, Notifier]:
    """By name; without those of which nothing can be made, which a rule reports."""
    found = {}
    for name, entry in entries.items():
        for kind, given in entry.items():
            if kind not in WORDS:
                target = AppriseHandler(tuple(given)) if kind == "apprise" else _TURNED[kind][1](given, None)
                found[name] = Notifier(name, target, **{word: entry[word] for word in WORDS if word in entry})
    return found


def kinds_told(given: Mapping[str, Any]) -> tuple[AlertKind, ...]:
    """What is told where `alerts` says this."""
    if "when" in given:
        return tuple(dict.fromkeys(AlertKind(kind) for kind in given["when"]))
    timed = (kind for kind, field in SLA_FIELDS.items() if field in given.get("sla", {}))
    return (*Alerts().when, *timed)


def alerts_of(given: Mapping[str, Any], notifiers: Mapping[str, Notifier], *, scheduled: bool) -> Alerts | None:
    """The value of `alerts`; None if it tells nothing. Of a job without a schedule no slot is late or missed."""
    when = tuple(kind for kind in kinds_told(given) if scheduled or kind not in {AlertKind.LATE, AlertKind.MISSED})
    names = dict.fromkeys(given.get("notify", ()))
    receivers = tuple(notifiers[name] for name in names if name in notifiers)
    further = {"throttle": given["throttle"]} if "throttle" in given else {}
    return Alerts(receivers, when, Sla(**given.get("sla", {})), **further) if when and receivers else None


_TURNED: dict[str, tuple[str, Callable[[Any, Any], Any]]] = {
    "handler": ("handler", lambda name, _: PythonHandler(name)),
    "command": ("handler", lambda argv, _: CommandHandler(tuple(argv))),
    "shell": ("handler", lambda script, _: ShellHandler(script)),
    "http": ("handler", _http),
    "cron": ("cron", lambda cron, _: tuple(cron)),
    "dst": ("dst", _over(Dst)),
    "calendar": ("calendar", _calendar),
    "concurrency": ("concurrency", _concurrency),
    "retries": ("retries", _retries),
    "timeout": ("timeout", _timeout),
    "history": ("history", _over(History)),
    "on_failure": ("on_failure", _on_failure),
    "alerts": ("alerts", _alerts),
    "ping": ("ping", lambda ping, _: Ping(**ping)),
    "env": ("env", lambda env, base: {**base, **env} if base else env),
    "tags": ("tags", lambda tags, _: tuple(tags)),
}
