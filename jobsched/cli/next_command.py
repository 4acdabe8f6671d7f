"""jobsched next."""

import heapq
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

import click

from jobsched.cli.names import job_names
from jobsched.cli.output import print_json, print_table, say
from jobsched.cli.pause_text import line_with_way_out
from jobsched.cli.target import DEFAULT_FILE, Target, client_of, database_option, find_target, namespace_option
from jobsched.errors import JobschedError, ScheduleError

if TYPE_CHECKING:
    from jobsched.model.job import Job
    from jobsched.schedule.schedule import Schedule


class _Slot(NamedTuple):
    """A slot, the zone to show it in, and whose it is, if that is not plain."""

    at: datetime
    zone: ZoneInfo
    job: str | None = None


@click.command("next")
@click.argument("job", required=False, shell_complete=job_names)
@click.option("--cron", "expressions", metavar="EXPR", multiple=True, help="A cron expression instead of a job.")
@click.option(
    "--timezone", default=None, metavar="ZONE", help="Zone of --cron, and of the times shown; default UTC or the job's."
)
@click.option(
    "--after", default=None, metavar="T", help="RFC 3339 instant to start from, itself excluded; default now."
)
@click.option("-n", "--count", default=5, show_default=True, type=click.IntRange(1, 10_000), help="How many.")
@database_option
@namespace_option
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="Form of the output.",
)
def command(
    job: str | None,
    *,
    expressions: tuple[str, ...],
    timezone: str | None,
    after: str | None,
    count: int,
    database: str | None,
    namespace: str | None,
    output: str,
) -> None:
    """Show the next slots of JOB (as ./jobs.yaml declares it, else as the database has it), of a cron expression, or of all jobs."""
    if job and expressions:
        raise click.UsageError("give a JOB or --cron EXPR, or neither for all jobs")
    start = _instant(after)
    if expressions:
        slots = _of_cron(expressions, timezone or "UTC", start)
    elif job:
        slots = _of_job(job, timezone, find_target(database, namespace), start)
    else:
        slots = _of_all(timezone, find_target(database, namespace), start)
    _show(list(islice(slots, count)), start, "FROM NOW" if after is None else "AFTER", output)


def _instant(text: str | None) -> datetime:
    from jobsched.clock import SystemClock
    from jobsched.model.instants import parse_instant

    if text is None:
        return SystemClock().now()
    try:
        return parse_instant(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--after") from None


def _of_job(name: str, timezone: str | None, target: "Target", start: datetime) -> Iterator[_Slot]:
    job = (_jobs_of_file(target) or {}).get(name) or _job_of_store(name, target)
    if not (job.cron or job.every or job.at):
        say(f"{name} has no schedule: it runs by trigger only", err=True)
    elif job.suspend:
        say(f"{name} is suspended: none of these is fired until its suspend is removed", err=True)
    slots = _coming(job, None, _zone(timezone or job.timezone), start)
    _say_pauses([name], target)
    return slots


def _of_all(timezone: str | None, target: "Target", start: datetime) -> Iterator[_Slot]:
    """Of those that are fired, in the order of time."""
    jobs = _all_jobs(target)
    if not jobs:
        say("no jobs; declare some in jobs.yaml", err=True)
    suspended = sorted(name for name, job in jobs.items() if job.suspend)
    if suspended:
        named = ", ".join(suspended[:3]) + (f" and {len(suspended) - 3} more" if len(suspended) > 3 else "")
        say(f"suspended, and left out: {named}", err=True)
    fired = [jobs[name] for name in sorted(jobs) if not jobs[name].suspend]
    _say_pauses([job.name for job in fired], target)
    zones = {zone: _zone(zone) for zone in {timezone or job.timezone for job in fired}}
    return heapq.merge(
        *(_coming(job, job.name, zones[timezone or job.timezone], start) for job in fired), key=lambda slot: slot.at
    )


def _coming(job: "Job", name: str | None, zone: ZoneInfo, start: datetime) -> Iterator[_Slot]:
    from jobsched.schedule.schedule import schedule_of

    return _slots(schedule_of(job), name, zone, start)


def _slots(schedule: "Schedule | None", name: str | None, zone: ZoneInfo, start: datetime) -> Iterator[_Slot]:
    slot = schedule.next_after(start) if schedule else None
    while schedule is not None and slot is not None:
        yield _Slot(slot, zone, name)
        slot = schedule.next_after(slot)


def _all_jobs(target: "Target") -> Mapping[str, "Job"]:
    """Those that ./jobs.yaml declares, and those made at run time; without such a file those that the database has."""
    from jobsched.model.state import Origin

    declared = _jobs_of_file(target)
    if declared is None:
        with client_of(target) as client:
            return {stored.job.name: stored.job for stored in client.jobs()}
    with suppress(JobschedError), client_of(target) as client:
        made = {stored.job.name: stored.job for stored in client.jobs() if stored.origin is not Origin.FILE}
        return {**made, **declared}
    return declared


def _jobs_of_file(target: "Target") -> Mapping[str, "Job"] | None:
    """As ./jobs.yaml declares them; None if there is no such file, or it is of another namespace than what is asked about."""
    from jobsched.config.load import load

    if not DEFAULT_FILE.exists():
        return None
    state = load([DEFAULT_FILE], os.environ)
    return state.jobs if state.namespace == target.namespace else None


def _job_of_store(name: str, target: "Target") -> "Job":
    with client_of(target) as client:
        return client.job(name).job


def _say_pauses(names: list[str], target: "Target") -> None:
    """What holds any of these jobs. A file does not know of it; the database does, if there is one."""
    from jobsched.model.pause import Pauses

    with suppress(JobschedError), client_of(target) as client:
        pauses = Pauses(client.pauses())
        holding = dict.fromkeys(pause for name in names if (pause := pauses.of_job(name)) is not None)
        for pause in holding:
            say(line_with_way_out(pause, client.store.now()), err=True)


def _of_cron(expressions: tuple[str, ...], timezone: str, start: datetime) -> Iterator[_Slot]:
    from jobsched.schedule.cron import CronSchedule
    from jobsched.schedule.schedule import union

    zone = _zone(timezone)
    with _wrong_usage("--cron"):
        return _slots(union([CronSchedule(text, timezone) for text in expressions]), None, zone, start)


def _zone(name: str) -> ZoneInfo:
    from jobsched.schedule.zones import zone_of

    with _wrong_usage("--timezone"):
        return zone_of(name)


@contextmanager
def _wrong_usage(option: str) -> Iterator[None]:
    """What makes no schedule is a wrong value of this option."""
    try:
        yield
    except ScheduleError as error:
        raise click.BadParameter(str(error), param_hint=option) from None


def _show(slots: list[_Slot], start: datetime, distance: str, output: str) -> None:
    from jobsched.model.instants import format_instant
    from jobsched.model.report import slot_as_json
    from jobsched.model.wording import rough

    if output == "json":
        print_json([({"job": slot.job} if slot.job else {}) | slot_as_json(slot.at, slot.zone) for slot in slots])
        return
    rows = [
        [
            slot.at.astimezone(slot.zone).isoformat(sep=" "),
            slot.job or format_instant(slot.at),
            rough(slot.at - start),
        ]
        for slot in slots
    ]
    print_table(["SLOT", "JOB" if slots and slots[0].job else "UTC", distance], rows, empty="no further slot")
