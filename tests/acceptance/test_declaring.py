"""create, update and remove: jobs declared at run time, at the command line. In this process: it costs less than to start Python."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from jobsched.cli.main import cli
from jobsched.client import Client

FILE = """\
version: 1
jobs:
  report: {shell: ls, cron: "0 6 * * *"}
"""


@pytest.fixture
def ask(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """A command in a folder with a jobs.yaml that was applied."""
    (tmp_path / "jobs.yaml").write_text(FILE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JOBSCHED_DATABASE_URL", database_url)
    assert CliRunner().invoke(cli, ["sync"]).exit_code == 0
    return lambda *arguments, **given: CliRunner().invoke(cli, arguments, **given)


def definition(ask: Callable[..., Result], job: str) -> Any:
    shown = json.loads(ask("show", job, "-o", "json").stdout)
    assert shown["origin"] == "api"
    return shown["definition"]


def test_a_job_is_declared_changed_and_removed(ask: Callable[..., Result]) -> None:
    options = ("--handler", "mail.digest", "--cron", "0 7 * * *", "--timezone", "Europe/Rome", "--retries", "2")

    created = ask("create", "digest", *options, "--tag", "daily", "--set", "catch_up=all", "--concurrency", "queue")
    first = definition(ask, "digest")
    updated = ask("update", "digest", "--every", "1h", "--unset", "timezone", "--unset", "tags")
    second = definition(ask, "digest")
    again = ask("update", "digest", "--every", "60m")
    removed = ask("remove", "digest")

    assert created.stdout.startswith("digest is declared, as of generation 2\nnext: ")
    assert first == {
        "handler": "mail.digest",
        "cron": "0 7 * * *",
        "timezone": "Europe/Rome",
        "retries": 2,
        "concurrency": "queue",
        "catch_up": "all",
        "tags": ["daily"],
    }
    assert updated.stdout.startswith("digest is changed, as of generation 3\nnext: ")
    assert second == {"handler": "mail.digest", "every": "1h", "retries": 2, "concurrency": "queue", "catch_up": "all"}
    assert again.stdout == "digest is so already\n"
    assert removed.stdout == "digest is removed\n"
    assert ask("show", "digest").exit_code == 1
    acts = [(act["action"], act["job"]) for act in json.loads(ask("audit", "-o", "json").stdout)]
    assert acts == [("remove", "digest"), ("update", "digest"), ("create", "digest")]
    assert "1 unchanged" in ask("plan").stdout or ask("plan", "--detailed-exitcode").exit_code == 0


def test_of_two_who_change_a_job_at_once_each_keeps_what_the_other_has_said(
    ask: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    ask("create", "digest", "--shell", "ls")
    real, others = Client.update_job, [("--priority", "3"), ("--queue", "mail")]

    def after_the_other(self: Client, *args: Any, **given: Any) -> Any:
        if others:
            ask("update", "digest", *others.pop())
        return real(self, *args, **given)

    monkeypatch.setattr(Client, "update_job", after_the_other)
    changed = ask("update", "digest", "--retries", "2")

    assert changed.exit_code == 0
    assert definition(ask, "digest") == {"shell": "ls", "priority": 3, "queue": "mail", "retries": 2}


def test_a_job_that_changes_each_time_is_refused_in_words(
    ask: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    ask("create", "digest", "--shell", "ls")
    monkeypatch.setattr("jobsched.cli.update_command._TRIES", 1)
    real = Client.job

    def before_the_other(self: Client, name: str) -> Any:
        found = real(self, name)
        monkeypatch.setattr(Client, "job", real)
        self.update_job("digest", {"shell": "pwd"})
        return found

    monkeypatch.setattr(Client, "job", before_the_other)
    refused = ask("update", "digest", "--retries", "2")

    assert refused.exit_code == 1
    assert "job 'digest' was changed meanwhile: it is as of generation 3, not 2" in " ".join(refused.stderr.split())
    assert definition(ask, "digest") == {"shell": "pwd"}


def test_why_a_job_is_triggered_and_resumed_stands_in_the_audit(ask: Callable[..., Result]) -> None:
    ask("pause", "report")
    paused = ask("create", "digest", "--shell", "ls", "--every", "1h")
    ask("pause", "digest")
    held = ask("update", "digest", "--retries", "1")
    ask("resume", "report", "--reason", "the move is over")
    ask("trigger", "report", "--reason", "asked for by ann")

    acts = [(act["action"], act["details"].get("reason")) for act in json.loads(ask("audit", "-o", "json").stdout)]
    assert acts[:2] == [("trigger", "asked for by ann"), ("resume", "the move is over")]
    assert "next: " in paused.stdout
    assert "it waits: digest: paused since" in " ".join(held.stdout.split())


def test_a_definition_stands_in_a_file_or_comes_by_standard_input(ask: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "digest.yaml").write_text("handler: mail.digest\nevery: 1h\nqueue: mail\n")

    made = ask("create", "digest", "--definition", "digest.yaml", "--queue", "slow", "-o", "json")
    ask("update", "digest", "--definition", "-", input='{"shell": "ls", "priority": 3}')

    assert json.loads(made.stdout)["definition"] == {"handler": "mail.digest", "every": "1h", "queue": "slow"}
    assert definition(ask, "digest") == {"shell": "ls", "priority": 3}


def test_a_job_of_a_file_is_refused_with_where_it_is_declared(ask: Callable[..., Result]) -> None:
    refusals = [
        ask("create", "report", "--shell", "ls"),
        ask("update", "report", "--shell", "pwd"),
        ask("remove", "report"),
    ]

    assert [each.exit_code for each in refusals] == [1, 1, 1]
    told = [" ".join(each.stderr.split()) for each in refusals]
    assert told[0] == "error: jobs.yaml:3: there is a job 'report' already (generation 1): a file declares it"
    assert told[1].startswith("error: jobs.yaml:3: a file declares job 'report', as of generation 1: change it there")
    assert told[2] == told[1]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["create", "x"], 1, "job 'x' cannot be defined so"),
        (["create", "x", "--shell", "ls", "--cron", "often"], 1, "cron: "),
        (["create", "x", "--shell", "ls", "--handler", "a.b"], 2, "give --handler or --shell, not both"),
        (["create", "x", "--shell", "ls", "--every", "1h", "--cron", "@daily"], 2, "give --cron or --every, not both"),
        (["create", "x", "--command", "echo 'a"], 2, "No closing quotation"),
        (["create", "x", "--shell", "ls", "--set", "retries"], 2, "'retries' is no FIELD=YAML"),
        (["create", "x", "--shell", "ls", "--set", "retrys=1"], 1, "retrys: "),
        (["create", "x", "--shell", "ls", "--set", "env={A"], 1, "a map in { } is not closed"),
        (["create", "x", "--definition", "-"], 1, "- holds no fields of a job"),
        (["create", "a b", "--shell", "ls"], 1, "a b"),
        (["update", "report"], 2, "say what is to be changed"),
        (["update", "report", "--unset", "retrys"], 2, "no job has a field 'retrys'"),
        (["update", "reprt", "--shell", "ls"], 1, "report"),
        (["remove", "reprt"], 1, "report"),
    ],
)
def test_what_makes_no_job_is_refused_in_words(
    ask: Callable[..., Result], arguments: list[str], code: int, words: str
) -> None:
    done = ask(*arguments, input="[1]")

    assert (done.exit_code, words in " ".join(done.stderr.split())) == (code, True), (done.stderr, done.exception)


def test_a_command_is_a_list_of_arguments(ask: Callable[..., Result]) -> None:
    ask("create", "disk", "--command", "df -h '/a b'", "--payload", '{"a": 1}')

    assert definition(ask, "disk") == {"command": ["df", "-h", "/a b"], "payload": {"a": 1}}
    assert "it has no slot to come" in ask("create", "again", "--shell", "ls").stdout
    assert "it is suspended" in ask("create", "held", "--shell", "ls", "--set", "suspend=true").stdout
