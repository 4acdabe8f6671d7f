"""jobsched prune."""

import click

from jobsched.cli.output import print_json, say
from jobsched.cli.progress import progress
from jobsched.cli.target import client_of, database_option, find_target, namespace_option, text_output_option


@click.command("prune")
@click.option(
    "--changes",
    is_flag=True,
    help="Also what generations keep of each change: the values before and after. Who changed what fields when stays.",
)
@database_option
@namespace_option
@text_output_option
def command(*, changes: bool, database: str | None, namespace: str | None, output: str) -> None:
    """Delete now the finished runs that `history` no longer keeps, as nodes do from time to time."""
    from jobsched.clock import SystemClock
    from jobsched.runner.pruner import Pruner

    with client_of(find_target(database, namespace)) as client, progress("pruning", hidden=output == "json"):
        deleted = Pruner(client.store, SystemClock(), [client.namespace]).everything()
        forgotten = client.store.forget_changes(client.namespace) if changes else 0
    if output == "json":
        print_json({"namespace": client.namespace, "deleted": deleted, "changes": forgotten})
    else:
        say(f"{client.namespace}: {deleted:,} finished run{'' if deleted == 1 else 's'} deleted")
        if changes:
            plural = "" if forgotten == 1 else "s"
            say(f"{client.namespace}: what {forgotten:,} generation{plural} changed is forgotten")
