"""What the fields of a job, or of the settings, demand of each other."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Any, Protocol

from jobsched.config.messages import Finding
from jobsched.config.payload import payload_findings
from jobsched.config.schedule_rules import cron_findings, ineffective_fields, schedule_findings, zone_findings
from jobsched.config.schema import SCHEDULE_KINDS
from jobsched.model.definition import HANDLER_KINDS
from jobsched.model.desired import Settings
from jobsched.model.durations import format_duration
from jobsched.model.job import Concurrency
from jobsched.model.keys import field_of, is_reference, refers
from jobsched.model.text import storable

DEFAULT_HEARTBEAT, DEFAULT_LEASE = timedelta(seconds=10), timedelta(seconds=30)

_KINDS, _SCHEDULES = frozenset(HANDLER_KINDS), frozenset(SCHEDULE_KINDS)
_PLAIN_CONCURRENCY = Concurrency()
#: Where a job has none of these, of its own or by the defaults, there is nothing to say of them.
_OF_CONCURRENCY = frozenset({"concurrency", "catch_up"})
_OF_SCHEDULE = frozenset({"timezone", "dst", "start_at", "end_at", "jitter", *SCHEDULE_KINDS})
_OF_CRON = frozenset({"cron", "timezone"})


def kind_findings(given: Mapping[str, Any]) -> Iterator[Finding]:
    """Of a job's own mapping, whatever its values: not exactly one thing to perform, or more than one schedule."""
    yield from _handler_kind(given)
    yield from _schedule_kind(given)


def job_findings(
    name: str, given: Mapping[str, Any], values: Mapping[str, Any], doubtful: frozenset[str] = frozenset()
) -> list[Finding]:
    """`given`: the job's mapping in the file; `values`: arguments of Job, the defaults among them.

    Nothing is said that depends on a `doubtful` field.
    """
    found: list[Finding] = []
    for rule in _rules_of(tuple(given), tuple(values)):
        found += rule(name, given, values, doubtful)
    return found


class _Rule(Protocol):
    """As `job_findings`, of some fields."""

    def __call__(
        self, name: str, given: Mapping[str, Any], values: Mapping[str, Any], doubtful: frozenset[str], /
    ) -> Iterable[Finding]: ...


@lru_cache(maxsize=1024)  # thousands of jobs have the same few fields
def _rules_of(given: tuple[str, ...], values: tuple[str, ...]) -> tuple[_Rule, ...]:
    """Those that may find something in a job of these fields and arguments."""
    rules: list[_Rule] = []
    if not _OF_CONCURRENCY.isdisjoint(values):
        rules.append(_concurrency)
    if not _OF_SCHEDULE.isdisjoint(values):
        alone = "cron" in given and _OF_SCHEDULE.intersection(values) <= _OF_CRON
        rules.append(cron_findings if alone else schedule_findings)
    rules += (rule for field, rule in _OF_ONE_FIELD.items() if field in given)
    return tuple(rules)


def effect_findings(given: Mapping[str, Any], wrong: frozenset[str] = frozenset()) -> Iterator[Finding]:
    """Fields of a job's own mapping that change nothing in it. Inherited ones are meant for other jobs of the file.

    Of those that are `wrong` enough is said already.
    """
    if "command" not in given and "shell" not in given:
        for field in ("env", "cwd", "user", "umask"):
            if field in given and field not in wrong:
                yield Finding((field,), f"`{field}` is for `command` and `shell`; it has no effect here", of_key=True)
    if "handler" not in given and "executor" in given and "executor" not in wrong:
        yield Finding(("executor",), "`executor` is for a Python `handler`; it has no effect here", of_key=True)
    yield from (finding for finding in ineffective_fields(given) if finding.path[0] not in wrong)


