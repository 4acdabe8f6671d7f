"""jobsched prune."""

import click

from jobsched.cli.output import say
from jobsched.cli.progress import progress
from jobsched.cli.target import client_of, database_option, find_target, namespace_option


@click.command("prune")
@database_option
@namespace_option
def command(*, database: str | None, namespace: str | None) -> None:
    """Delete now the finished runs that `history` no longer keeps, as nodes do from time to time."""
    from jobsched.clock import SystemClock
    from jobsched.runner.pruner import Pruner

    with client_of(find_target(database, namespace)) as client, progress("pruning"):
        deleted = Pruner(client.store, SystemClock(), [client.namespace]).everything()
    say(f"{client.namespace}: {deleted:,} finished run{'' if deleted == 1 else 's'} deleted")
