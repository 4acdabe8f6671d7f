"""jobsched requeue."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import click

from jobsched.cli.answers import report
from jobsched.cli.chosen_runs import Wanted, confirm_many, in_parts, runs_of_job, runs_wanted
from jobsched.cli.instants import shown_in
from jobsched.cli.output import print_json, say
from jobsched.cli.target import client_of, database_option, find_target, namespace_option, output_option
from jobsched.model.audit import Action

if TYPE_CHECKING:
    from jobsched.client import Client
    from jobsched.model.run import Run

#: Rows that stand for several slots, of which each has a line.
_MOST_RANGES = 10


@click.command("requeue")
@runs_wanted("failed", "cancelled", "skipped", default="failed")
@database_option
@namespace_option
@output_option
def command(wanted: Wanted, *, database: str | None, namespace: str | None, output: str) -> None:
    """Run RUNs that failed, were cancelled or skipped again: same number and slot, retries granted afresh.

    A skipped row that stands for several slots is no run; `jobsched backfill` runs its slots.
    """
    run_ids, job = wanted.run_ids, wanted.job
    with client_of(find_target(database, namespace)) as client:
        ranges: list[Run] = []
        if job is not None:
            found = runs_of_job(client, wanted, ("failed",))
            run_ids = tuple(run.id for run in found if run.covers is None)
            ranges = [run for run in found if run.covers is not None]
            confirm_many(wanted, len(run_ids), "requeue", declined="nothing was requeued")
        whole = client.act(Action.REQUEUE)
        answers = in_parts(partial(client.requeue_all, act=whole), run_ids, "requeueing", hidden=output == "json")
        ranges += [client.run(answer.id) for answer in answers if answer.refused == "covers"]
        _say_ranges(client, ranges)
    if answers:
        report(answers, "is {state}", "cannot be requeued: {why}", output=output)
        return
    if output == "json":
        print_json([])
    elif not ranges:
        say(f"{job} has no run that is {' or '.join(wanted.states or ('failed',))}")
    if ranges:
        raise SystemExit(1)


def _say_ranges(client: "Client", ranges: "Sequence[Run]") -> None:
    """What rows that cannot be requeued stand for, and how to run it."""
    from jobsched.model.instants import format_instant

    zones = {stored.job.name: stored.job.timezone for stored in client.jobs()} if ranges else {}
    for run in ranges[:_MOST_RANGES]:
        assert run.covers is not None
        first, last, zone = run.covers.first, run.covers.last, zones.get(run.job or "", "UTC")
        say(
            f"row {run.id} stands for {run.covers.count or 'many'} slots "
            f"({shown_in(zone, first)} to {shown_in(zone, last)}); "
            f"to run them: jobsched backfill {run.job} --from {format_instant(first)} --to {format_instant(last)}",
            err=True,
        )
    if len(ranges) > _MOST_RANGES:
        say(f"and {len(ranges) - _MOST_RANGES} rows more stand for several slots; see: jobsched runs", err=True)
