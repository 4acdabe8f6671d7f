"""jobsched runs."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

from jobsched.cli.elsewhere import say_if_elsewhere
from jobsched.cli.names import job_names, queue_names
from jobsched.cli.output import Cell, Roomy, print_json, print_table
from jobsched.cli.since import since_of
from jobsched.cli.target import client_of, database_option, find_target, namespace_option, output_option
from jobsched.model.wording import moment, rough, short_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from jobsched.client import Client
    from jobsched.model.run import Run

STATES = ("scheduled", "pending", "blocked", "running", "succeeded", "failed", "cancelled", "skipped")


@click.command("runs")
@click.option("--job", metavar="JOB", shell_complete=job_names, help="Only of this job.")
@click.option("--handler", metavar="NAME", help="Only of this handler.")
@click.option("--queue", metavar="Q", shell_complete=queue_names, help="Only of this queue.")
@click.option("--tag", metavar="TAG", help="Only with this tag; a job's runs have its tags.")
@click.option("--batch", metavar="NAME", help="Only of this batch.")
@click.option(
    "--state", "states", type=click.Choice(STATES), multiple=True, help="Only in this state; may be repeated."
)
@click.option("--since", metavar="T", help="Made since an RFC 3339 instant, or within a duration: 1h, 2d.")
@click.option("-n", "--count", default=20, show_default=True, type=click.IntRange(1, 100_000), help="How many at most.")
@database_option
@namespace_option
@output_option
def command(
    *,
    job: str | None,
    handler: str | None,
    queue: str | None,
    tag: str | None,
    batch: str | None,
    states: tuple[str, ...],
    since: str | None,
    count: int,
    database: str | None,
    namespace: str | None,
    output: str,
) -> None:
    """List runs, newest first."""
    from jobsched.model.report import run_as_json
    from jobsched.model.run import RunState

    with client_of(find_target(database, namespace)) as client:
        now = client.store.now()
        if job is not None and not (runs := client.runs(job=job, limit=1)):
            client.job(job)  # says so if there is none of this name
        made_since = None if since is None else since_of(since, now)
        wanted = [RunState(state) for state in states]
        runs = client.runs(
            job=job,
            handler=handler,
            queue=queue,
            tag=tag,
            batch=batch,
            states=wanted,
            since=made_since,
            limit=count,
        )
        notes = notes_on(client, runs) if output == "table" else {}
        if not runs:
            say_if_elsewhere(client)
    if output == "json":
        print_json([run_as_json(run) for run in runs])
        return
    headings = ["RUN", "JOB", "STATE", "ATTEMPT", "SLOT OR MADE", "STARTED", "TOOK"]
    print_with_notes(headings, {run.id: _row(run, now) for run in runs}, notes, empty="no runs")


def print_with_notes(
    headings: list[str], rows: "Mapping[int, Sequence[Cell]]", notes: "Mapping[int, str]", *, empty: str
) -> None:
    """A table of runs, with a last column for notes if there are any."""
    if notes:
        headings, rows = [*headings, "NOTES"], {id_: [*row, notes.get(id_, "")] for id_, row in rows.items()}
    print_table(headings, rows.values(), empty=empty)


def _row(run: "Run", now: datetime) -> "list[Cell]":
    at = run.scheduled_at or run.created_at
    return [
        str(run.id),
        run.job or run.handler[:40],
        state_text(run),
        f"{run.attempt}/{run.max_attempts}",
        Roomy(moment(at, now), short_time(at, now)),
        lateness(run),
        _took(run, now),
    ]


def state_text(run: "Run") -> str:
    """`succeeded`, `failed (timeout)`, `skipped (misfire x5)`: a row that covers several slots says how many."""
    if run.reason is None:
        return str(run.state)
    times = "" if run.covers is None else f" x{run.covers.count}" if run.covers.count else ", many"
    return f"{run.state} ({run.reason}{times})"


def notes_on(client: "Client", runs: "Iterable[Run]") -> dict[int, str]:
    """How far a running one is, if its handler says so; what became of the run that a failed one's `on_failure` made."""
    runs = list(runs)
    made = client.failure_runs([run.id for run in runs if run.state == "failed"])
    # Newest first: of a run that failed again after a requeue, the last one is told of.
    told = {int(run.payload["id"]): f"on_failure: run {run.id} {state_text(run)}" for run in reversed(made)}
    return client.progress(runs) | told


def lateness(run: "Run") -> str:
    """How long after it was due the latest attempt started; of one that waits again this is no longer known."""
    if run.started_at is None or run.started_at < run.available_at:
        return "-"
    return f"+{rough(run.started_at - run.available_at)}"


def _took(run: "Run", now: datetime) -> str:
    """How long the latest attempt took, or has taken so far."""
    ended = now if run.state == "running" else run.finished_at
    if run.started_at is None or ended is None or not run.attempt:
        return "-"
    return rough(max(ended - run.started_at, timedelta(0)))
