"""jobsched stats."""

from typing import TYPE_CHECKING

import click

from jobsched.cli.elsewhere import say_if_elsewhere
from jobsched.cli.output import print_json, print_table, say
from jobsched.cli.pause_text import say_pauses
from jobsched.cli.since import since_of
from jobsched.cli.target import client_of, database_option, find_target, namespace_option, output_option
from jobsched.model.wording import local_time

if TYPE_CHECKING:
    from jobsched.model.batch import BatchCounts

_FINAL = ("succeeded", "failed", "cancelled", "skipped")


@click.command("stats")
@click.option(
    "--since",
    metavar="T",
    default="1d",
    show_default=True,
    help="Count what was made since an RFC 3339 instant, or within a duration: 1h, 2d.",
)
@click.option("--batch", metavar="NAME", help="Count the runs of this batch, whenever they were made.")
@database_option
@namespace_option
@output_option
def command(*, since: str, batch: str | None, database: str | None, namespace: str | None, output: str) -> None:
    """Count runs: the unfinished by queue and state, the finished by job and state; or those of a batch by state.

    Finished runs are counted as far as history keeps them.
    """
    from jobsched.model.report import stats_as_json

    if batch is not None:
        with client_of(find_target(database, namespace)) as client:
            _print_batch(client.namespace, client.batch(batch), output)
        return
    with client_of(find_target(database, namespace)) as client:
        now, pauses = client.store.now(), client.pauses()
        stats = client.stats(since=since_of(since, now))
        if not stats.unfinished and not stats.finished:
            say_if_elsewhere(client)
    if output == "json":
        print_json(stats_as_json(client.namespace, stats, pauses))
        return
    jobs = stats.by_job()
    print_table(
        ["QUEUE", "STATE", "RUNS"],
        [[queue, str(state), f"{count:,}"] for (queue, state), count in sorted(stats.unfinished.items())],
        empty="no unfinished runs",
    )
    say_pauses(pauses, now)
    say(f"\nmade since {local_time(stats.since)} and finished:")
    rows = [[job or "(ad hoc)", *(f"{counts[state]:,}" for state in _FINAL)] for job, counts in jobs]
    if len(rows) > 1:
        rows.append(["(all)", *(f"{sum(counts[state] for _, counts in jobs):,}" for state in _FINAL)])
    print_table(["JOB", *(state.upper() for state in _FINAL)], rows, empty="no finished runs")


def _print_batch(namespace: str, batch: "BatchCounts", output: str) -> None:
    if output == "json":
        from jobsched.model.report import batch_as_json

        print_json(batch_as_json(namespace, batch))
        return
    counts = [[str(state), f"{batch.counts[state]:,}"] for state in sorted(batch.counts)]
    print_table(["STATE", "RUNS"], counts, empty=f"no runs of batch {batch.name}: never made, or pruned")
    if batch.total:
        say(f"\n{batch}")
