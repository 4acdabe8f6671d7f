"""jobsched show."""

from textwrap import indent
from typing import TYPE_CHECKING

import click

from jobsched.cli.names import job_names
from jobsched.cli.output import print_json, say
from jobsched.cli.pause_text import line_with_way_out
from jobsched.cli.runs_command import notes_on, print_with_notes, state_text
from jobsched.cli.target import client_of, database_option, find_target, namespace_option, output_option
from jobsched.config.definition_text import as_yaml
from jobsched.model.wording import moment, relative

if TYPE_CHECKING:
    from datetime import datetime

    from jobsched.model.job import Job


@click.command("show")
@click.argument("job", shell_complete=job_names)
@database_option
@namespace_option
@output_option
def command(job: str, *, database: str | None, namespace: str | None, output: str) -> None:
    """Show JOB: its definition, its next slots in its zone, its latest runs."""
    from jobsched.model.definition import definition
    from jobsched.model.pause import Pauses
    from jobsched.model.report import job_as_json

    with client_of(find_target(database, namespace)) as client:
        stored, pauses = client.job(job), Pauses(client.pauses())
        runs, now = client.runs(job=job, limit=5), client.store.now()
        notes = notes_on(client, runs)
        last = client.last_runs().get(job) if output == "json" else None
    if output == "json":
        print_json(job_as_json(stored, last, pauses.of_job(job)))
        return
    say(job, bold=True)
    say(indent(as_yaml(definition(stored.job)).rstrip(), "  "))
    say(f"\nnext: {_next_slots(stored.job, now)}")
    for pause in filter(None, dict.fromkeys((pauses.of_job(job), pauses.of_queue(stored.job.queue)))):
        say(line_with_way_out(pause, now))
    made = ", declared at run time" if stored.origin == "api" else ""
    say(f"generation: {stored.generation}{made}\n")
    rows = {run.id: [str(run.id), state_text(run), moment(run.scheduled_at or run.created_at, now)] for run in runs}
    print_with_notes(["RUN", "STATE", "SLOT OR MADE"], rows, notes, empty="no runs yet")


def _next_slots(job: "Job", now: "datetime") -> str:
    """A few, one below the other, since they are read as a column; or why there are none."""
    from jobsched.schedule.schedule import schedule_of
    from jobsched.schedule.zones import zone_of

    if job.suspend:
        return "suspended"
    zone, schedule, slot = zone_of(job.timezone), schedule_of(job), now
    slots: list[str] = []
    while schedule is not None and len(slots) < 3 and (following := schedule.next_after(slot)) is not None:
        slot = following
        slots.append(f"{slot.astimezone(zone).isoformat(sep=' ')} ({relative(slot, now)})")
    return "\n      ".join(slots) or "none"
