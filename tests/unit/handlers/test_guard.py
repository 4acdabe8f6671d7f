import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobsched.handlers import guard as guard_module
from jobsched.handlers.guard import Guard
from jobsched.handlers.survivors import MARK

NODE = """
import os, subprocess, sys, threading
from jobsched.handlers.guard import guard
from jobsched.handlers.survivors import MARK
kept = [subprocess.Popen(["sleep", "3600"], start_new_session=True, stdout=subprocess.DEVNULL) for _ in range(3)]
for process in kept:
    guard.watch(process.pid, str(process.pid) * 8)
guard.release(kept[1].pid)
marked = {"PATH": os.environ["PATH"], MARK: str(kept[0].pid) * 8}
kept.append(subprocess.Popen(["sleep", "3600"], start_new_session=True, stdout=subprocess.DEVNULL, env=marked))
print(*(process.pid for process in kept), flush=True)
threading.Event().wait()
"""


def ends(pid: int) -> None:
    """Wait until it has ended, as who started it."""
    os.waitpid(pid, 0)


@pytest.fixture
def guarded() -> Iterator[subprocess.Popen[bytes]]:
    """A process in a session of its own."""
    with subprocess.Popen(["sleep", "3600"], start_new_session=True) as process:
        yield process
        process.kill()


other = guarded


def wait_gone(group: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        state = Path(f"/proc/{group}/stat")
        if not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z":
            return
        threading.Event().wait(0.01)
    raise AssertionError(f"{group} lives")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks into /proc")
def test_a_node_that_is_killed_takes_its_commands_with_it_and_only_those() -> None:
    with subprocess.Popen([sys.executable, "-c", NODE], stdout=subprocess.PIPE, text=True) as node:
        assert node.stdout is not None
        first, released, third, in_another_session = map(int, node.stdout.readline().split())

        node.kill()
        node.wait()

        wait_gone(first)
        wait_gone(third)
        wait_gone(in_another_session)
        os.kill(released, 0)
        os.kill(released, signal.SIGKILL)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks into /proc")
def test_a_guard_that_was_killed_is_replaced_and_told_all(guarded: subprocess.Popen[bytes]) -> None:
    guard = Guard()
    guard.watch(guarded.pid, "mark")
    first = guard._pid
    os.kill(first, signal.SIGKILL)
    wait_gone(first)

    guard.watch(guarded.pid, "mark")
    second = guard._pid
    assert second != first
    assert guard._pipe is not None
    os.close(guard._pipe)
    guard._pipe = None

    assert guarded.wait(30) == -signal.SIGKILL
    ends(second)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks into /proc")
def test_a_guard_that_is_gone_is_replaced_while_the_same_commands_run(
    guarded: subprocess.Popen[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    guard = Guard()
    guard.watch(guarded.pid, "mark")
    first = guard._pid
    guard.look_after()
    assert guard._pid == first
    os.kill(first, signal.SIGKILL)
    wait_gone(first)

    guard.look_after()
    assert "another takes its place" in caplog.text
    assert guard._pipe is not None
    os.close(guard._pipe)
    guard._pipe = None

    assert guarded.wait(30) == -signal.SIGKILL
    ends(guard._pid)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks into /proc")
def test_what_has_started_is_killed_though_nobody_had_the_time_to_watch_it() -> None:
    guard, marks = Guard(), ("begun" * 8, "ended" * 8)
    begun, ended = (
        subprocess.Popen(["sleep", "3600"], start_new_session=True, env={"PATH": os.environ["PATH"], MARK: mark})
        for mark in marks
    )
    with begun, ended:
        with guard.expecting(marks[1]):
            pass
        with guard.expecting(marks[0]):
            assert guard._pipe is not None
            os.close(guard._pipe)
            guard._pipe = None

            assert begun.wait(30) == -signal.SIGKILL
            ends(guard._pid)
        assert ended.poll() is None
        ended.kill()


def test_without_commands_no_guard_is_looked_for() -> None:
    guard = Guard()

    guard.look_after()

    assert guard._pipe is None


def test_the_guard_ignores_what_stops_a_node_gently(
    guarded: subprocess.Popen[bytes], other: subprocess.Popen[bytes]
) -> None:
    guard = Guard()
    guard.watch(guarded.pid, "mark")
    guard.watch(other.pid, "mark")
    guard.release(other.pid)

    os.kill(guard._pid, signal.SIGTERM)
    os.kill(guard._pid, signal.SIGINT)
    assert guard._pipe is not None
    os.close(guard._pipe)
    guard._pipe = None

    assert guarded.wait(30) == -signal.SIGKILL
    ends(guard._pid)
    assert other.poll() is None


def test_without_a_shell_there_is_a_warning_and_no_guard(
    guarded: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def none(*_: object, **__: object) -> int:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(os, "posix_spawn", none)

    Guard().watch(guarded.pid, "mark")

    assert "no guard over commands" in caplog.text


def test_where_a_platform_can_have_no_guard_it_does_nothing(
    guarded: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard_module, "_POSSIBLE", False)
    guard = Guard()

    guard.watch(guarded.pid, "mark")
    guard.release(guarded.pid)

    assert (guard._pid, guard._pipe) == (0, None)


def test_commands_can_be_imported_on_a_platform_without_fork() -> None:
    script = """
import logging, os, random, subprocess, threading
del os.register_at_fork, os.posix_spawn
import jobsched.handlers.command
print("imported")
"""

    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)

    assert (answer.stdout, answer.stderr) == ("imported\n", "")
