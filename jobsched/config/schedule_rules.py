"""What the fields that say when a job runs demand of each other, and whether it can ever run."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from jobsched.config.messages import Finding
from jobsched.config.schema import SCHEDULE_KINDS
from jobsched.errors import CronError, ScheduleError
from jobsched.model.durations import format_duration
from jobsched.model.handler import PythonHandler
from jobsched.model.instants import format_instant
from jobsched.model.job import Dst, Job
from jobsched.schedule.expression import is_plain, names_years, parse_expression, uses_hash
from jobsched.schedule.zones import zone_of

_SCHEDULES = frozenset(SCHEDULE_KINDS)
_FIELDS = (*SCHEDULE_KINDS, "timezone", "dst", "start_at", "end_at")
_ENDS = frozenset({"start_at", "end_at"})
_PLAIN_DST = Dst()
# Fixed instants, so that the verdict on a job is the same on every day. No year of a cron expression lies before
# 1970; for gaps between slots, years of the cron field may lie before the sample.
_BEFORE_ALL_SLOTS = datetime(1969, 12, 30, tzinfo=UTC)
_SAMPLE_FROM = datetime(2024, 1, 1, tzinfo=UTC)
_SAMPLE_SLOTS = 64


def schedule_findings(
    name: str, given: Mapping[str, Any], values: Mapping[str, Any], doubtful: frozenset[str] = frozenset()
) -> Iterator[Finding]:
    """`given`: the job's mapping in the file; `values`: arguments of Job, the defaults among them.

    Nothing is said that depends on a `doubtful` field.
    """
    zone = values.get("timezone", "UTC")
    wrong = list(zone_findings(zone)) if "timezone" in given else []
    if "cron" in given:
        wrong.extend(_cron(name, given["cron"], values["cron"]))
    start, end = values.get("start_at"), values.get("end_at")
    known = doubtful.isdisjoint(_ENDS)
    if known and start is not None and end is not None and start >= end:
        field = "end_at" if "end_at" in given else "start_at"
        wrong.append(Finding((field,), "start_at must lie before end_at"))
    yield from wrong
    if wrong or _zone_error(zone) is not None or len(_SCHEDULES.intersection(given)) != 1:
        return
    if doubtful.isdisjoint(_FIELDS):
        yield from _never(name, given, values)
    if values.get("jitter") and doubtful.isdisjoint({"jitter", *SCHEDULE_KINDS, "timezone", "dst"}):
        yield from _jitter(name, given, values)


def cron_findings(
    name: str, given: Mapping[str, Any], values: Mapping[str, Any], doubtful: frozenset[str] = frozenset()
) -> Iterable[Finding]:
    """As `schedule_findings`, of a job that says when it runs by `cron` and a zone alone: with less work for most of them."""
    if _zone_error(values.get("timezone", "UTC")) is None and all(map(is_plain, values["cron"])):
        return ()
    return schedule_findings(name, given, values, doubtful)


def ineffective_fields(given: Mapping[str, Any]) -> Iterator[Finding]:
    """Of a job's own fields, those that its kind of schedule, or having none, leaves without effect."""
    if "dst" in given and "cron" not in given:
        yield Finding(("dst",), "`dst` is for `cron`; it has no effect here", of_key=True)
    if _SCHEDULES.isdisjoint(given):
        for field in ("start_at", "end_at", "jitter", "starting_deadline"):
            if field in given:
                message = f"`{field}` is for `cron`, `every` and `at`; it has no effect here"
                yield Finding((field,), message, of_key=True)


def zone_findings(name: str) -> Iterator[Finding]:
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


def _cron_error(expression: str, job_name: str | None) -> str | None:
    try:
        parse_expression(expression, job_name)
    except CronError as error:
        return str(error)
    return None


def _never(name: str, given: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[Finding]:
    """A schedule without any slot; one whose slots all lie in the past is none of these."""
    start, end = values.get("start_at"), values.get("end_at")
    at = values.get("at")
    if at is not None:
        if start is not None and at < start:
            yield Finding(("at",), f"lies before start_at, {format_instant(start)}: it never fires")
        if end is not None and at > end:
            yield Finding(("at",), f"lies after end_at, {format_instant(end)}: it never fires")
    elif _may_be_empty(values) and _first_slot(name, values) is None:
        field = next(each for each in ("end_at", "start_at", *SCHEDULE_KINDS) if each in given)
        yield Finding((field,), *_why_never(name, values))


def _may_be_empty(values: Mapping[str, Any]) -> bool:
    """Cheap: most schedules go on for ever, whenever they begin, and are not computed."""
    if "end_at" in values:
        return True
    cron = values.get("cron", ())
    return bool(cron) and (values.get("dst", _PLAIN_DST).gap == "skip" or any(map(names_years, cron)))


def _why_never(name: str, values: Mapping[str, Any]) -> tuple[str, str]:
    """Message and hint."""
    start, end = values.get("start_at"), values.get("end_at")
    match start is not None, end is not None:
        case True, True:
            message = "no slot lies between start_at and end_at: it never fires"
        case True, False:
            message = "no slot lies after start_at: it never fires"
        case False, True:
            message = "no slot lies before end_at: it never fires"
        case _:
            return "the clocks jump over all its times, and `dst` skips those: it never fires", ""
    unending = {field: value for field, value in values.items() if field != "end_at"}
    first = _first_slot(name, unending) if end is not None else None
    return message, f"the first one is {format_instant(first)}" if first else ""


def _first_slot(name: str, values: Mapping[str, Any]) -> datetime | None:
    from jobsched.schedule.schedule import schedule_of

    fields = {field: values[field] for field in _FIELDS if field in values}
    schedule = schedule_of(Job(namespace="", name=name, handler=PythonHandler(""), **fields))
    return schedule.next_after(_BEFORE_ALL_SLOTS) if schedule else None


def _jitter(name: str, given: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[Finding]:
    jitter = values["jitter"]
    period = values.get("every")
    if period is None and values.get("cron"):
        hashed = any(uses_hash(expression) for expression in values["cron"])
        period = _shortest_gap(
            values["cron"], values.get("timezone", "UTC"), values.get("dst", _PLAIN_DST), name if hashed else ""
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
