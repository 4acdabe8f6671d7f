"""What commands say: causes are named, durations and counts are written for people."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from jobsched.cli.main import cli
from jobsched.cli.since import since_of
from jobsched.cli.status_command import Seen, next_text

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
TWO_WRONG = "version: 1\njobs:\n  a: {command: [date], timeout: x, priority: x}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty one, in which commands run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("JOBSCHED_DATABASE_URL", raising=False)
    return tmp_path


def test_a_since_without_a_zone_says_what_it_lacks() -> None:
    with pytest.raises(click.BadParameter, match="has no zone; end it with Z or an offset"):
        since_of("2026-11-22T10:00:00", NOW)


def test_a_since_that_is_nothing_says_what_it_may_be() -> None:
    with pytest.raises(
        click.BadParameter,
        match=r"neither a duration \(1h, 2d\) nor an instant: .* is no RFC 3339 instant; write 2026-",
    ):
        since_of("yesterday", NOW)


@pytest.mark.parametrize("command", ["plan", "sync", "validate"])
def test_the_errors_of_a_file_are_counted(folder: Path, command: str) -> None:
    (folder / "jobs.yaml").write_text(TWO_WRONG)

    told = CliRunner().invoke(cli, [command])

    assert told.exit_code == 1
    assert told.output.endswith("\n2 errors\n")


def test_the_help_of_resume_is_its_own() -> None:
    told = CliRunner().invoke(cli, ["resume", "--help"]).output

    assert "starts." not in told
    assert "those of single jobs" in told


def test_a_sync_of_nothing_into_nothing_claims_no_generation(folder: Path) -> None:
    (folder / "jobs.yaml").write_text("version: 1\njobs: {}\n")

    told = CliRunner().invoke(cli, ["sync"]).output

    assert told == "default: nothing to do, there is no job yet\n"


def test_a_slot_that_is_due_is_told_with_its_job(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Seen(
        namespace="default",
        now=NOW,
        newest=None,
        nodes=[],
        counts={},
        limits={},
        next_at=NOW - timedelta(seconds=22),
        running=[],
        progress={},
        pauses=[],
        late_job="often",
    )

    assert next_text(seen, NOW - timedelta(seconds=22)) == "a slot of often has been due for 22s"


def test_a_wait_that_is_over_says_how_to_follow_the_run(folder: Path) -> None:
    (folder / "jobs.yaml").write_text("version: 1\njobs: {rare: {command: [date]}}\n")
    assert CliRunner().invoke(cli, ["sync"]).exit_code == 0

    told = CliRunner().invoke(cli, ["trigger", "rare", "--wait", "--timeout", "10ms"]).output

    assert "run 1 is still pending after 10ms; follow it: jobsched logs -f 1" in told


def test_exec_names_the_jobs_that_there_are(folder: Path) -> None:
    (folder / "one.yaml").write_text("version: 1\njobs: {rare: {command: [date]}, often: {command: [date]}}\n")

    told = CliRunner().invoke(cli, ["exec", "nope", "--file", "one.yaml"]).output

    assert "no job 'nope' in namespace 'default'; there are: often, rare" in told


def test_exec_warns_of_its_job_alone(folder: Path) -> None:
    past = 'at: "2001-01-01T00:00:00Z"'
    (folder / "jobs.yaml").write_text(
        f'version: 1\njobs:\n  one: {{command: ["false"], {past}}}\n  other: {{command: [date], {past}}}\n'
    )

    told = CliRunner().invoke(cli, ["exec", "one"]).output

    assert "jobs.one" in told
    assert "jobs.other" not in told


def test_where_nobody_is_to_be_told_no_open_alert_says_so(folder: Path) -> None:
    (folder / "jobs.yaml").write_text("version: 1\njobs:\n  a: {command: [date]}\n")
    assert CliRunner().invoke(cli, ["sync"]).exit_code == 0

    told = CliRunner().invoke(cli, ["alert", "list"]).output

    assert told == "no alert is open; no job says who is to be told (`alerts` in jobs.yaml)\n"
