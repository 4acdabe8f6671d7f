"""jobsched logs."""

import json
from typing import TYPE_CHECKING

import click

from jobsched.cli.output import print_json, print_json_line, say
from jobsched.cli.target import client_of, database_option, find_target, namespace_option, output_option

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
    with client_of(find_target(database, namespace)) as client:
        run = client.run(run_id)
        if follow:
            _follow(client, run_id, attempt, output)
            return
        lines = _all_lines(client, run_id, attempt)
    if output == "json":
        print_json([as_json(line) for line in lines])
        return
    for before, line in zip([None, *lines], lines, strict=False):
        _print_line(line, before)
    _print_end(run, wrote=bool(lines))


def _follow(client: "Client", run_id: int, attempt: int | None, output: str) -> None:
    before: LogLine | None = None
    for line in client.follow(run_id, attempt=attempt):
        if output == "json":
            print_json_line(as_json(line))
        else:
            _print_line(line, before)
        before = line
    if output == "table":
        _print_end(client.run(run_id), wrote=before is not None)


def _print_line(line: "LogLine", before: "LogLine | None") -> None:
    if before is not None and before.attempt != line.attempt:
        say(f"-- attempt {line.attempt}", bold=True)
    say(f"{line.at.astimezone():%H:%M:%S.%f}"[:12] + f" {line.stream:6} {line.text}")


def _all_lines(client: "Client", run_id: int, attempt: int | None) -> "list[LogLine]":
    lines: list[LogLine] = []
    while page := client.log(run_id, attempt=attempt, after=(lines[-1].attempt, lines[-1].seq) if lines else (0, -1)):
        lines += page
    return lines


def as_json(line: "LogLine") -> dict[str, object]:
    from jobsched.model.instants import format_instant

    return {
        "run": line.run_id,
        "attempt": line.attempt,
        "seq": line.seq,
        "at": format_instant(line.at),
        "stream": line.stream,
        "text": line.text,
    }


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
