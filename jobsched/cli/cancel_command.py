"""jobsched cancel."""

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from jobsched.cli.answers import report
from jobsched.cli.output import say
from jobsched.cli.target import client_of, database_option, find_target, namespace_option, output_option

if TYPE_CHECKING:
    from jobsched.client import Client
    from jobsched.model.run import Answer


@click.command("cancel")
@click.argument("run_ids", nargs=-1, required=True, metavar="RUN...", type=int)
@click.option("--wait", is_flag=True, help="Wait until they are over; exit code 1 if one ended otherwise.")
@database_option
@namespace_option
@output_option
def command(run_ids: tuple[int, ...], *, wait: bool, database: str | None, namespace: str | None, output: str) -> None:
    """Cancel RUNs. One that waits is cancelled now; of one that runs, its node is asked to stop it.

    Commands get SIGTERM, and SIGKILL later; a Python handler has to look at its context, or be a coroutine.
    """
    from jobsched.model.run import RunState

    with client_of(find_target(database, namespace)) as client:
        answers = client.cancel_all(run_ids)
        if any(answer.state is RunState.RUNNING for answer in answers) and output == "table":
            say("asked to stop: " + ", ".join(f"run {one.id}" for one in answers if one.state is RunState.RUNNING))
        if wait:
            answers = [_ended(client, answer) for answer in answers]
    report(answers, "is {state}", "cannot be cancelled: {why}", output=output)
    if wait and any(answer.state is not RunState.CANCELLED for answer in answers):
        raise SystemExit(1)


def _ended(client: "Client", answer: "Answer") -> "Answer":
    """The answer, with the state that the run has in the end."""
    return answer if answer.refused is not None else replace(answer, state=client.wait(answer.id).state)
