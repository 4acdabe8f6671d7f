"""jobsched next."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING
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
    """Show the next slots of JOB (as ./jobs.yaml declares it, else as the database has it), or of a cron expression."""
    if bool(job) == bool(expressions):
        raise click.UsageError("give a JOB or --cron EXPR")
    start = _instant(after)
    if job:
        target = find_target(database, namespace)
        schedule, zone = _of_job(job, timezone, target)
        _say_pause(job, target)
    else:
        schedule, zone = _of_cron(expressions, timezone or "UTC")
    slots: list[datetime] = []
    while schedule is not None and len(slots) < count and (slot := schedule.next_after(slots[-1] if slots else start)):
        slots.append(slot)
    _show(slots, zone, start, "FROM NOW" if after is None else "AFTER", output)


def _instant(text: str | None) -> datetime:
    from jobsched.clock import SystemClock
    from jobsched.model.instants import parse_instant

    if text is None:
        return SystemClock().now()
    try:
        return parse_instant(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--after") from None


def _of_job(name: str, timezone: str | None, target: "Target") -> "tuple[Schedule | None, ZoneInfo]":
    from jobsched.schedule.schedule import schedule_of
    from jobsched.schedule.zones import zone_of

    job = _job_of_file(name) or _job_of_store(name, target)
    if not (job.cron or job.every or job.at):
        say(f"{name} has no schedule: it runs by trigger only", err=True)
    elif job.suspend:
        say(f"{name} is suspended: none of these is fired until its suspend is removed", err=True)
    with _wrong_usage("--timezone"):
        zone = zone_of(timezone or job.timezone)
    return schedule_of(job), zone


def _job_of_file(name: str) -> "Job | None":
    """As ./jobs.yaml declares it; None if there is no such file, or no such job in it."""
    from jobsched.config.load import load

    return load([DEFAULT_FILE], os.environ).jobs.get(name) if DEFAULT_FILE.exists() else None


def _job_of_store(name: str, target: "Target") -> "Job":
    with client_of(target) as client:
        return client.job(name).job


def _say_pause(name: str, target: "Target") -> None:
    """A file does not know of it; the database does, if there is one."""
    from jobsched.model.pause import Pauses

    with suppress(JobschedError), client_of(target) as client:
        pause = Pauses(client.pauses()).of_job(name)
        if pause is not None:
            say(line_with_way_out(pause, client.store.now()), err=True)


def _of_cron(expressions: tuple[str, ...], timezone: str) -> "tuple[Schedule, ZoneInfo]":
    from jobsched.schedule.cron import CronSchedule
    from jobsched.schedule.schedule import union
    from jobsched.schedule.zones import zone_of

    with _wrong_usage("--timezone"):
        zone = zone_of(timezone)
    with _wrong_usage("--cron"):
        return union([CronSchedule(text, timezone) for text in expressions]), zone


@contextmanager
def _wrong_usage(option: str) -> Iterator[None]:
    """What makes no schedule is a wrong value of this option."""
    try:
        yield
    except ScheduleError as error:
        raise click.BadParameter(str(error), param_hint=option) from None


def _show(slots: list[datetime], zone: ZoneInfo, start: datetime, distance: str, output: str) -> None:
    from jobsched.model.instants import format_instant
    from jobsched.model.report import slot_as_json
    from jobsched.model.wording import rough

    if output == "json":
        print_json([slot_as_json(slot, zone) for slot in slots])
        return
    rows = [[slot.astimezone(zone).isoformat(sep=" "), format_instant(slot), rough(slot - start)] for slot in slots]
    print_table(["SLOT", "UTC", distance], rows, empty="no further slot")
