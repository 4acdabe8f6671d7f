"""jobsched prune."""

import click

from jobsched.cli.output import print_json, say
from jobsched.cli.progress import progress
from jobsched.cli.target import client_of, database_option, find_target, namespace_option, text_output_option


@click.command("prune")
@database_option
@namespace_option
@text_output_option
def command(*, database: str | None, namespace: str | None, output: str) -> None:
    """Delete now the finished runs that `history` no longer keeps, as nodes do from time to time."""
    from jobsched.clock import SystemClock
    from jobsched.runner.pruner import Pruner

    with client_of(find_target(database, namespace)) as client, progress("pruning", hidden=output == "json"):
        deleted = Pruner(client.store, SystemClock(), [client.namespace]).everything()
    if output == "json":
        print_json({"namespace": client.namespace, "deleted": deleted})
    else:
        say(f"{client.namespace}: {deleted:,} finished run{'' if deleted == 1 else 's'} deleted")
