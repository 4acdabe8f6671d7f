"""A job as JSON with the field names of jobs.yaml: what a store keeps, and what a plan shows field by field.

Only what differs from the built-in defaults is written, in the shorthand a person would choose.
"""

import json
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, fields
from datetime import timedelta
from functools import lru_cache
from itertools import compress
from operator import attrgetter, is_not
from typing import Any, Final, NamedTuple, cast

from jobsched.model.alert import WORDS, AlertKind, Alerts, Notifier, Ping, Sla
from jobsched.model.durations import format_duration, parse_duration
from jobsched.model.handler import (
    Handler,
    HttpHandler,
    PythonHandler,
    handler_definition,
    handler_from_definition,
    target_definition,
    target_from_definition,
)
from jobsched.model.instants import format_instant, parse_instant
from jobsched.model.job import CalendarUse, Concurrency, Dst, History, Job, OnFailure, Retries, Timeout

HANDLER_KINDS = ("handler", "command", "shell", "http")
#: Not a field of jobs.yaml: beside them, in what a store keeps.
_GIVEN: Final = "given"


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field of jobs.yaml whose value differs; as JSON, with the built-in default where a definition is silent.

    A job that changes from one kind of handler to another has two: the old kind ends as None, the new one begins as None.
    """

    field: str
    old: Any
    new: Any


def definition(job: Job) -> dict[str, Any]:
    """The job without its namespace and name, as a file may say it, whatever came from the file's defaults."""
    return _definition(job, _encoded)


def stored_definition(job: Job) -> dict[str, Any]:
    """What a store keeps: `definition`, and what of it the job itself says; `job_from_definition` gives the same job back.

    To be read only: parts of it are those of other jobs too.
    """
    written = _definition(job, _encoded_once)
    if job.given:
        written[_GIVEN] = sorted(job.given)
    return written


def _definition(job: Job, encoded: Callable[[str, Any], Any]) -> dict[str, Any]:
    kind, value = handler_definition(job.handler)
    written: dict[str, Any] = {kind: value}
    values = _values(job)
    # Most fields are the very defaults: these are passed over without a step of Python for each.
    for name, value in compress(zip(_NAMES, values, strict=True), map(is_not, values, _DEFAULTS.values())):
        if value != _DEFAULTS[name]:
            written[name] = value if _CODECS[name] is None else encoded(name, value)
    return written


def job_from_definition(namespace: str, name: str, definition: Mapping[str, Any]) -> Job:
    """The inverse of `stored_definition`; what is not mentioned has the built-in default. Raises ValueError without a handler."""
    values: dict[str, Any] = {}
    for field, value in definition.items():
        if field in HANDLER_KINDS:
            values["handler"] = handler_from_definition(field, value)
        elif field == _GIVEN:
            values[field] = frozenset(value)
        else:
            codec = _CODECS[field]
            values[field] = value if codec is None else codec.decode(value)
    if "handler" not in values:
        raise ValueError(f"the definition of job {name!r} has none of {', '.join(HANDLER_KINDS)}")
    return Job(namespace=namespace, name=name, **values)


def job_differences(old: Job, new: Job) -> list[FieldChange]:
    """What an update changes, in the order of jobs.yaml; empty for jobs that are equal but for their names."""
    changes = _handler_differences(old.handler, new.handler)
    for name, _, codec in _FIELDS:
        before, after = getattr(old, name), getattr(new, name)
        if before != after or (name == "payload" and not _same_json(before, after)):
            changes.append(FieldChange(name, _shown(codec, before), _shown(codec, after)))
    return changes + _moved(old, new, {change.field for change in changes})


def default_of(field: str) -> Any:
    """The built-in default of a job's field, as JSON."""
    default, codec = _DEFAULTS[field], _CODECS[field]
    return _shown(codec, default)


def _handler_differences(old: Handler, new: Handler) -> list[FieldChange]:
    if old == new and (not isinstance(old, HttpHandler) or _same_json(old.json, cast("HttpHandler", new).json)):
        return []
    (old_kind, before), (new_kind, after) = handler_definition(old), handler_definition(new)
    if old_kind == new_kind:
        return [FieldChange(old_kind, before, after)]
    return [FieldChange(old_kind, before, None), FieldChange(new_kind, None, after)]


