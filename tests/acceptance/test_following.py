"""Looking on while things happen: `logs -f`."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.acceptance.conftest import Workplace

pytestmark = pytest.mark.acceptance

#: Says `begun`, waits for the file `go`, says `ended`.
WAITS = """
    version: 1
    jobs:
      one: {shell: "echo begun; until [ -e go ]; do sleep 0.05; done; echo ended"}
"""

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(workplace: "Workplace") -> Iterator[Start]:
    """Starts a command whose output is read while it runs."""
    with ExitStack() as cleanup:

        def started(*arguments: str) -> "subprocess.Popen[str]":
            process = subprocess.Popen(
                [sys.executable, "-m", "jobsched", *arguments],
                cwd=workplace.folder,
                env=workplace.environment(),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            cleanup.enter_context(process)
            cleanup.callback(process.kill)
            return process

        yield started


def test_logs_follow_a_run_until_it_has_ended(workplace: "Workplace", start: Start) -> None:
    workplace.write(WAITS)
    workplace.start_node()
    workplace.jobsched("trigger", "one")

    following, as_json = start("logs", "1", "-f"), start("logs", "1", "-f", "-o", "json")
    assert following.stdout is not None
    assert as_json.stdout is not None
    begun = following.stdout.readline(), as_json.stdout.readline()
    (workplace.folder / "go").touch()
    rest = following.stdout.read(), as_json.stdout.read()

    assert begun[0].endswith("stdout begun\n")
    assert json.loads(begun[1])["text"] == "begun"
    assert "stdout ended\n" in rest[0]
    assert rest[0].endswith("run 1 is succeeded\n")
    assert [json.loads(line)["text"] for line in rest[1].splitlines()] == ["ended"]
    assert (following.wait(60), as_json.wait(60)) == (0, 0)


def test_following_a_run_that_has_ended_shows_it_as_without(workplace: "Workplace") -> None:
    workplace.write(WAITS)
    (workplace.folder / "go").touch()
    workplace.start_node()
    workplace.jobsched("trigger", "one", "--wait")

    assert workplace.jobsched("logs", "1", "-f").stdout == workplace.jobsched("logs", "1").stdout


def test_following_a_run_that_never_was_is_an_error(workplace: "Workplace") -> None:
    assert "no run 7" in workplace.jobsched("logs", "7", "-f", code=1).stderr


def test_ctrl_c_ends_following_without_a_word(workplace: "Workplace", start: Start) -> None:
    workplace.write(WAITS)
    workplace.start_node()
    workplace.jobsched("trigger", "one")

    following = start("logs", "1", "-f")
    assert following.stdout is not None
    following.stdout.readline()
    following.send_signal(signal.SIGINT)
    rest = following.communicate(timeout=60)

    assert (following.returncode, *rest) == (130, "", "")
    (workplace.folder / "go").touch()
