"""jobsched list."""

from datetime import datetime
from typing import TYPE_CHECKING

import click

from jobsched.cli.elsewhere import say_if_elsewhere
from jobsched.cli.output import Cell, Roomy, print_json, print_table
from jobsched.cli.pause_text import cell
from jobsched.cli.target import client_of, database_option, find_target, namespace_option, output_option
from jobsched.model.wording import local_time, moment, relative

if TYPE_CHECKING:
    from jobsched.model.job import Job
    from jobsched.model.pause import Pause
    from jobsched.model.state import StoredJob


@click.command("list")
@database_option
@namespace_option
@output_option
def command(*, database: str | None, namespace: str | None, output: str) -> None:
    """List the jobs: schedule, next slot, last run."""
    from jobsched.model.pause import Pauses
    from jobsched.model.report import job_as_json

    with client_of(find_target(database, namespace)) as client:
        jobs, last, now = client.jobs(), client.last_runs(), client.store.now()
        pauses = Pauses(client.pauses())
        if not jobs:
            say_if_elsewhere(client)
    if output == "json":
        print_json([job_as_json(stored, last.get(stored.job.name), pauses.of_job(stored.job.name)) for stored in jobs])
        return
    rows = [
        [
            stored.job.name,
            schedule_text(stored.job),
            _next(stored, pauses.of_job(stored.job.name), now),
            str(run.state) if (run := last.get(stored.job.name)) else "-",
            Roomy(moment(ended := run.finished_at or run.started_at, now), relative(ended, now)) if run else "-",
        ]
        for stored in jobs
    ]
    print_table(
        ["JOB", "SCHEDULE", "NEXT", "LAST", "WHEN"],
        rows,
        empty="no jobs; declare some in jobs.yaml and run: jobsched sync",
    )


def _next(stored: "StoredJob", pause: "Pause | None", now: datetime) -> Cell:
    if stored.job.suspend:
        return "suspended"
    if pause is not None:
        return cell(pause, now)
    return Roomy(moment(stored.next_at, now), relative(stored.next_at, now))


def schedule_text(job: "Job") -> str:
    """The schedule as declared, short."""
    from jobsched.model.durations import format_duration

    zone = "" if job.timezone == "UTC" else f" {job.timezone}"
    if job.cron:
        return "; ".join(job.cron) + zone
    if job.every is not None:
        return f"every {format_duration(job.every)}"
    return f"at {local_time(job.at)}" if job.at is not None else "by trigger"