def _moved(old: Job, new: Job, changed: AbstractSet[str]) -> list[FieldChange]:
    """What is as it was but moved between the job and the file's defaults, and so goes before its handler's decorator, or no more."""
    if not (isinstance(old.handler, PythonHandler) and isinstance(new.handler, PythonHandler)):
        return []
    if all(part.partition(".")[0] in changed for part in old.given ^ new.given):
        return []
    return [FieldChange(_GIVEN, sorted(old.given), sorted(new.given))]


def _same_json(old: Any, new: Any) -> bool:
    """Python finds 1, 1.0 and True equal; JSON does not."""
    return old is new or json.dumps(old, sort_keys=True) == json.dumps(new, sort_keys=True)


class _Codec(NamedTuple):
    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]


def _encoded(field: str, value: Any) -> Any:
    codec = _CODECS[field]
    assert codec is not None
    return codec.encode(value)


def _encoded_once(field: str, value: Any) -> Any:
    """Thousands of jobs have few different ones of most fields."""
    return _remembered(field, value) if field in _ALIKE else _encoded(field, value)


_remembered: Final = lru_cache(maxsize=1024)(_encoded)
_ALIKE: Final = frozenset(
    {"every", "dst", "jitter", "concurrency", "starting_deadline", "retries", "timeout", "history"}
)


def _shown(codec: _Codec | None, value: Any) -> Any:
    return value if codec is None or value is None else codec.encode(value)


def _encode_duration(duration: timedelta) -> str | float:
    # Text has milliseconds; what is finer is written as a number of seconds, which is exact.
    return duration.total_seconds() if duration.microseconds % 1000 else format_duration(duration)


def _group(kind: type[Any], durations: frozenset[str], lists: frozenset[str] = frozenset()) -> _Codec:
    """A group of options as a JSON object of those that differ from the group's defaults."""
    names = [field.name for field in fields(kind)]
    values_of = attrgetter(*names)
    # A timeout has no default: all of it is written.
    defaults = (None,) * len(names) if kind is Timeout else values_of(kind())

    def encode(value: Any) -> Any:
        written = {}
        for name, each, default in zip(names, values_of(value), defaults, strict=True):
            if each != default:
                written[name] = _encode_duration(each) if name in durations else list(each) if name in lists else each
        return written

    def decode(written: Mapping[str, Any]) -> Any:
        values = dict(written)
        for name in written:
            if name in durations:
                values[name] = parse_duration(values[name])
            elif name in lists:
                values[name] = tuple(values[name])
        return kind(**values)

    return _Codec(encode, decode)


_RETRIES = _group(Retries, frozenset({"delay", "max_delay"}), frozenset({"retry_on", "no_retry_on"}))
_TIMEOUT = _group(Timeout, frozenset({"after", "kill_after"}))
_MAX_QUEUED: Final = Concurrency().max_queued
_KILL_AFTER: Final = Timeout(timedelta(0)).kill_after
_FAILURE_RETRIES: Final = OnFailure(PythonHandler("")).retries


def _encode_retries(retries: Retries) -> Any:
    written = _RETRIES.encode(retries)
    return written.get("max", 0) if written.keys() <= {"max"} else written


def _decode_retries(written: Any) -> Retries:
    retries: Retries = Retries(max=written) if isinstance(written, int) else _RETRIES.decode(written)
    return retries


def _encode_timeout(timeout: Timeout) -> Any:
    if timeout.kill_after == _KILL_AFTER:
        return _encode_duration(timeout.after)
    return _TIMEOUT.encode(timeout)


def _decode_timeout(written: Any) -> Timeout:
    timeout: Timeout = _TIMEOUT.decode(written if isinstance(written, dict) else {"after": written})
    return timeout


def _usual_limit(policy: str) -> int | None:
    return None if policy == "allow" else 1


def _encode_concurrency(concurrency: Concurrency) -> Any:
    written: dict[str, Any] = {}
    if concurrency.limit != _usual_limit(concurrency.policy):
        written["limit"] = concurrency.limit
    if concurrency.key is not None:
        written["key"] = concurrency.key
    if concurrency.max_queued != _MAX_QUEUED:
        written["max_queued"] = concurrency.max_queued
    if not written:
        return concurrency.policy
    if concurrency.policy == "forbid" and written.keys() == {"limit"} and concurrency.limit is not None:
        return concurrency.limit
    return {"policy": concurrency.policy, **written}


def _decode_concurrency(written: Any) -> Concurrency:
    if isinstance(written, int):
        return Concurrency(limit=written)
    if isinstance(written, str):
        written = {"policy": written}
    policy = written.get("policy", "forbid")
    return Concurrency(**{"limit": _usual_limit(policy), **written})


