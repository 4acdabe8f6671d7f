"""jobsched delete."""

import click

from jobsched.cli.answers import report
from jobsched.cli.target import client_of, database_option, find_target, namespace_option, output_option


@click.command("delete")
@click.argument("run_ids", nargs=-1, required=True, metavar="RUN...", type=int)
@database_option
@namespace_option
@output_option
def command(run_ids: tuple[int, ...], *, database: str | None, namespace: str | None, output: str) -> None:
    """Delete RUNs that are over, with their logs. Their slots are not fired again; finished runs go by themselves in time."""
    with client_of(find_target(database, namespace)) as client:
        answers = client.delete_all(run_ids)
    report(answers, "is deleted", "cannot be deleted: {why}", output=output)
