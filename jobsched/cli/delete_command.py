"""jobsched delete."""

from functools import partial

import click

from jobsched.cli.answers import report
from jobsched.cli.chosen_runs import Wanted, confirm_many, in_parts, runs_of_job, runs_wanted
from jobsched.cli.output import say
from jobsched.cli.target import client_of, database_option, find_target, namespace_option, output_option
from jobsched.model.audit import Action


@click.command("delete")
@runs_wanted("succeeded", "failed", "cancelled", "skipped", default="none")
@database_option
@namespace_option
@output_option
def command(wanted: Wanted, *, database: str | None, namespace: str | None, output: str) -> None:
    """Delete RUNs that are over, with their logs. Their slots are not fired again; finished runs go by themselves in time."""
    run_ids, job = wanted.run_ids, wanted.job
    if job is not None and not wanted.states:
        raise click.UsageError("say which runs of the job are to be deleted, with --state")
    with client_of(find_target(database, namespace)) as client:
        if job is not None:
            run_ids = tuple(run.id for run in runs_of_job(client, wanted, wanted.states))
            confirm_many(wanted, len(run_ids), "delete", declined="nothing was deleted")
        delete = partial(client.delete_all, act=client.act(Action.DELETE))
        answers = in_parts(delete, run_ids, "deleting", hidden=output == "json")
    if job is not None and not answers and output == "table":
        say(f"{job} has no run that is {' or '.join(wanted.states)}")
        return
    report(answers, "is deleted", "cannot be deleted: {why}", output=output)