def _encode_on_failure(on_failure: OnFailure) -> Any:
    written = dict([handler_definition(on_failure.handler)])
    if on_failure.retries != _FAILURE_RETRIES:
        written["retries"] = on_failure.retries
    return written


def _decode_on_failure(written: Mapping[str, Any]) -> OnFailure:
    [(kind, value)] = [(field, value) for field, value in written.items() if field != "retries"]
    return OnFailure(handler_from_definition(kind, value), written.get("retries", _FAILURE_RETRIES))


_SLA = _group(Sla, frozenset({"late_after", "max_runtime", "max_time_since_success"}))


def _encode_notifier(notifier: Notifier) -> dict[str, Any]:
    words = {word: said for word in WORDS if (said := getattr(notifier, word)) is not None}
    return {**dict([target_definition(notifier.target)]), **words}


def _decode_notifier(name: str, written: Mapping[str, Any]) -> Notifier:
    words = {word: written[word] for word in WORDS if word in written}
    [target] = [item for item in written.items() if item[0] not in WORDS]
    return Notifier(name, target_from_definition(*target), **words)


def _encode_alerts(alerts: Alerts) -> Any:
    """Its notifiers with what they send with: whoever performs the runs may have no file."""
    plain = Alerts()
    written: dict[str, Any] = {"notify": {notifier.name: _encode_notifier(notifier) for notifier in alerts.notify}}
    if alerts.when != plain.when:
        written["when"] = [str(kind) for kind in alerts.when]
    if alerts.sla != plain.sla:
        written["sla"] = _SLA.encode(alerts.sla)
    if alerts.throttle != plain.throttle:
        written["throttle"] = _encode_duration(alerts.throttle)
    return written


def _decode_alerts(written: Mapping[str, Any]) -> Alerts:
    values: dict[str, Any] = {
        "notify": tuple(_decode_notifier(name, given) for name, given in written["notify"].items())
    }
    if "when" in written:
        values["when"] = tuple(map(AlertKind, written["when"]))
    if "sla" in written:
        values["sla"] = _SLA.decode(written["sla"])
    if "throttle" in written:
        values["throttle"] = parse_duration(written["throttle"])
    return Alerts(**values)


_DURATION = _Codec(_encode_duration, parse_duration)
_INSTANT = _Codec(format_instant, parse_instant)
_MAP = _Codec(dict, dict)

_ENCODINGS: Final[dict[str, _Codec]] = {
    "cron": _Codec(
        lambda cron: cron[0] if len(cron) == 1 else list(cron),
        lambda cron: (cron,) if isinstance(cron, str) else tuple(cron),
    ),
    "every": _DURATION,
    "at": _INSTANT,
    "dst": _group(Dst, frozenset()),
    "start_at": _INSTANT,
    "end_at": _INSTANT,
    "jitter": _DURATION,
    "calendar": _group(CalendarUse, frozenset(), frozenset({"exclude", "only"})),
    "payload": _MAP,
    "concurrency": _Codec(_encode_concurrency, _decode_concurrency),
    "starting_deadline": _DURATION,
    "retries": _Codec(_encode_retries, _decode_retries),
    "timeout": _Codec(_encode_timeout, _decode_timeout),
    "history": _group(History, frozenset({"max_age"})),
    "on_failure": _Codec(_encode_on_failure, _decode_on_failure),
    "alerts": _Codec(_encode_alerts, _decode_alerts),
    "ping": _group(Ping, frozenset()),
    "env": _MAP,
    "tags": _Codec(list, tuple),
}

# Every job is compared with one that has nothing but defaults, so a default is stated in job.py alone.
_PLAIN: Final = Job(namespace="", name="", handler=PythonHandler(""))
_FIELDS: Final[tuple[tuple[str, Any, _Codec | None], ...]] = tuple(
    (field.name, getattr(_PLAIN, field.name), _ENCODINGS.get(field.name))
    for field in fields(Job)
    if field.name not in {"namespace", "name", "handler", _GIVEN}
)
_values: Final = attrgetter(*(name for name, _, _ in _FIELDS))
_NAMES: Final = tuple(name for name, _, _ in _FIELDS)
_DEFAULTS: Final = {name: default for name, default, _ in _FIELDS}
_CODECS: Final = {name: codec for name, _, codec in _FIELDS}
