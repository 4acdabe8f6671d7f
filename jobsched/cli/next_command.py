"""jobsched next."""

import os
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from jobsched.cli.output import print_json, print_table
from jobsched.cli.target import DEFAULT_FILE, files
from jobsched.errors import UnknownJobError

if TYPE_CHECKING:
    from jobsched.schedule.schedule import Schedule


@click.command("next")
@click.argument("job", required=False)
@click.option("--cron", "expressions", metavar="EXPR", multiple=True, help="A cron expression instead of a job.")
@click.option(
    "--timezone", default=None, metavar="ZONE", help="Zone of --cron, and of the times shown; default UTC or the job's."
)
@click.option(
    "--after", default=None, metavar="T", help="RFC 3339 instant to start from, itself excluded; default now."
)
@click.option("-n", "--count", default=5, show_default=True, type=click.IntRange(1, 10_000), help="How many.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="Form of the output.",
)
def command(
    job: str | None, expressions: tuple[str, ...], timezone: str | None, after: str | None, count: int, output: str
) -> None:
    """Show the next slots of JOB (as ./jobs.yaml declares it), or of a cron expression."""
    if bool(job) == bool(expressions):
        raise click.UsageError("give a JOB or --cron EXPR")
    start = _instant(after)
    schedule, zone = _of_job(job, timezone) if job else _of_cron(expressions, timezone or "UTC")
    slots: list[datetime] = []
    while schedule is not None and len(slots) < count and (slot := schedule.next_after(slots[-1] if slots else start)):
        slots.append(slot)
    _show(slots, zone, start, output)


def _instant(text: str | None) -> datetime:
    from jobsched.clock import SystemClock
    from jobsched.model.instants import parse_instant

    if text is None:
        return SystemClock().now()
    try:
        return parse_instant(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--after") from None


def _of_job(name: str, timezone: str | None) -> "tuple[Schedule | None, ZoneInfo]":
    import difflib

    from jobsched.config.load import load
    from jobsched.schedule.schedule import schedule_of
    from jobsched.schedule.zones import zone_of

    state = load(files([]), os.environ)
    job = state.jobs.get(name)
    if job is None:
        near = difflib.get_close_matches(name, state.jobs, 1)
        raise UnknownJobError(state.namespace, name, near[0] if near else None)
    if not (job.cron or job.every or job.at):
        click.echo(f"{name} has no schedule in {DEFAULT_FILE}: it runs by trigger only", err=True)
    return schedule_of(job), zone_of(timezone or job.timezone)


def _of_cron(expressions: tuple[str, ...], timezone: str) -> "tuple[Schedule, ZoneInfo]":
    from jobsched.schedule.cron import CronSchedule
    from jobsched.schedule.schedule import union
    from jobsched.schedule.zones import zone_of

    return union([CronSchedule(text, timezone) for text in expressions]), zone_of(timezone)


def _show(slots: list[datetime], zone: ZoneInfo, start: datetime, output: str) -> None:
    from jobsched.cli.text import relative
    from jobsched.model.instants import format_instant

    if output == "json":
        print_json([{"scheduled_at": slot.astimezone(zone).isoformat(), "utc": format_instant(slot)} for slot in slots])
        return
    rows = [[slot.astimezone(zone).isoformat(sep=" "), format_instant(slot), relative(slot, start)] for slot in slots]
    print_table(["SLOT", "UTC", "FROM NOW"], rows, empty="no further slot")
