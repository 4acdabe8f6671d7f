"""jobsched logs."""

import json
from typing import TYPE_CHECKING

import click

from jobsched.cli.output import print_json, print_json_line, say
from jobsched.cli.pause_text import line_with_way_out
from jobsched.cli.target import client_of, database_option, find_target, namespace_option, output_option
from jobsched.model.wording import lacks_text, moment

if TYPE_CHECKING:
    from jobsched.client import Client
    from jobsched.model.run import LogLine, Run


@click.command("logs")
@click.argument("run_id", metavar="RUN", type=int)
@click.option("--attempt", type=int, metavar="N", help="Only of this attempt.")
@click.option("-f", "--follow", is_flag=True, help="Go on showing what it writes until it has ended.")
@database_option
@namespace_option
@output_option
def command(
    run_id: int, *, attempt: int | None, follow: bool, database: str | None, namespace: str | None, output: str
) -> None:
    """Show what RUN wrote, attempt by attempt, and the errors it ended with.

    With -f, -o json prints one object a line.
    """
    from jobsched.model.report import line_as_json

    with client_of(find_target(database, namespace)) as client:
        run = client.run(run_id)
        if follow:
            _follow(client, run_id, attempt, output)
            return
        lines = _all_lines(client, run_id, attempt)
    if output == "json":
        print_json([line_as_json(line) for line in lines])
        return
    for before, line in zip([None, *lines], lines, strict=False):
        _print_line(line, before)
    _print_end(run, wrote=bool(lines))


def _follow(client: "Client", run_id: int, attempt: int | None, output: str) -> None:
    from jobsched.model.report import line_as_json

    before: LogLine | None = None
    for line in client.follow(run_id, attempt=attempt, looked=_Waiting(client).look):
        if output == "json":
            print_json_line(line_as_json(line))
        else:
            _print_line(line, before)
        before = line
    if output == "table":
        _print_end(client.run(run_id), wrote=before is not None)


class _Waiting:
    """Says, once for each wait, what a run that is looked at waits for, and when it starts."""

    def __init__(self, client: "Client") -> None:
        self._client, self._told, self._seen = client, False, ""

    def look(self, run: "Run") -> None:
        if run.state == self._seen:
            return
        self._seen = run.state
        if self._told and run.state == "running":
            say(f"run {run.id} runs", err=True)
            self._told = False
        elif what := self._what_for(run):
            say(f"run {run.id} is {run.state}: {what}", err=True)
            self._told = True

    def _what_for(self, run: "Run") -> str | None:
        """None: it does not wait, or is about to be claimed."""
        from jobsched.model.pause import Pauses

        if run.state not in {"scheduled", "pending", "blocked"}:
            return None
        now = self._client.store.now()
        pause = Pauses(self._client.pauses()).of_queue(run.queue)
        if pause is not None:
            return f"it waits: {line_with_way_out(pause, now)}"
        if run.state == "scheduled":
            return f"it begins at {moment(run.available_at, now)}"
        if run.state == "blocked":
            return lacks_text(self._client.lacks(run.id))
        served = any(node.alive and run.namespace in node.namespaces for node in self._client.nodes())
        return None if served else "no node runs that could perform it; start one with: jobsched run"


def _print_line(line: "LogLine", before: "LogLine | None") -> None:
    if before is not None and before.attempt != line.attempt:
        say(f"-- attempt {line.attempt}", bold=True)
    say(f"{line.at.astimezone():%H:%M:%S.%f}"[:12] + f" {line.stream:6} {line.text}")


def _all_lines(client: "Client", run_id: int, attempt: int | None) -> "list[LogLine]":
    lines: list[LogLine] = []
    while page := client.log(run_id, attempt=attempt, after=(lines[-1].attempt, lines[-1].seq) if lines else (0, -1)):
        lines += page
    return lines


def _print_end(run: "Run", *, wrote: bool) -> None:
    if not wrote:
        say("(it wrote nothing)")
    for error in run.error:
        reason = f" ({error['reason']})" if error.get("reason") not in (None, "error") else ""
        text = f"attempt {error.get('attempt')}: {error.get('type')}{reason}: {error.get('message')}"
        say(text, fg="red")
        if error.get("traceback"):
            say(str(error["traceback"]).rstrip())
    if run.result is not None:
        say(f"result: {json.dumps(run.result, ensure_ascii=False)}")
    say(f"run {run.id} is {run.state}" + (f" ({run.reason})" if run.reason else ""))
