"""jobsched trigger."""

from datetime import timedelta
from typing import TYPE_CHECKING

import click

from jobsched.cli.errors import Failure
from jobsched.cli.names import job_names
from jobsched.cli.output import print_json, say
from jobsched.cli.pause_text import line_with_way_out
from jobsched.cli.payload import payload_of, payload_option
from jobsched.cli.reason import reason_option
from jobsched.cli.target import client_of, database_option, find_target, namespace_option, output_option
from jobsched.model.wording import lacks_text

if TYPE_CHECKING:
    from jobsched.client import Client
    from jobsched.model.run import Run


@click.command("trigger")
@click.argument("job", shell_complete=job_names)
@payload_option
@reason_option
@click.option("--wait", is_flag=True, help="Wait for the run; exit code 1 if it does not succeed.")
@click.option("--timeout", metavar="DURATION", help="With --wait: how long at most.")
@database_option
@namespace_option
@output_option
def command(
    job: str,
    *,
    payload: str | None,
    reason: str | None,
    wait: bool,
    timeout: str | None,
    database: str | None,
    namespace: str | None,
    output: str,
) -> None:
    """Run JOB now, beside its schedule. A job with a limit waits its turn as blocked."""
    from jobsched.model.pause import Pauses
    from jobsched.model.report import run_as_json
    from jobsched.model.run import RunState

    given, limit = payload_of(payload), _timeout(timeout)
    with client_of(find_target(database, namespace)) as client:
        stored, made = client.job(job), client.trigger(job, given, reason=reason)
        if output == "table":
            waits = f": {lacks_text(client.lacks(made.id))}" if made.state is RunState.BLOCKED else ""
            say(f"run {made.id} of {job} is {made.state}{waits}")
        pause = Pauses(client.pauses()).of_queue(stored.job.queue)
        if pause is not None:
            say(f"it waits: {line_with_way_out(pause, client.store.now())}", err=True)
        if wait and not any(node.alive and client.namespace in node.namespaces for node in client.nodes()):
            say("no node runs that could perform it; start one with: jobsched run", err=True)
        run = _waited(client, made.id, limit) if wait else client.run(made.id)
    if output == "json":
        print_json(run_as_json(run))
    elif wait:
        say(f"run {run.id} {run.state}{_how(run)}")
    if wait and run.state is not RunState.SUCCEEDED:
        raise SystemExit(1)


def _waited(client: "Client", run_id: int, limit: timedelta | None) -> "Run":
    try:
        return client.wait(run_id, limit)
    except TimeoutError as error:
        raise Failure(f"{error}; follow it: jobsched logs -f {run_id}") from None


def _how(run: "Run") -> str:
    """What became of its attempts, as far as there is more to say than its state."""
    if run.state == "succeeded":
        return f" by attempt {run.attempt}" if run.attempt > 1 else ""
    return f": {run.error[-1].get('message')}" if run.error else ""


def _timeout(text: str | None) -> timedelta | None:
    from jobsched.model.durations import parse_duration

    try:
        return None if text is None else parse_duration(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--timeout") from None
