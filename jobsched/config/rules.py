"""What the fields of a job, or of the settings, demand of each other."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from jobsched.config.messages import Finding
from jobsched.config.payload import payload_findings
from jobsched.config.schema import SCHEDULE_KINDS
from jobsched.errors import CronError, ScheduleError
from jobsched.model.definition import HANDLER_KINDS
from jobsched.model.durations import format_duration
from jobsched.model.handler import PythonHandler
from jobsched.model.job import Concurrency, Dst, Job
from jobsched.model.state import Settings
from jobsched.schedule.expression import parse_expression, uses_hash
from jobsched.schedule.zones import zone_of

DEFAULT_HEARTBEAT, DEFAULT_LEASE = timedelta(seconds=10), timedelta(seconds=30)

_KINDS, _SCHEDULES = frozenset(HANDLER_KINDS), frozenset(SCHEDULE_KINDS)
_PLAIN_CONCURRENCY = Concurrency()
# A fixed instant, so that the verdict on a job is the same on every day; years of the cron field may lie before it.
_SAMPLE_FROM = datetime(2024, 1, 1, tzinfo=UTC)
_SAMPLE_SLOTS = 64


def job_findings(name: str, given: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[Finding]:
    """`given`: the job's mapping in the file; `values`: arguments of Job, the defaults among them."""
    yield from _handler_kind(given)
    yield from _schedule_kind(given)
    yield from _process_fields(given)
    yield from _concurrency(given, values)
    yield from schedule_findings(name, given, values)
    if "payload" in given:
        yield from payload_findings(given["payload"])
    if "http" in given:
        yield from payload_findings(given["http"].get("json"), ("http", "json"))


def default_findings(given: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[Finding]:
    """Of a file's `defaults`: what is wrong whatever the job."""
    if "timezone" in given:
        yield from _zone(values["timezone"])
    if "payload" in given:
        yield from payload_findings(given["payload"])


def settings_findings(settings: Settings) -> Iterator[Finding]:
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


def _handler_kind(given: Mapping[str, Any]) -> Iterator[Finding]:
    kinds = [kind for kind in given if kind in _KINDS]
    if not kinds:
        yield Finding((), "nothing to perform", "write one of `handler`, `command`, `shell`, `http`", of_key=True)
    for kind in kinds[1:]:
        yield Finding((kind,), f"`{kinds[0]}` and `{kind}` in one job; a job performs one thing", of_key=True)


def _schedule_kind(given: Mapping[str, Any]) -> Iterator[Finding]:
    kinds = [kind for kind in given if kind in _SCHEDULES]
    for kind in kinds[1:]:
        hint = "`cron` takes a list of expressions" if "cron" in kinds else ""
        yield Finding((kind,), f"`{kinds[0]}` and `{kind}` in one job; a job has one schedule", hint, of_key=True)


def _process_fields(given: Mapping[str, Any]) -> Iterator[Finding]:
    if "command" in given or "shell" in given:
        return
    for field in ("env", "cwd"):
        if field in given:
            yield Finding((field,), f"`{field}` is for `command` and `shell`; it has no effect here", of_key=True)


def _concurrency(given: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[Finding]:
    concurrency: Concurrency = values.get("concurrency", _PLAIN_CONCURRENCY)
    if concurrency.policy == "allow" and concurrency.limit is not None:
        yield Finding(
            ("concurrency", "limit"),
            "a limit with policy allow",
            "remove the limit, or take policy forbid or queue",
            of_key=True,
        )
    if values.get("catch_up") == "all" and concurrency.policy in {"forbid", "replace"}:
        field = "catch_up" if "catch_up" in given or "concurrency" not in given else "concurrency"
        yield Finding(
            (field,),
            f"catch_up all needs concurrency queue or allow; with {concurrency.policy} the missed slots would skip each other",
            "write concurrency: queue",
        )


def schedule_findings(name: str, given: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[Finding]:
    """Zone, expressions, bounds and jitter."""
    zone = values.get("timezone", "UTC")
    wrong = list(_zone(zone)) if "timezone" in given else []
    if "cron" in given:
        wrong.extend(_cron(name, given["cron"], values["cron"]))
    yield from wrong
    start, end = values.get("start_at"), values.get("end_at")
    if start is not None and end is not None and start >= end:
        field = "end_at" if "end_at" in given else "start_at"
        yield Finding((field,), "start_at must lie before end_at")
    if values.get("jitter") and not wrong and _zone_error(zone) is None:
        yield from _jitter(name, given, values)


def _zone(name: str) -> Iterator[Finding]:
    error = _zone_error(name)
    if error is not None:
        yield Finding(("timezone",), error)


@lru_cache(maxsize=1024)
def _zone_error(name: str) -> str | None:
    try:
        zone_of(name)
    except ScheduleError as error:
        return str(error)
    return None


def _cron(name: str, written: Any, expressions: tuple[str, ...]) -> Iterator[Finding]:
    for number, expression in enumerate(expressions):
        # Jobs share expressions; only one with an H is another one in every job.
        error = _cron_error(expression, name if uses_hash(expression) else None)
        if error is not None:
            yield Finding(("cron", number) if isinstance(written, list) else ("cron",), error)


@lru_cache(maxsize=65_536)
def _cron_error(expression: str, job_name: str | None) -> str | None:
    try:
        parse_expression(expression, job_name)
    except CronError as error:
        return str(error)
    return None


def _jitter(name: str, given: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[Finding]:
    jitter = values["jitter"]
    period = values.get("every")
    if period is None and values.get("cron"):
        hashed = any(uses_hash(expression) for expression in values["cron"])
        period = _shortest_gap(
            values["cron"], values.get("timezone", "UTC"), values.get("dst", Dst()), name if hashed else ""
        )
    if period is not None and jitter >= period:
        field = "jitter" if "jitter" in given else next(kind for kind in given if kind in _SCHEDULES)
        yield Finding(
            (field,),
            f"a jitter of {format_duration(jitter)} is not less than the {format_duration(period)} between two slots",
        )


@lru_cache(maxsize=4096)
def _shortest_gap(cron: tuple[str, ...], timezone: str, dst: Dst, name: str) -> timedelta | None:
    """The least time between the next slots after a fixed instant; None where there are fewer than two."""
    from jobsched.schedule.schedule import schedule_of

    job = Job(namespace="", name=name, handler=PythonHandler(""), cron=cron, timezone=timezone, dst=dst)
    schedule = schedule_of(job)
    slot = schedule.next_after(_SAMPLE_FROM) if schedule else None
    shortest = None
    for _ in range(_SAMPLE_SLOTS):
        after = schedule.next_after(slot) if schedule and slot else None
        if after is None or slot is None:
            break
        shortest = min(shortest or after - slot, after - slot)
        slot = after
    return shortest
