"""A node and its files from day to day: what is said where, and by when."""

import os
import pty
import signal
from typing import TYPE_CHECKING

import pytest

from jobsched.model.run import RunState

if TYPE_CHECKING:
    from tests.acceptance.conftest import Workplace

pytestmark = pytest.mark.acceptance

ONE = """
    version: 1
    jobs:
      one: {command: ["true"]}
"""


def test_a_bad_edit_and_its_mending_are_shown_at_once_not_at_the_next_heartbeat(workplace: "Workplace") -> None:
    workplace.write(ONE)
    node = workplace.start_node(JOBSCHED_HEARTBEAT="60s", JOBSCHED_LEASE="5m")

    workplace.write(ONE + "      oops: {evry: 5s}\n")
    node.wait_for_log("the last good state runs on")
    workplace.eventually(lambda: "oops.evry" in workplace.jobsched("status").stdout, "the error in status")
    workplace.write(ONE + "      two: {command: ['true']}\n")
    node.wait_for_log("the files are valid again")

    workplace.eventually(lambda: "is not applied" not in workplace.jobsched("status").stdout, "no error in status")


def test_sighup_reloads_without_watching_and_always_answers(workplace: "Workplace") -> None:
    workplace.write(ONE)
    node = workplace.start_node("--no-watch")
    workplace.file.write_text(workplace.file.read_text() + "  two: {command: ['true']}\n")

    node.process.send_signal(signal.SIGHUP)
    node.wait_for_log("generation 2 applied")
    node.process.send_signal(signal.SIGHUP)

    node.wait_for_log("nothing has changed")


def test_a_node_whose_file_was_overtaken_says_so(workplace: "Workplace") -> None:
    workplace.write(ONE)
    node = workplace.start_node()
    other = workplace.folder / "other.yaml"
    other.write_text(workplace.file.read_text() + "  two: {command: ['true']}\n")

    workplace.jobsched("sync", "other.yaml")

    node.wait_for_log("replaces what this node's files declare")
    workplace.eventually(lambda: "its file is stale" in workplace.jobsched("status").stdout, "the note in status")


def test_the_last_good_generation_runs_until_the_files_are_valid(workplace: "Workplace") -> None:
    workplace.write(ONE)
    workplace.jobsched("sync")
    workplace.file.unlink()

    node = workplace.start_node("--last-good")
    workplace.client.trigger("one")
    workplace.wait_for_run("one", RunState.SUCCEEDED)
    workplace.write(ONE + "      two: {command: ['true']}\n")

    node.wait_for_log("generation 2 applied")


def test_namespaces_run_from_the_database_alone(workplace: "Workplace") -> None:
    workplace.write(ONE.replace("version: 1", "version: 1\n    namespace: team"))
    workplace.jobsched("sync")
    workplace.file.unlink()

    workplace.start_node("--namespace", "team")

    assert "succeeded" in workplace.jobsched("trigger", "one", "--wait", "--namespace", "team").stdout


def test_next_asks_the_database_where_there_is_no_file(workplace: "Workplace") -> None:
    workplace.write(ONE.replace('command: ["true"]', 'command: ["true"], every: 1h'))
    workplace.jobsched("sync")
    workplace.file.unlink()

    assert len(workplace.as_json("next", "one", "-n", "3")) == 3
    assert "no job 'two'" in workplace.jobsched("next", "two", code=1).stderr


def test_next_without_a_job_shows_what_comes_next_of_all(workplace: "Workplace") -> None:
    workplace.write("""
        version: 1
        jobs:
          early: {command: ["true"], cron: "30 2 * * *", timezone: Europe/Rome}
          later: {command: ["true"], cron: "0 3 * * *", timezone: Europe/Rome}
          never: {command: ["true"], every: 1m, suspend: true}
          asked: {command: ["true"]}
    """)
    workplace.jobsched("sync")
    workplace.jobsched("create", "made", "--command", "true", "--cron", "50 1 * * *")
    workplace.jobsched("pause", "later")
    asked = ("next", "--after", "2026-11-29T00:00:00Z", "-n", "4")

    table = workplace.jobsched(*asked)
    coming = workplace.as_json(*asked)

    assert [(slot["job"], slot["scheduled_at"]) for slot in coming] == [
        ("early", "2026-11-29T02:30:00+01:00"),
        ("made", "2026-11-29T01:50:00+00:00"),
        ("later", "2026-11-29T03:00:00+01:00"),
        ("early", "2026-11-30T02:30:00+01:00"),
    ]
    assert "2026-11-29 02:30:00+01:00  early  1h30m" in table.stdout
    assert "suspended, and left out: never" in table.stderr
    assert "later: paused since" in table.stderr


