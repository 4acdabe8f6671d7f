"""jobsched why."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from jobsched.cli.instants import instants_in, shortly_in, shown_in
from jobsched.cli.names import job_names
from jobsched.cli.output import columns, print_json, say, say_prose
from jobsched.cli.pause_text import line_with_way_out
from jobsched.cli.runs_command import lateness, notes_on, state_text
from jobsched.cli.target import client_of, database_option, find_target, namespace_option, output_option
from jobsched.model.wording import lacks_text, relative
from jobsched.schedule.fate_text import SKIPPED, UNRECORDED

if TYPE_CHECKING:
    from datetime import datetime

    from jobsched.client import Client
    from jobsched.model.job import Job
    from jobsched.model.run import Lack, Run
    from jobsched.schedule.fates import Fate

#: In fewer an ordinary line with the whole instant would not fit.
_ROOMY_COLUMNS = 100


@click.command("why")
@click.argument("job", shell_complete=job_names)
@click.option(
    "--at", metavar="T", help="About this instant (without offset: in the job's zone); else the latest slots."
)
@click.option(
    "-n", "--count", default=5, show_default=True, type=click.IntRange(1, 1000), help="How many slots at most."
)
@database_option
@namespace_option
@output_option
def command(job: str, *, at: str | None, count: int, database: str | None, namespace: str | None, output: str) -> None:
    """Say what became of JOB's slots: ran, waits, skipped and why, not accounted for yet, or no slot at all."""
    from jobsched.model.pause import Pauses
    from jobsched.schedule.fates import fate_as_json

    with client_of(find_target(database, namespace)) as client:
        declared, now = client.store.jobs(client.namespace, [job]), client.store.now()
        zone = declared[0].job.timezone if declared else "UTC"
        fates = client.why(job, count=count) if at is None else _fates_at(client, job, instants_in(zone, at, "--at"))
        notes = notes_on(client, [fate.run for fate in fates if fate.run])
        lacks = {run.id: client.lacks(run.id) for fate in fates if (run := fate.run) and run.state == "blocked"}
        pause = Pauses(client.pauses()).of_job(job)
    if output == "json":
        print_json([fate_as_json(fate, lacks) for fate in fates])
        return
    width = columns()
    narrow = width is not None and width < _ROOMY_COLUMNS
    if declared:
        _say_why_none(declared[0].job)
    else:
        say(f"{job} is no longer declared; what is recorded of it:", err=True)
    if pause is not None:
        say_prose(line_with_way_out(pause, now), err=True)
    # No table: its columns would be cut in a narrow terminal, and the end of these lines is what is asked for.
    for fate in fates:
        note = notes.get(fate.run.id) if fate.run else None
        when = shortly_in(zone, fate.at, now) if narrow else shown_in(zone, fate.at)
        told = f"{when} ({relative(fate.at, now)})  {_text(fate, zone, lacks)}"
        say_prose(told + (f"; {note}" if note else ""))
    if not fates:
        say("no slot has come yet")


def _fates_at(client: "Client", job: str, instants: "Sequence[datetime]") -> "list[Fate]":
    """Of those that are slots; if none is, of the first and its neighbours. Clocks may show the time asked for twice."""
    answers = [client.why(job, instant) for instant in instants]
    slots = [answer for answer in answers if answer[0].unrecorded != "no_slot"]
    return [fate for answer in slots or answers[:1] for fate in answer]


def _say_why_none(job: "Job") -> None:
    if not (job.cron or job.every or job.at):
        say(f"{job.name} has no schedule: it runs by trigger only", err=True)
    elif job.suspend:
        say(f"{job.name} is suspended: no slots are fired until its suspend is removed", err=True)


def _text(fate: "Fate", zone: str, lacks: "Mapping[int, Sequence[Lack]]") -> str:
    """What became of it in a clause."""
    if fate.run is None:
        return UNRECORDED[str(fate.unrecorded)]
    run, text = fate.run, f"run {fate.run.id} {state_text(fate.run)}"
    if run.state == "skipped":
        text += f": {SKIPPED.get(str(run.reason), run.reason)}"
    elif run.state == "blocked":
        text += f": {lacks_text(lacks[run.id])}"
    elif run.attempt:
        text += f", attempt {run.attempt} of {run.max_attempts}"
        text += "" if (late := lateness(run)) == "-" else f", started {late}"
    if run.source == "backfill":  # else a start of today beside a slot of last week is a riddle
        text += f"; of a backfill of {shown_in(zone, run.created_at.replace(microsecond=0))}"
    return text + _range(run, zone)


def _range(run: "Run", zone: str) -> str:
    """The slots that a row stands for, if they are several."""
    if run.covers is None or run.covers.first == run.covers.last:
        return ""
    return f"; so were all from {shown_in(zone, run.covers.first)} to {shown_in(zone, run.covers.last)}"
