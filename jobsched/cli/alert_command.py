"""jobsched alert."""

from datetime import timedelta

import click

from jobsched.cli.errors import Failure
from jobsched.cli.output import print_json, print_table, say
from jobsched.cli.target import client_of, database_option, find_target, namespace_option, output_option
from jobsched.model.wording import moment

#: An attempt has 10 s; before it may come another message to the same receiver.
_PATIENCE = timedelta(seconds=30)


@click.group("alert")
def command() -> None:
    """Show what people are alerted of; test who is told."""


@command.command("list")
@database_option
@namespace_option
@output_option
def list_(*, database: str | None, namespace: str | None, output: str) -> None:
    """List what is not over: failures since the last success, what is late, stuck, without success, refused."""
    with client_of(find_target(database, namespace)) as client:
        breaches, now = client.open_breaches(), client.store.now()
        told = client.notifiers()
    if output == "json":
        from jobsched.model.report import breach_as_json

        print_json([breach_as_json(breach) for breach in breaches])
        return
    print_table(
        ["SINCE", "KIND", "JOB", "TOLD", "NOTES"],
        [
            [
                moment(breach.opened_at, now),
                str(breach.kind),
                breach.job or "-",
                "not yet" if breach.told_at is None else moment(breach.told_at, now),
                ", ".join(f"{name} {value}" for name, value in breach.details.items()),
            ]
            for breach in breaches
        ],
        empty="no alert is open" if told else "no alert is open; no job says who is to be told (`alerts` in jobs.yaml)",
    )


@command.command("test")
@click.argument("notifier")
@click.option("--timeout", metavar="DURATION", help="How long to wait for a node to send it; 30s.")
@database_option
@namespace_option
def test(*, notifier: str, timeout: str | None, database: str | None, namespace: str | None) -> None:
    """Send a test message to NOTIFIER now, from a node, as alerts are, and say what came of it; exit code 1 if it failed."""
    from jobsched.model.run import RunState

    limit = _patience(timeout)
    with client_of(find_target(database, namespace)) as client:
        made = client.test_alert(notifier)
        if not any(node.alive and client.namespace in node.namespaces for node in client.nodes()):
            say("no node runs that could send it; start one with: jobsched run", err=True)
        try:
            run = client.wait(made.id, limit)
        except TimeoutError as error:
            raise Failure(f"{error}; a node that serves queue alerts sends it: jobsched status") from None
    if run.state is not RunState.SUCCEEDED:
        why = f": {run.error[-1].get('message')}" if run.error else ""
        raise Failure(f"not sent to {notifier}: run {run.id} {run.state}{why}; what it wrote: jobsched logs {run.id}")
    say(f"sent to {notifier} by run {run.id}")


def _patience(text: str | None) -> timedelta:
    from jobsched.model.durations import parse_duration

    try:
        return _PATIENCE if text is None else parse_duration(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--timeout") from None
