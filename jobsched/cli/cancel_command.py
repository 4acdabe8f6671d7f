"""jobsched cancel."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import click

from jobsched.cli.answers import report
from jobsched.cli.chosen_runs import Wanted, confirm_many, in_parts, runs_of_job, runs_wanted
from jobsched.cli.output import say
from jobsched.cli.target import client_of, database_option, find_target, namespace_option, output_option
from jobsched.model.audit import Action

if TYPE_CHECKING:
    from jobsched.client import Client
    from jobsched.model.run import Answer


#: Cancelled unless some states are named: what waits.
_WAITING = ("scheduled", "pending", "blocked")


@click.command("cancel")
@runs_wanted(*_WAITING, "running", default="those that wait, all but running")
@click.option("--wait", is_flag=True, help="Wait until they are over; exit code 1 if one ended otherwise.")
@database_option
@namespace_option
@output_option
def command(wanted: Wanted, *, wait: bool, database: str | None, namespace: str | None, output: str) -> None:
    """Cancel RUNs. One that waits is cancelled now; of one that runs, its node is asked to stop it.

    Commands get SIGTERM, and SIGKILL later; a Python handler has to look at its context, or be a coroutine.
    With --job, all of a job that wait, say those of a backfill: to take it back.
    """
    from jobsched.model.run import RunState

    run_ids, job = wanted.run_ids, wanted.job
    with client_of(find_target(database, namespace)) as client:
        if job is not None:
            # The newest first: else those that follow begin while older ones are cancelled.
            run_ids = tuple(run.id for run in reversed(runs_of_job(client, wanted, _WAITING)))
            confirm_many(wanted, len(run_ids), "cancel", declined="nothing was cancelled")
        cancel = partial(client.cancel_all, act=client.act(Action.CANCEL))
        answers = in_parts(cancel, run_ids, "cancelling", hidden=output == "json")
        answers.sort(key=lambda answer: answer.id if job is not None else 0)
        if job is None and any(answer.state is RunState.RUNNING for answer in answers) and output == "table":
            say("asked to stop: " + ", ".join(f"run {one.id}" for one in answers if one.state is RunState.RUNNING))
        if wait:
            answers = [_ended(client, answer) for answer in answers]
    if job is not None and not answers and output == "table":
        say(f"{job} has no run that is {' or '.join(wanted.states or _WAITING)}")
        return
    report(answers, "is {state}", "cannot be cancelled: {why}", output=output)
    if wait and any(answer.state is not RunState.CANCELLED for answer in answers):
        raise SystemExit(1)


def _ended(client: "Client", answer: "Answer") -> "Answer":
    """The answer, with the state that the run has in the end."""
    return answer if answer.refused is not None else replace(answer, state=client.wait(answer.id).state)
