"""jobsched pause."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from jobsched.cli.elsewhere import say_if_elsewhere
from jobsched.cli.output import print_json, say, say_prose
from jobsched.cli.pause_text import check_target, held, since_text, target_options, until_text
from jobsched.cli.target import client_of, database_option, find_target, namespace_option, output_option

if TYPE_CHECKING:
    from jobsched.client import Client
    from jobsched.model.pause import Pause

_WHAT_STOPS = {
    "job": "its slots are skipped; triggers, backfills and retries still run, and so does what has started",
    "queue": "none of its runs starts; slots still become runs, which wait, and what has started goes on",
    "all": "slots are skipped and no run starts; what has started goes on",
}


@click.command("pause")
@target_options(queue="A queue: none of its runs starts.", everything="All jobs and queues of the namespace.")
@click.option("--for", "duration", metavar="D", help="Resume by itself after this duration: 30m, 2h, 1d.")
@click.option("--reason", metavar="TEXT", help="Shown wherever the pause is.")
@database_option
@namespace_option
@output_option
def command(
    jobs: tuple[str, ...],
    *,
    queue: str | None,
    everything: bool,
    duration: str | None,
    reason: str | None,
    database: str | None,
    namespace: str | None,
    output: str,
) -> None:
    """Hold JOBs, a queue or everything still, whatever the files say, until resumed or for a while.

    A paused job fires no slots: they are skipped when it is resumed. Triggers, backfills and retries of it still run.
    Of a paused queue no run starts. Pausing again replaces reason and end.
    """
    check_target(jobs, queue, everything=everything)
    lasts = _duration(duration)
    with client_of(find_target(database, namespace)) as client:
        before = {pause.target: pause for pause in client.pauses()}
        pauses = client.pause(*jobs, queue=queue, all=everything, duration=lasts, reason=reason)
        if everything:
            say_if_elsewhere(client)
        unseen = queue is not None and not _seen(client, queue)
    if output == "json":
        from jobsched.model.report import pause_as_json

        print_json([pause_as_json(pause) for pause in pauses])
    else:
        for pause in pauses:
            say_prose(f"{held(pause)} is paused {until_text(pause)}{_again(before.get(pause.target), pause)}")
        say_prose(_WHAT_STOPS[str(pauses[0].scope)] if pauses else "it was resumed at once by somebody else")
    if unseen:
        say(f"no job names queue {queue} and no run waits in it; it is paused all the same", err=True)


def _again(before: "Pause | None", pause: "Pause") -> str:
    """What is said of a pause that stood already."""
    if before is None or before.since != pause.since:
        return ""
    return f"; it was already, {since_text(before)}"


def _duration(text: str | None) -> timedelta | None:
    from jobsched.model.durations import parse_duration

    try:
        duration = None if text is None else parse_duration(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--for") from None
    if duration == timedelta(0):
        raise click.BadParameter("a pause lasts longer than nothing", param_hint="--for")
    return duration


def _seen(client: "Client", queue: str) -> bool:
    waiting: Sequence[str] = [name for name, _ in client.counts()]
    return queue in waiting or any(stored.job.queue == queue for stored in client.jobs())