def test_next_of_another_namespace_shows_nothing_of_the_file(workplace: "Workplace") -> None:
    workplace.write(ONE.replace('command: ["true"]', 'command: ["true"], every: 1h'))
    workplace.jobsched("sync")
    workplace.jobsched("create", "theirs", "--command", "true", "--every", "1h", "--namespace", "team")

    assert {slot["job"] for slot in workplace.as_json("next", "--namespace", "team")} == {"theirs"}
    assert "no job 'one'" in workplace.jobsched("next", "one", "--namespace", "team", code=1).stderr


def test_plan_tells_changes_from_errors_by_its_exit_code(place: "Workplace") -> None:
    place.write(ONE)

    place.jobsched("plan", "--detailed-exitcode", code=2)
    place.jobsched("plan", "--detailed-exitcode", "--bogus", code=1)
    place.jobsched("plan", "--bogus", code=2)
    place.jobsched("sync")
    place.jobsched("plan", "--detailed-exitcode", code=0)


def test_waiting_without_a_node_says_what_is_missing(place: "Workplace") -> None:
    place.write(ONE)
    place.jobsched("sync")

    done = place.jobsched("trigger", "one", "--wait", "--timeout", "100ms", code=1)

    assert "start one with: jobsched run" in done.stderr
    assert "still pending" in done.stderr


def test_warnings_are_said_by_sync_and_plan_too(place: "Workplace") -> None:
    place.write(ONE.replace('command: ["true"]', 'command: ["true"], at: "2020-01-01T00:00:00Z"'))

    for command in ("plan", "sync"):
        assert "lies wholly in the past" in place.jobsched(command).stderr


def test_output_that_cannot_be_written_is_an_error_without_traceback(place: "Workplace") -> None:
    place.write(ONE)
    place.jobsched("sync")

    done = place.jobsched("list", "-o", "json", stdout="/dev/full", code=1)

    assert "cannot write the output" in done.stderr


def test_what_a_job_says_cannot_steer_a_terminal(place: "Workplace") -> None:
    place.module("work", "def boom():\n    print('\\x1b]0;pwn\\x07')\n    raise ValueError('\\x1b[31mred')\n")
    place.write("""
        version: 1
        jobs:
          boom: {handler: "work:boom"}
    """)
    place.jobsched("sync")
    place.start_node("--no-watch")
    place.jobsched("trigger", "boom", "--wait", code=1)

    for arguments in (["trigger", "boom", "--wait"], ["logs", "1"], ["runs"], ["show", "boom"]):
        shown = on_a_terminal(place, *arguments)
        assert "\x1b]0" not in shown
        assert "\x1b[31mred" not in shown


def test_no_color_is_heeded(place: "Workplace") -> None:
    place.write(ONE)

    place.jobsched("sync")

    for arguments in (["list"], ["plan"], ["status"], ["show", "nothing"]):
        assert "\x1b[3" not in on_a_terminal(place, *arguments)


def on_a_terminal(place: "Workplace", *arguments: str) -> str:
    """What the command writes to a terminal."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "wb", buffering=0) as terminal:
        process = place.process(*arguments, stdout=terminal, stderr=terminal)
    written = b""
    try:
        while chunk := os.read(ours, 65536):
            written += chunk
    except OSError:
        pass  # Linux says so when the other side has closed it
    finally:
        os.close(ours)
        process.wait(30)
    return written.decode()
