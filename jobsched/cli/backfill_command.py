"""jobsched backfill."""

from typing import TYPE_CHECKING, Any

import click

from jobsched.cli.confirmation import confirm
from jobsched.cli.instants import instant_in, shown_in
from jobsched.cli.names import job_names
from jobsched.cli.output import print_json, say, say_prose
from jobsched.cli.pause_text import way_out
from jobsched.cli.progress import progress
from jobsched.cli.target import client_of, database_option, find_target, namespace_option, output_option

if TYPE_CHECKING:
    from datetime import datetime

    from jobsched.model.backfill import Backfill
    from jobsched.model.job import Job
    from jobsched.model.pause import Pause


@click.command("backfill")
@click.argument("job", shell_complete=job_names)
@click.option("--from", "since", metavar="T", required=True, help="The first instant, itself included.")
@click.option("--to", "until", metavar="T", required=True, help="The last instant, itself included.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--limit",
    "most",
    metavar="N",
    default=100_000,
    show_default=True,
    type=click.IntRange(1),
    help="Refuse a range of more slots.",
)
@database_option
@namespace_option
@output_option
def command(
    job: str,
    *,
    since: str,
    until: str,
    yes: bool,
    most: int,
    database: str | None,
    namespace: str | None,
    output: str,
) -> None:
    """Make runs for JOB's slots of the past that have none, or were skipped: shows how many, and asks.

    Instants without offset, and dates, are read in the job's zone; a date is its midnight. The slots are those of
    the present schedule.

    History keeps its `success` newest runs of backfills, beside those of regular slots; a second backfill would run
    older ones again.
    """
    from jobsched.model.instants import format_instant
    from jobsched.model.pause import Pauses

    with client_of(find_target(database, namespace)) as client:
        declared = client.job(job).job
        zone = declared.timezone
        first, last = instant_in(zone, since, "--from"), instant_in(zone, until, "--to", later=True)
        with progress(f"looking at the slots of {job}", hidden=output == "json") as looked_at:
            planned = client.plan_backfill(job, first, last, most=most, progress=looked_at)
        if output == "table":
            which = f"from {shown_in(zone, first)} to {shown_in(zone, last)}"
            _tell(job, which, planned, _why_open(declared, Pauses(client.pauses()).of_job(job)))
        _warn_of_history(declared, planned.runs)
        _warn_of_overlap(declared, planned.runs)
        if planned.runs and not yes:
            confirm(f"make {_count(planned.runs, 'run')}?", declined="nothing was made")
        begun = client.store.now()
        with progress(f"backfilling {job}", planned.slots, hidden=output == "json") as filled:
            done = client.backfill(job, first, last, most=most, progress=filled) if planned.runs else planned
    if output == "json":
        print_json(as_json(job, first, last, done))
    elif planned.runs:
        say(f"{_count(done.runs, 'run')} made; see: jobsched runs --job {job}")
        say(f"to take back what waits: jobsched cancel --job {job} --since {format_instant(begun)}")


def _why_open(job: "Job", pause: "Pause | None") -> str:
    """Why slots are not accounted for, and what is to be done about it."""
    if pause is not None:
        return f"held by a pause; they can be filled after: {way_out(pause)}"
    if job.suspend:
        return "held: the job is suspended; they can be filled when its suspend is removed"
    return "not accounted for yet: a node does that; see: jobsched status"


def _tell(job: str, which: str, planned: "Backfill", why_open: str) -> None:
    """Each kind of slot on a line: how many there are, and what becomes of them."""
    say(f"{job}: {_count(planned.slots, 'slot')} {which}")
    again = f"to run them again: jobsched requeue --job {job} --state"
    lines = (
        (planned.runs - planned.unrecorded, "skipped: they get a run"),
        (planned.unrecorded, "not recorded (never fired, or pruned): they get a run"),
        (planned.succeeded, "succeeded"),
        (planned.unfinished, "not over"),
        (planned.failed, f"failed; {again} failed"),
        (planned.cancelled, f"cancelled; {again} cancelled"),
        (planned.open, why_open),
    )
    for count, what in lines:
        if count:
            say(f"{count:>8,} {what}")
    if not planned.runs:
        say("nothing to do yet" if planned.open else "nothing to do")


def _warn_of_history(job: "Job", runs: int) -> None:
    kept = job.history.success
    if runs > kept:
        say(
            f"history keeps {_count(kept, 'succeeded run')} of backfills of {job.name}; a second backfill would run the "
            f"others again. To keep all, first set its history: {{success: {runs}}}",
            err=True,
            fg="yellow",
        )


def _warn_of_overlap(job: "Job", runs: int) -> None:
    """What they and the job's next slots do to each other, until they are over."""
    limit = job.concurrency.limit
    if limit is None or runs < limit:
        return
    told = {
        "forbid": f"slots that come while {limit} of these runs {'is' if limit == 1 else 'are'} not over are skipped: "
        "the job's concurrency is forbid",
        "replace": "the next slot cancels those of these runs that are not over: the job's concurrency is replace",
    }
    if job.concurrency.policy in told:
        say_prose(told[job.concurrency.policy], err=True, fg="yellow")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def as_json(job: str, since: "datetime", until: "datetime", done: "Backfill") -> dict[str, Any]:
    from dataclasses import asdict

    from jobsched.model.instants import format_instant

    return {"job": job, "from": format_instant(since), "to": format_instant(until), **asdict(done)}
