"""What is no error and still worth saying: it may hang on today's date, or on the machine."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from jobsched.config import variables
from jobsched.config.diagnostics import Diagnostic, Diagnostics, Step
from jobsched.config.document import Document
from jobsched.config.messages import Finding
from jobsched.config.sources import Source
from jobsched.model.desired import DesiredState
from jobsched.model.durations import format_duration
from jobsched.model.handler import AppriseHandler, Handler, HttpHandler
from jobsched.model.job import Job
from jobsched.schedule.expression import LoneStep, is_valid, lone_steps, names_years
from jobsched.schedule.fields import DAY_OF_MONTH, HOUR, MINUTE, SECOND
from jobsched.schedule.other_crons import advice, is_each_second_of_some_minutes

#: Fields that are used as they are written, and what serves instead.
_LITERAL = {
    "command": "the program finds it in its environment; a `shell` expands its own variables",
    "cwd": "write the folder itself, or `cd` in a `shell`",
    "payload": "payloads are data; let the handler read its environment, or write `http: {json: …}`",
}


#: Fields of which a step is the same time anywhere.
_UNITS = {
    SECOND.name: timedelta(seconds=1),
    MINUTE.name: timedelta(minutes=1),
    HOUR.name: timedelta(hours=1),
    DAY_OF_MONTH.name: timedelta(days=1),
}


def warn(
    state: DesiredState,
    documents: Mapping[str, Document],
    sources: Sequence[Source],
    found: Diagnostics,
    environ: Mapping[str, str] | None,
    now: datetime | None,
) -> None:
    """Adds the warnings to `found`."""
    for source in sources:
        if source.writable_by_others:
            message = "users other than its owner can write this file, and what it says is run"
            found.add(Diagnostic(source.name, 1, 1, "warning", "", message, f"chmod go-w {source.name}"))
    if environ is not None and state.settings_file is not None:
        for name in _missing([state.settings.database or ""], environ):
            finding = _lacking("database", name)
            found.add(_warning(documents[state.settings_file], ("settings", *finding.path), finding))
    referring = {name for name, document in documents.items() if "${" in document.text}
    for name in referring:
        for finding in _literal_references(documents[name].value.get("defaults")):
            found.add(_warning(documents[name], ("defaults", *finding.path), finding))
    for name, job in state.jobs.items():
        document = documents[state.positions[name][0]]
        for finding in job_warnings(job, environ, now):
            found.add(_warning(document, ("jobs", name, *finding.path), finding))
        for finding in _literal_references(document.value["jobs"][name]) if document.name in referring else ():
            found.add(_warning(document, ("jobs", name, *finding.path), finding))


def job_warnings(job: Job, environ: Mapping[str, str] | None, now: datetime | None) -> Iterable[Finding]:
    return _warnings(job, environ, now) if _may_be_warned_of(job) else ()


def _may_be_warned_of(job: Job) -> bool:
    """Cheap: of most jobs there is nothing to say, whatever the day and the environment."""
    return (
        job.retries.delay > job.retries.max_delay
        or bool(job.at or job.end_at or job.env or job.on_failure or job.ping or job.alerts)
        or isinstance(job.handler, HttpHandler)
        or any(map(names_years, job.cron))
        or any(map(lone_steps, job.cron))
        or any(map(is_each_second_of_some_minutes, job.cron))
    )


def _warnings(job: Job, environ: Mapping[str, str] | None, now: datetime | None) -> Iterator[Finding]:
    if job.retries.max and job.retries.delay > job.retries.max_delay:
        delay, most = format_duration(job.retries.delay), format_duration(job.retries.max_delay)
        yield Finding(("retries",), f"the delay of {delay} is cut to max_delay, {most}", "set max_delay too")
    if now is not None and _may_be_over(job, now) and _is_over(job, now):
        field = "at" if job.at else "end_at" if job.end_at else "cron"
        yield Finding((field,), "the schedule lies wholly in the past; it will not run again")
    yield from _of_lone_steps(job.cron)
    yield from _of_seconds(job.cron)
    if environ is not None:
        for name in _missing(job.env.values(), environ) if job.env else ():
            yield _lacking("env", name)
        yield from _lacking_of_call("http", job.handler, environ)
        if job.on_failure is not None:
            yield from _lacking_of_call("on_failure", job.on_failure.handler, environ)
        if job.ping is not None:
            for name in _missing([job.ping.success or "", job.ping.failure or ""], environ):
                yield _lacking("ping", name)
        for notifier in job.alerts.notify if job.alerts is not None else ():
            yield from _lacking_of_call("alerts", notifier.target, environ)


def _of_lone_steps(cron: Sequence[str]) -> Iterator[Finding]:
    for number, expression in enumerate(cron):
        for lone in lone_steps(expression):
            yield _of_lone_step(("cron", number) if len(cron) > 1 else ("cron",), lone)


def _of_seconds(cron: Sequence[str]) -> Iterator[Finding]:
    for number, expression in enumerate(cron):
        if is_each_second_of_some_minutes(expression):
            path: tuple[Step, ...] = ("cron", number) if len(cron) > 1 else ("cron",)
            message = "the sixth field is the second: this is a slot in each second of its minutes"
            meant = advice(expression, is_valid)
            yield Finding(path, message, f"{meant}; write 0-59 if not" if meant else "write 0-59 if that is meant")


def _of_lone_step(path: tuple[Step, ...], lone: LoneStep) -> Finding:
    message = (
        f"{lone.field.name}: {lone.item} is {lone.value} alone, since a step of {lone.step} leads out of its range"
    )
    hint, unit = f"write {lone.value} if that is meant", _UNITS.get(lone.field.name)
    if unit is not None:
        hint += f"; for a slot each {format_duration(lone.step * unit)} there is `every`"
    return Finding(path, message, hint)


def _lacking_of_call(field: str, handler: Handler | AppriseHandler, environ: Mapping[str, str]) -> Iterator[Finding]:
    texts: list[str] = []
    if isinstance(handler, HttpHandler):
        texts = [handler.url, *handler.headers.values()]
    elif isinstance(handler, AppriseHandler):
        texts = [*handler.urls]
    for name in _missing(texts, environ):
        yield _lacking(field, name)


def _literal_references(given: Any) -> Iterator[Finding]:
    """In a mapping as the file has it: texts that are one reference and nothing else, where none is resolved."""
    fields = [field for field in _LITERAL if field in given] if isinstance(given, dict) else []
    waiting: list[tuple[tuple[Step, ...], Any]] = [((field,), given[field]) for field in fields]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, dict | list):
            pairs = value.items() if isinstance(value, dict) else enumerate(value)
            waiting.extend(((*path, step), each) for step, each in pairs)
        elif isinstance(value, str) and variables.is_reference(value):
            message = f"{value} is taken literally: references are resolved in settings, env and http alone"
            yield Finding(path, message, _LITERAL[str(path[0])])


def _may_be_over(job: Job, now: datetime) -> bool:
    """Cheap: most schedules have no end, and are not computed."""
    if job.at is not None:
        return job.at <= now
    if job.end_at is not None:
        return job.end_at <= now
    return any(map(names_years, job.cron))


def _is_over(job: Job, now: datetime) -> bool:
    from jobsched.schedule.schedule import schedule_of

    schedule = schedule_of(job)
    return schedule is not None and schedule.next_after(now) is None


def _missing(texts: Iterable[str], environ: Mapping[str, str]) -> list[str]:
    names = [name for text in texts for name in variables.required(text) if name not in environ]
    return list(dict.fromkeys(names))


def _lacking(field: str, name: str) -> Finding:
    return Finding(
        (field,), f"the environment has no variable {name}", f"set it where it is used, or write ${{{name}:-…}}"
    )


def _warning(document: Document, path: tuple[str | int, ...], finding: Finding) -> Diagnostic:
    existing, _ = document.existing(path)
    return document.diagnostic(existing, finding.message, finding.hint, of_key=existing != path, severity="warning")
