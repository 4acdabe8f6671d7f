"""jobsched list."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from jobsched.cli.elsewhere import say_if_elsewhere
from jobsched.cli.output import Cell, Roomy, print_json, print_table
from jobsched.cli.pause_text import cell, pause_as_json
from jobsched.cli.target import client_of, database_option, find_target, namespace_option, output_option
from jobsched.cli.text import local_time, moment, relative

if TYPE_CHECKING:
    from jobsched.model.job import Job
    from jobsched.model.pause import Pause
    from jobsched.model.run import Run
    from jobsched.model.state import StoredJob


@click.command("list")
@database_option
@namespace_option
@output_option
def command(*, database: str | None, namespace: str | None, output: str) -> None:
    """List the jobs: schedule, next slot, last run."""
    from jobsched.model.pause import Pauses

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


def job_as_json(stored: "StoredJob", last: "Run | None", pause: "Pause | None" = None) -> dict[str, Any]:
    """A job with its definition as in jobs.yaml, its next slot, what holds it and its last run."""
    from jobsched.model.definition import definition
    from jobsched.model.instants import format_instant
    from jobsched.model.report import run_as_json

    return {
        "namespace": stored.job.namespace,
        "name": stored.job.name,
        "definition": definition(stored.job),
        "suspended": stored.job.suspend,
        "pause": pause_as_json(pause),
        "next_at": None if stored.next_at is None else format_instant(stored.next_at),
        "generation": stored.generation,
        "last_run": None if last is None else run_as_json(last),
    }
