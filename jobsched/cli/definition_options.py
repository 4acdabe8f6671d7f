"""A job's definition on the command line: an option for what most jobs say, and `--set` for the rest."""

import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from jobsched.cli.errors import Failure
from jobsched.cli.names import queue_names
from jobsched.cli.payload import payload_of

_Command = TypeVar("_Command", bound=Callable[..., object])

#: Of these a job says one at most: a new one takes the place of the old one.
_ONE_OF = (("handler", "command", "shell", "http"), ("cron", "every", "at"))

_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option("--handler", metavar="NAME", help="What it performs: a registered handler, or module:callable."),
    click.option("--command", metavar="TEXT", help="What it performs: a program with its arguments, without a shell."),
    click.option("--shell", metavar="TEXT", help="What it performs: a text for /bin/sh."),
    click.option("--cron", metavar="EXPR", multiple=True, help="When; may be repeated."),
    click.option("--every", metavar="DURATION", help="When: 5m, 1h30m."),
    click.option("--at", metavar="T", help="When: once, at this RFC 3339 instant."),
    click.option("--timezone", metavar="ZONE", help="In which --cron is read: Europe/Rome."),
    click.option("--payload", metavar="JSON", help="A JSON object: the handler's keyword arguments."),
    click.option("--queue", metavar="Q", shell_complete=queue_names, help="Its queue."),
    click.option("--priority", metavar="P", type=int, help="Smaller runs first."),
    click.option("--retries", metavar="N", type=click.IntRange(0), help="How often a failed run is tried again."),
    click.option("--timeout", metavar="DURATION", help="Of each attempt."),
    click.option("--concurrency", metavar="POLICY", help="allow, forbid, replace, queue, or a number of runs at once."),
    click.option("--description", metavar="TEXT", help="What it is for."),
    click.option("--owner", metavar="NAME", help="Whom to ask about it."),
    click.option("--tag", "tags", metavar="TAG", multiple=True, help="To find it by; may be repeated."),
    click.option(
        "--set",
        "others",
        metavar="FIELD=YAML",
        multiple=True,
        help="Any other field of jobs.yaml: --set 'catch_up=all', --set 'retries={max: 5, delay: 10s}'; may be repeated.",
    ),
    click.option(
        "--definition",
        "file",
        metavar="FILE",
        type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
        help="A file with the fields, as YAML or JSON; -: standard input. Options go before.",
    ),
)


def definition_options(command: _Command) -> _Command:
    """All of them, in this order."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def definition_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that are given, in the words of jobs.yaml. Raises Failure, click.UsageError."""
    plain = ("handler", "shell", "every", "at", "timezone", "queue", "priority", "retries", "timeout", "description")
    fields = {name: given[name] for name in (*plain, "owner") if given[name] is not None}
    if given["command"] is not None:
        fields["command"] = _arguments(given["command"])
    if given["cron"]:
        fields["cron"] = given["cron"][0] if len(given["cron"]) == 1 else list(given["cron"])
    if given["tags"]:
        fields["tags"] = list(given["tags"])
    if given["payload"] is not None:
        fields["payload"] = payload_of(given["payload"])
    if (policy := given["concurrency"]) is not None:
        fields["concurrency"] = int(policy) if policy.isdecimal() else policy
    for names in _ONE_OF:
        if len(named := [name for name in names if name in fields]) > 1:
            raise click.UsageError(f"give --{named[0]} or --{named[1]}, not both")
    whole = {} if given["file"] is None else _read(given["file"])
    return changed(whole, {**_others(given["others"]), **fields})


def changed(definition: Mapping[str, Any], fields: Mapping[str, Any], without: Sequence[str] = ()) -> dict[str, Any]:
    """The definition with these fields in the place of those that they exclude, and without some."""
    gone = {name for names in _ONE_OF for name in names if fields.keys() & set(names)} | set(without)
    return {**{name: value for name, value in definition.items() if name not in gone}, **fields}


def _arguments(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--command") from None


def _others(given: Sequence[str]) -> dict[str, Any]:
    fields = {}
    for each in given:
        name, equals, text = each.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{each!r} is no FIELD=YAML", param_hint="--set")
        fields[name.strip()] = _value(text.encode(), f"--set {name}")
    return fields


def _read(file: Path) -> dict[str, Any]:
    content = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    value = _value(content, str(file))
    if not isinstance(value, dict):
        raise Failure(f"{file} holds no fields of a job; write a mapping: handler: mail.digest")
    return value


def _value(content: bytes, name: str) -> Any:
    """As in a file: `on` is a text, and so is 12:30. Raises ConfigError."""
    from jobsched.config.document import parse

    return parse(content, name).value
