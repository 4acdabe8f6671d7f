"""jobsched enqueue."""

from typing import TYPE_CHECKING, Literal

import click

from jobsched.cli.names import queue_names
from jobsched.cli.output import print_json, say
from jobsched.cli.payload import payload_of
from jobsched.cli.target import client_of, database_option, find_target, namespace_option, output_option
from jobsched.model.wording import lacks_text, local_time

if TYPE_CHECKING:
    from datetime import datetime

    from jobsched.client import Client
    from jobsched.model.run import Created


@click.command("enqueue")
@click.argument("handler")
@click.option("--payload", metavar="JSON", help="A JSON object: the handler's keyword arguments.")
@click.option("--at", metavar="T", help="Not before this RFC 3339 instant.")
@click.option("--in", "delay", metavar="DURATION", help="Not before this time has passed: 90s, 10m, 2h.")
@click.option("--queue", metavar="Q", shell_complete=queue_names, help="Its queue.  [default: default]")
@click.option("--priority", metavar="P", type=int, help="Smaller runs first.  [default: 0]")
@click.option("--max-attempts", metavar="N", type=click.IntRange(1), help="How often it is tried.  [default: 1]")
@click.option("--timeout", metavar="DURATION", help="Of each attempt, before the handler's own: 30s, 5m.")
@click.option("--unique", metavar="KEY", help="Make none while a run with this key is unfinished.")
@click.option(
    "--unique-for", metavar="DURATION", help="With --unique: nor so long after that was made, though it is over: 10m."
)
@click.option(
    "--on-conflict",
    type=click.Choice(["ignore", "replace", "reschedule", "error"]),
    default="ignore",
    show_default=True,
    help="What becomes of one that waits with this --unique key.",
)
@click.option("--key", metavar="KEY", help="Of the runs with this key, one runs at a time.")
@click.option("--tag", "tags", metavar="TAG", multiple=True, help="To find it by; may be repeated.")
@click.option("--batch", metavar="NAME", help="Runs of one name are counted together: see stats --batch.")
@database_option
@namespace_option
@output_option
def command(
    handler: str,
    *,
    payload: str | None,
    at: str | None,
    delay: str | None,
    queue: str | None,
    priority: int | None,
    max_attempts: int | None,
    timeout: str | None,
    unique: str | None,
    unique_for: str | None,
    on_conflict: "Literal['ignore', 'replace', 'reschedule', 'error']",
    key: str | None,
    tags: tuple[str, ...],
    batch: str | None,
    database: str | None,
    namespace: str | None,
    output: str,
) -> None:
    """Make a run of HANDLER, a name that a module in `settings.imports` registers with @handler.

    Here no module is imported: queue, priority and attempts are those given, whatever the decorator says.
    """
    from jobsched.model.report import run_as_json

    if at is not None and delay is not None:
        raise click.UsageError("give --at or --in, not both")
    for option, duration in (("--in", delay), ("--timeout", timeout), ("--unique-for", unique_for)):
        _check_duration(option, duration)
    given, run_at = payload_of(payload), _instant(at)
    with client_of(find_target(database, namespace)) as client:
        made = client.enqueue(
            handler,
            given,
            run_at=run_at,
            delay=delay,
            queue=queue,
            priority=priority,
            max_attempts=max_attempts,
            timeout=timeout,
            unique_key=unique,
            unique_for=unique_for,
            on_conflict=on_conflict,
            concurrency_key=key,
            tags=tags,
            batch=batch,
        )
        if output == "json":
            print_json(run_as_json(client.run(made.id)))
        else:
            say(_told(client, made, handler, changed=on_conflict in ("replace", "reschedule")))


def _told(client: "Client", made: "Created", handler: str, *, changed: bool) -> str:
    if made.existing and changed and made.state == "scheduled":
        return f"run {made.id} has this unique key already, and waited: it was changed"
    if made.existing:
        until = client.run(made.id).unique_until if made.state.final else None
        keeps = f" until {local_time(until)}" if until is not None else " already"
        return f"run {made.id} has this unique key{keeps}: it is {made.state}; none was made"
    waits = f": {lacks_text(client.lacks(made.id))}" if made.state == "blocked" else ""
    return f"run {made.id} of {handler} is {made.state}{waits}"


def _instant(text: str | None) -> "datetime | None":
    from jobsched.model.instants import parse_instant

    try:
        return None if text is None else parse_instant(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--at") from None


def _check_duration(option: str, text: str | None) -> None:
    """Raises click.BadParameter, in the words of the command line."""
    from jobsched.model.durations import parse_duration

    try:
        if text is not None:
            parse_duration(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from None