def default_findings(given: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[Finding]:
    """Of a file's `defaults`: what is wrong whatever the job."""
    if "timezone" in given:
        yield from zone_findings(values["timezone"])
    if "payload" in given:
        yield from payload_findings(given["payload"])
    yield from _on_failure(given.get("on_failure"))


def settings_findings(settings: Settings, doubtful: frozenset[str] = frozenset()) -> Iterator[Finding]:
    """Nothing is said that depends on a `doubtful` field."""
    if not doubtful.isdisjoint({"heartbeat", "lease"}):
        return
    heartbeat, lease = settings.heartbeat or DEFAULT_HEARTBEAT, settings.lease or DEFAULT_LEASE
    problem = lease_finding(heartbeat, lease)
    if problem is not None:
        field = "lease" if settings.lease else "heartbeat"
        yield Finding((field,), problem, f"write lease: {format_duration(3 * heartbeat)} or more")


def lease_finding(heartbeat: timedelta, lease: timedelta) -> str | None:
    """A lease must survive two heartbeats that were lost."""
    if lease >= 3 * heartbeat:
        return None
    return f"a lease of {format_duration(lease)} is less than 3 heartbeats of {format_duration(heartbeat)}"


def _handler_kind(given: Mapping[str, Any], what: str = "job") -> Iterator[Finding]:
    kinds = [kind for kind in given if kind in _KINDS]
    if not kinds:
        yield Finding((), "nothing to perform", "write one of `handler`, `command`, `shell`, `http`", of_key=True)
    for kind in kinds[1:]:
        yield Finding((kind,), f"`{kinds[0]}` and `{kind}` in one {what}; a {what} performs one thing", of_key=True)


def _payload(_: str, given: Mapping[str, Any], *_others: object) -> Iterable[Finding]:
    return payload_findings(given["payload"])


def _http(_: str, given: Mapping[str, Any], *_others: object) -> Iterable[Finding]:
    return payload_findings(given["http"].get("json"), ("http", "json"))


def _on_failure_of(_: str, given: Mapping[str, Any], *_others: object) -> Iterable[Finding]:
    return _on_failure(given["on_failure"])


def _on_failure(options: Any) -> Iterator[Finding]:
    if isinstance(options, Mapping):
        found = [*_handler_kind(options, "handler of failures")]
        if isinstance(options.get("http"), Mapping):
            found += payload_findings(options["http"].get("json"), ("http", "json"))
        for finding in found:
            yield finding._replace(path=("on_failure", *finding.path))


def _schedule_kind(given: Mapping[str, Any]) -> Iterator[Finding]:
    kinds = [kind for kind in given if kind in _SCHEDULES]
    for kind in kinds[1:]:
        hint = "`cron` takes a list of expressions" if "cron" in kinds else ""
        yield Finding((kind,), f"`{kinds[0]}` and `{kind}` in one job; a job has one schedule", hint, of_key=True)


def _concurrency(
    _: str, given: Mapping[str, Any], values: Mapping[str, Any], doubtful: frozenset[str]
) -> Iterator[Finding]:
    if "concurrency" in doubtful:
        return
    concurrency: Concurrency = values.get("concurrency", _PLAIN_CONCURRENCY)
    if concurrency.policy == "allow" and concurrency.limit is not None:
        yield Finding(
            ("concurrency", "limit"),
            "a limit with policy allow",
            "remove the limit, or take policy forbid or queue",
            of_key=True,
        )
    if concurrency.key is not None and "payload" not in doubtful:
        yield from _key(concurrency, given, values)
    if values.get("catch_up") == "all" and "catch_up" not in doubtful and concurrency.policy in {"forbid", "replace"}:
        field = "catch_up" if "catch_up" in given or "concurrency" not in given else "concurrency"
        yield Finding(
            (field,),
            f"catch_up all needs concurrency queue or allow; with {concurrency.policy} the missed slots would skip each other",
            "write concurrency: queue",
        )


def _key(concurrency: Concurrency, given: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[Finding]:
    key, place = concurrency.key, ("concurrency", "key")
    assert key is not None
    if concurrency.policy == "allow":
        yield Finding(place, "a key with policy allow", "remove the key, or take policy forbid or queue", of_key=True)
    elif storable(key) != key:
        yield Finding(place, "a key holds no NUL and no lone surrogate")
    elif refers(key) and not is_reference(key):
        yield Finding(place, f"{key!r} names no field of the payload", "write it like payload.region")
    elif refers(key):
        value = field_of(key, values.get("payload", {}))
        if isinstance(value, dict | list):
            yield Finding(place, f"{key} is a {'mapping' if isinstance(value, dict) else 'list'}; a key is one value")
        elif value is None and not _SCHEDULES.isdisjoint(given):
            yield Finding(place, f"the payload has no {key.removeprefix('payload.')}", "add it to the payload")


#: Rules of a job's own fields.
_OF_ONE_FIELD: dict[str, _Rule] = {"payload": _payload, "http": _http, "on_failure": _on_failure_of}
