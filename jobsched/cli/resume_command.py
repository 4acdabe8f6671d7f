"""jobsched resume."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from jobsched.cli.elsewhere import say_if_elsewhere
from jobsched.cli.output import print_json, say
from jobsched.cli.pause_text import check_target, held, target_options, target_text
from jobsched.cli.reason import reason_option
from jobsched.cli.target import client_of, database_option, find_target, namespace_option, output_option

if TYPE_CHECKING:
    from jobsched.client import Client
    from jobsched.model.pause import Pauses, PauseScope


@click.command("resume")
@target_options(
    queue="The pause of a queue: its runs start again.",
    everything="The pause that --all made; those of single jobs and queues stand.",
)
@reason_option
@database_option
@namespace_option
@output_option
def command(
    jobs: tuple[str, ...],
    *,
    queue: str | None,
    everything: bool,
    reason: str | None,
    database: str | None,
    namespace: str | None,
    output: str,
) -> None:
    """End pauses: of JOBs, of a queue, or the one of --all, which leaves those of single jobs and queues alone.

    The slots of the pause are skipped, in one row for each job; jobs go on with their next slot.
    """
    from jobsched.model.pause import Pauses, PauseScope

    check_target(jobs, queue, everything=everything)
    with client_of(find_target(database, namespace)) as client:
        ended = client.resume(*jobs, queue=queue, all=everything, reason=reason)
        if everything:
            say_if_elsewhere(client)
        left, suspended = Pauses(client.pauses()), _suspended(client, jobs)
    if output == "json":
        from jobsched.model.report import pause_as_json

        print_json([pause_as_json(pause) for pause in ended])
        return
    done = {pause.target for pause in ended}
    asked = [(PauseScope.JOB, name) for name in jobs]
    for scope, name in asked or [(PauseScope.QUEUE, queue) if queue else (PauseScope.ALL, "")]:
        what = target_text(scope, name, client.namespace)
        is_now = "is resumed" if (scope, name) in done else "is not paused"
        say(f"{what} {is_now}{_but(scope, name, left, suspended)}")


def _suspended(client: "Client", jobs: Sequence[str]) -> set[str]:
    """Those of the jobs that their file holds still."""
    found = client.store.jobs(client.namespace, jobs) if jobs else []
    return {stored.job.name for stored in found if stored.job.suspend}


def _but(scope: "PauseScope", name: str, left: "Pauses", suspended: set[str]) -> str:
    """What still holds it, or some of it."""
    if scope == "all":
        count = len(list(left))
        return (
            f"; {count} of single jobs or queues {'stands' if count == 1 else 'stand'}: jobsched status"
            if count
            else ""
        )
    other = left.of_job(name) if scope == "job" else left.of_queue(name)
    if other is not None:
        return f", but {held(other)} is paused"
    return ", but its file suspends it" if name in suspended and scope == "job" else ""
