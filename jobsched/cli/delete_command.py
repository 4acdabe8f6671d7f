"""jobsched delete."""

import click

from jobsched.cli.answers import report
from jobsched.cli.chosen_runs import (
    Wanted,
    check_choice,
    confirm_many,
    in_parts,
    job_option,
    runs_of_job,
    since_option,
    state_option,
    yes_option,
)
from jobsched.cli.output import say
from jobsched.cli.target import client_of, database_option, find_target, namespace_option, output_option


@click.command("delete")
@click.argument("run_ids", nargs=-1, metavar="[RUN]...", type=int)
@job_option
@since_option
@state_option("succeeded", "failed", "cancelled", "skipped", default="none")
@yes_option
@database_option
@namespace_option
@output_option
def command(
    run_ids: tuple[int, ...],
    *,
    job: str | None,
    since: str | None,
    states: tuple[str, ...],
    yes: bool,
    database: str | None,
    namespace: str | None,
    output: str,
) -> None:
    """Delete RUNs that are over, with their logs. Their slots are not fired again; finished runs go by themselves in time."""
    wanted = Wanted(run_ids, job, states, since)
    check_choice(wanted)
    if job is not None and not states:
        raise click.UsageError("say which runs of the job are to be deleted, with --state")
    with client_of(find_target(database, namespace)) as client:
        if job is not None:
            run_ids = tuple(run.id for run in runs_of_job(client, wanted, states))
            confirm_many(
                len(run_ids), f"delete {len(run_ids):,} runs of {job}?", declined="nothing was deleted", yes=yes
            )
        answers = in_parts(client.delete_all, run_ids, "deleting", hidden=output == "json")
    if job is not None and not answers and output == "table":
        say(f"{job} has no run that is {' or '.join(states)}")
        return
    report(answers, "is deleted", "cannot be deleted: {why}", output=output)
