"""Looking on while things happen: `logs -f`, `status --watch`."""

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.acceptance.conftest import Restartable, Workplace

pytestmark = pytest.mark.acceptance


def test_how_far_a_run_is_and_what_its_threads_print_is_seen_from_another_process(workplace: "Workplace") -> None:
    workplace.module(
        "work",
        """
        import contextvars, pathlib, threading

        def copy(ctx):
            context = contextvars.copy_context()
            thread = threading.Thread(target=context.run, args=(print, "from a thread"))
            thread.start()
            thread.join()
            ctx.progress(0.45, "copying\x1b[31m")
            while not pathlib.Path("enough").exists():
                ctx.wait(0.05)
        """.replace("(ctx)", "(ctx: 'jobsched.Context')").replace("import contextvars", "import jobsched, contextvars"),
    )
    workplace.write("""
        version: 1
        jobs:
          copy: {handler: "work:copy"}
    """)
    workplace.start_node()
    run_id = workplace.client.trigger("copy").id

    workplace.eventually(lambda: workplace.client.progress(workplace.runs("copy")), "its progress")
    shown = {name: workplace.jobsched(*name.split()).stdout for name in ("runs", "show copy", "status")}
    status = workplace.as_json("status")
    (workplace.folder / "enough").touch()
    workplace.client.wait(run_id)

    assert all("45% copying\\x1b[31m" in text for text in shown.values()), shown
    assert [run["progress"] for run in status["running"]] == ["45% copying\x1b[31m"]
    assert "from a thread" in workplace.jobsched("logs", str(run_id)).stdout
    assert "45%" not in workplace.jobsched("runs").stdout


#: Says `begun`, waits for the file `go`, says `ended`.
WAITS = """
    version: 1
    jobs:
      one: {shell: "echo begun; until [ -e go ]; do sleep 0.05; done; echo ended"}
"""

Start = Callable[..., "subprocess.Popen[str]"]


@contextmanager
def started_in(workplace: "Workplace", *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """A command whose output is read while it runs."""
    with subprocess.Popen(
        [sys.executable, "-m", "jobsched", *arguments],
        cwd=workplace.folder,
        env=workplace.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def start(workplace: "Workplace") -> Iterator[Start]:
    with ExitStack() as cleanup:
        yield lambda *arguments: cleanup.enter_context(started_in(workplace, *arguments))


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


def test_following_a_run_that_waits_says_what_for_and_when_it_starts(workplace: "Workplace", start: Start) -> None:
    workplace.write(WAITS.replace("one: {", "one: {queue: mail, "))
    workplace.start_node()
    workplace.jobsched("pause", "--queue", "mail", "--reason", "a move")
    workplace.jobsched("trigger", "one")

    following = start("logs", "1", "-f")
    assert following.stderr is not None
    waits = following.stderr.readline()
    workplace.jobsched("resume", "--queue", "mail")
    runs = following.stderr.readline()
    (workplace.folder / "go").touch()

    assert ": it waits: queue mail: paused since " in waits
    assert waits.endswith("to end it: jobsched resume --queue mail\n")
    assert runs == "run 1 runs\n"
    assert following.communicate(timeout=60)[0].endswith("run 1 is succeeded\n")


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


def test_status_is_watched_until_ctrl_c(workplace: "Workplace", start: Start) -> None:
    workplace.write(WAITS)
    workplace.jobsched("sync")

    watching = start("status", "--watch")
    read_until(watching, "generation 1")
    workplace.write(WAITS + "      two: {command: ['true']}\n")
    workplace.jobsched("sync")
    read_until(watching, "generation 2")
    watching.send_signal(signal.SIGINT)

    assert "\x1b" not in watching.communicate(timeout=60)[0]
    assert watching.returncode == 130


def test_status_is_watched_as_json_one_object_a_line(workplace: "Workplace", start: Start) -> None:
    workplace.write(WAITS)
    workplace.jobsched("sync")

    watching = start("status", "--watch", "-o", "json")
    assert watching.stdout is not None
    looks = [json.loads(watching.stdout.readline()) for _ in range(2)]

    assert [look["generation"]["number"] for look in looks] == [1, 1]


@pytest.mark.parametrize("restartable", ["fast"], indirect=True)
def test_watching_outlives_a_restart_of_the_database(restartable: "Restartable") -> None:
    workplace = restartable.workplace
    workplace.write(WAITS)
    workplace.jobsched("sync")

    with started_in(workplace, "status", "--watch") as watching:
        read_until(watching, "generation 1")
        restartable.stop()
        assert watching.stderr is not None
        said = watching.stderr.readline()
        restartable.start()
        workplace.write(WAITS + "      two: {command: ['true']}\n")
        workplace.jobsched("sync")
        read_until(watching, "generation 2")

    assert said.startswith("error: ")


def test_a_terminal_is_redrawn(place: "Workplace") -> None:
    place.write(WAITS)
    place.jobsched("sync")
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(place.folder)
        os.execve(sys.executable, [sys.executable, "-m", "jobsched", "status", "--watch"], place.environment())
    written = b""
    try:
        while written.count(b"\x1b[2J") < 2:
            written += os.read(terminal, 65536)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)

    assert written.split(b"\x1b[2J")[1].count(b"generation 1") == 1


def read_until(process: "subprocess.Popen[str]", text: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if text in line:
            return
    raise AssertionError(f"{text!r} did not come; it ended with {process.wait(60)}")
