"""jobsched metrics."""

import click

from jobsched.cli.target import client_of, database_option, find_target, namespace_option


@click.command("metrics")
@click.option("--rules", is_flag=True, help="Print alerting rules for Prometheus instead; asks no database.")
@database_option
@namespace_option
def command(*, rules: bool, database: str | None, namespace: str | None) -> None:
    """Print what the database tells Prometheus of a namespace, once.

    What a node tells of itself, and of what happens on it, `jobsched run --metrics` answers scrapes with.
    """
    if rules:
        _print_rules()
        return
    from jobsched.clock import SystemClock
    from jobsched.observe.metrics.database import read, samples
    from jobsched.observe.metrics.exposition import Exposition
    from jobsched.observe.metrics.limits import Limits

    with client_of(find_target(database, namespace)) as client:
        reading = read(client.store, [client.namespace], SystemClock())
    text, _ = Exposition(lambda: samples(reading, Limits())).text()
    click.echo(text, nl=False)


def _print_rules() -> None:
    import yaml

    from jobsched.observe.metrics.rules import as_document

    click.echo(yaml.safe_dump(as_document(), sort_keys=False, width=1_000_000), nl=False)
