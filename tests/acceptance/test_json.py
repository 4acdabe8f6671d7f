"""What `-o json` prints has the shape that docs/cli.md shows, command by command."""

import json
import runpy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest
from click.testing import CliRunner

from jobsched.cli.main import COMMANDS as ALL
from jobsched.cli.main import cli

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.acceptance.conftest import Workplace

pytestmark = pytest.mark.acceptance

DOCS = Path(__file__).parents[2] / "docs"
#: What is anybody's: their keys are those of a job, a handler, a run or a file.
FREE = {
    "details",
    "definition",
    "payload",
    "result",
    "handler",
    "summary",
    "generations",
    "changes",
    "queue_limits",
    "seen",
}
JOBS = """
    version: 1
    notifiers: {ops: {shell: "true"}}
    jobs:
      fine: {command: ["true"], cron: "30 2 * * *"}
      bad: {command: ["false"], alerts: {notify: ops}}
"""
#: Looked at in this order, of runs 1 (succeeded) and 2 (failed).
COMMANDS: dict[str, list[str]] = {
    "list": [],
    "show": ["fine"],
    "status": [],
    "doctor": [],
    "alert list": [],
    "stats": [],
    "runs": [],
    "why": ["fine", "--at", "2026-01-01T02:30:00Z"],
    "next": ["fine"],
    "logs": ["1"],
    "plan": [],
    "trigger": ["fine"],
    "enqueue": ["mail.send", "--payload", "{}", "--in", "1h"],
    "cancel": ["3"],
    "requeue": ["3"],
    "backfill": ["fine", "--from", "2026-01-01", "--to", "2026-01-02", "--yes"],
    "delete": ["1"],
    "pause": ["fine"],
    "resume": ["fine"],
    "audit": [],
    "create": ["digest", "--handler", "mail.digest"],
    "update": ["digest", "--every", "1h"],
    "prune": [],
    "backup": ["--database", "sqlite:///other.db"],
    "db check": [],
}


@pytest.fixture(scope="module")
def documented() -> "Mapping[str, tuple[str, Any]]":
    """Command → what is said of its JSON, and an example."""
    shapes: Mapping[str, tuple[str, Any]] = runpy.run_path(str(DOCS / "generate.py"))["cli"].JSON
    return shapes


def shape(value: Any) -> Any:
    """The keys of an object, of what it holds, and of a list's first entry."""
    if isinstance(value, dict):
        return {key: None if key in FREE else shape(each) for key, each in value.items()}
    return [shape(value[0])] if isinstance(value, list) and value else None


def differences(shown: Any, printed: Any, path: str) -> list[str]:
    """Where both have something and it is not the same. What is null or empty in one of them says nothing."""
    if isinstance(shown, dict) and isinstance(printed, dict):
        wrong = [f"{path}.{key}" for key in shown.keys() ^ printed.keys()]
        return wrong + [
            each
            for key in shown.keys() & printed.keys()
            for each in differences(shown[key], printed[key], f"{path}.{key}")
        ]
    if isinstance(shown, list) and isinstance(printed, list):
        return differences(shown[0], printed[0], f"{path}[0]")
    return [] if shown is None or printed is None else [path]


@pytest.fixture
def answer(workplace: "Workplace", monkeypatch: pytest.MonkeyPatch) -> "Callable[..., Any]":
    """What a command prints. In this process: there are many, and each costs less than to start Python."""
    monkeypatch.chdir(workplace.folder)
    monkeypatch.setenv("JOBSCHED_DATABASE_URL", workplace.url)

    def ask(*arguments: str) -> Any:
        done = CliRunner().invoke(cli, arguments)
        assert done.exit_code == 0, (arguments, done.output)
        return json.loads(done.stdout)

    return ask


def test_every_command_prints_the_json_that_is_documented(
    workplace: "Workplace", answer: "Callable[..., Any]", documented: "Mapping[str, tuple[str, Any]]"
) -> None:
    workplace.write(JOBS)
    printed = {"sync": answer("sync", "-o", "json")}
    for job in ("fine", "bad"):
        answer("trigger", job, "-o", "json")
    workplace.jobsched("run", "--until-idle", code=1)
    (workplace.folder / "other.db").touch()
    for command, arguments in COMMANDS.items():
        printed[command] = answer(*command.split(), *arguments, "-o", "json")
    printed["validate"] = answer("validate", "--format", "json")

    examples = {command: example() for command, (_, example) in documented.items()}
    wrong = [
        each
        for command, value in printed.items()
        for each in differences(shape(examples[command]), shape(value), command)
    ]

    assert printed.keys() == examples.keys()
    assert wrong == []
    assert all(type(value) is type(examples[command] or value) for command, value in printed.items())


def test_whatever_lists_can_print_json_and_says_how(documented: "Mapping[str, tuple[str, Any]]") -> None:
    context = click.Context(cli)
    found: dict[str, click.Command] = {}
    for name in ALL:
        command = cli.get_command(context, name)
        assert command is not None
        below = command.commands if isinstance(command, click.Group) else {}
        found |= {f"{name} {each}": sub for each, sub in below.items()} or {name: command}

    able = {
        name for name, command in found.items() if {"-o", "--format"} & {opt for p in command.params for opt in p.opts}
    }
    assert able == documented.keys()
