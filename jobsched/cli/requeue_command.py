"""jobsched requeue."""

from datetime import datetime
from typing import TYPE_CHECKING

import click

from jobsched.cli.answers import report
from jobsched.cli.output import print_json, say
from jobsched.cli.progress import progress
from jobsched.cli.since import since_of
from jobsched.cli.target import client_of, database_option, find_target, namespace_option, output_option

if TYPE_CHECKING:
    from jobsched.client import Client

_PAGE = 1000


@click.command("requeue")
@click.argument("run_ids", nargs=-1, metavar="[RUN]...", type=int)
@click.option("--job", metavar="JOB", help="All runs of this job that are in --state.")
@click.option("--since", metavar="T", help="With --job: made since an RFC 3339 instant, or within a duration: 1h, 2d.")
@click.option(
    "--state",
    "states",
    type=click.Choice(["failed", "cancelled", "skipped"]),
    multiple=True,
    help="With --job: in this state; may be repeated.  [default: failed]",
)
@database_option
@namespace_option
@output_option
def command(
    run_ids: tuple[int, ...],
    *,
    job: str | None,
    since: str | None,
    states: tuple[str, ...],
    database: str | None,
    namespace: str | None,
    output: str,
) -> None:
    """Run RUNs that failed, were cancelled or skipped again: same number and slot, retries granted afresh."""
    if bool(run_ids) == (job is not None):
        raise click.UsageError("give the numbers of runs, or --job")
    if job is None and (since or states):
        raise click.UsageError("--since and --state go with --job")
    with client_of(find_target(database, namespace)) as client:
        if job is not None:
            client.job(job)
            since_instant = None if since is None else since_of(since, client.store.now())
            run_ids = _of_job(client, job, states or ("failed",), since_instant)
        answers = []
        with progress("requeueing", len(run_ids), hidden=output == "json") as requeued:
            for start in range(0, len(run_ids), _PAGE):
                answers += client.requeue_all(run_ids[start : start + _PAGE])
                requeued(min(_PAGE, len(run_ids) - start))
    if answers:
        report(answers, "is {state}", "cannot be requeued: {why}", output=output)
    elif output == "json":
        print_json([])
    else:
        say(f"{job} has no run that is {' or '.join(states or ('failed',))}")


def _of_job(client: "Client", job: str, states: tuple[str, ...], since: datetime | None) -> tuple[int, ...]:
    """Oldest first, in the order of their slots. Rows that stand for several slots are left out: they are no runs."""
    from jobsched.model.run import RunState

    wanted, before = [RunState(state) for state in states], None
    found: list[int] = []
    while page := client.runs(job=job, states=wanted, since=since, before_id=before, limit=_PAGE):
        before = page[-1].id
        found += [run.id for run in page if run.covers is None]
    return tuple(reversed(found))
