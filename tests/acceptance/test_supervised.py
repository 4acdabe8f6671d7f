"""A node under something that starts and stops it: systemd, a container, signals at any moment."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobsched.model.run import RunState

if TYPE_CHECKING:
    from tests.acceptance.conftest import Workplace

pytestmark = pytest.mark.acceptance


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """What systemd listens on."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind(str(tmp_path / "notify"))
        made.settimeout(30)
        yield made


def test_systemd_hears_of_the_nodes_life(place: "Workplace", manager: socket.socket) -> None:
    place.write('jobs: {idle: {shell: "env > env.txt"}}')
    notify = {"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "600000000"}

    heard: list[bytes] = []

    def hears(what: bytes, times: int = 1) -> None:
        while heard.count(what) < times:
            heard.append(manager.recv(1000).split(b"\n")[0])

    node = place.start_node(**notify)
    hears(b"READY=1")
    place.jobsched("trigger", "idle", "--wait")
    node.process.send_signal(signal.SIGHUP)
    hears(b"READY=1", times=2)
    code = node.terminate()
    hears(b"STOPPING=1")

    assert code == 0
    assert [message for message in heard if message != b"WATCHDOG=1"] == [
        b"READY=1",
        b"RELOADING=1",
        b"READY=1",
        b"STOPPING=1",
    ]
    assert b"WATCHDOG=1" in heard
    assert "NOTIFY_SOCKET" not in (place.folder / "env.txt").read_text()


def can_unshare() -> bool:
    try:
        return subprocess.run(["unshare", "-pf", "--mount-proc", "true"], capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not can_unshare(), reason="needs a PID namespace")
def test_as_the_first_process_of_a_container_it_reaps_orphans_and_passes_signals_on(place: "Workplace") -> None:
    place.write("""
        jobs:
          orphan: {shell: "setsid sh -c 'sleep 0.1' < /dev/null > /dev/null 2>&1 & exit 7"}
          zombies: {shell: "cat /proc/[0-9]*/stat 2>/dev/null | grep -c ' Z ' || true"}
          first: {shell: "tr '\\\\0' ' ' < /proc/1/cmdline"}
    """)
    place.jobsched("sync")
    log = (place.folder / "container.log").open("wb")
    command = ["unshare", "-pf", "--mount-proc", sys.executable, "-m", "jobsched", "run", "--log-format", "text"]
    container = subprocess.Popen(command, cwd=place.folder, env=place.environment(), stdout=log, stderr=log)
    init = place.eventually(
        lambda: Path(f"/proc/{container.pid}/task/{container.pid}/children").read_text().split(), "process 1"
    )[0]
    try:
        place.jobsched("trigger", "first", "--wait")
        failed = place.client.trigger("orphan")
        place.wait_for_run("orphan", RunState.FAILED)

        def no_zombies() -> bool:
            run = place.client.trigger("zombies")
            place.client.wait(run.id)
            return place.client.log(run.id)[0].text == "0"

        place.eventually(no_zombies, "the orphan is reaped")
        os.kill(int(init), signal.SIGTERM)

        assert container.wait(30) == 0
    finally:
        container.kill()
        container.wait()
        log.close()
    assert "jobsched run" in place.client.log(place.runs("first")[0].id)[0].text
    # Nobody else took the command's exit code.
    assert place.client.run(failed.id).error[0]["message"].startswith("exit code 7")
    assert "has stopped" in (place.folder / "container.log").read_text()


def test_a_signal_while_it_starts_ends_it_before_anything_has_begun(place: "Workplace") -> None:
    opened = place.folder / "opened"
    os.mkfifo(opened)
    place.module("slow", f"open({str(opened)!r}).read()\n")
    place.write('settings: {imports: [slow]}\njobs: {tick: {shell: "true", every: 1s}}')
    node = place.start_node(ready=False)

    with opened.open("w"):
        node.process.send_signal(signal.SIGTERM)
    code = node.process.wait(30)

    assert code == 0
    assert place.client.runs() == []
    assert place.client.nodes() == []


def test_a_signal_while_the_schema_is_made_leaves_it_whole(place: "Workplace") -> None:
    place.write('jobs: {tick: {shell: "true", every: 1s}}')
    with sqlite3.connect(place.folder / "jobsched.db", isolation_level=None) as other:
        other.execute("begin exclusive")
        node = place.start_node(ready=False)
        # It heeds signals, and waits for the file.
        place.eventually(lambda: _heeds_sigterm(node.process.pid), "its handler of SIGTERM")

        node.process.send_signal(signal.SIGTERM)
        other.execute("rollback")
    other.close()
    code = node.process.wait(30)

    assert code == 0
    place.jobsched("db", "check")
    assert place.client.runs() == []


def test_what_others_may_change_is_not_run_where_permissions_are_strict(place: "Workplace") -> None:
    place.write('jobs: {tick: {shell: "true", every: 1h}}')
    place.file.chmod(0o666)

    refused = place.jobsched("run", "--strict-permissions", "--until-idle", code=1)
    warned = place.jobsched("run", "--until-idle")

    assert f"can write {place.file}: chmod go-w" in refused.stderr
    assert "--strict-permissions refuses that" in warned.stderr


def test_an_edit_that_opens_the_file_to_others_is_refused_where_permissions_are_strict(place: "Workplace") -> None:
    place.write('jobs: {tick: {shell: "true", every: 1h}}')
    node = place.start_node("--strict-permissions")

    place.file.chmod(0o666)
    place.file.write_text('jobs: {other: {shell: "true", every: 1h}}\n')
    node.wait_for_log("users other than its owner can write")

    assert [job["name"] for job in place.as_json("list")] == ["tick"]


def _heeds_sigterm(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    [caught] = [line.split()[1] for line in status.splitlines() if line.startswith("SigCgt")]
    return bool(int(caught, 16) & 1 << (signal.SIGTERM - 1))


def test_a_probe_learns_from_a_file_whether_the_node_works(place: "Workplace") -> None:
    place.write('jobs: {idle: {shell: "true"}}')
    file = str(place.folder / "health")

    before = place.jobsched("health", file, code=1)
    node = place.start_node("--health-file", file)
    place.eventually(lambda: place.jobsched("health", "--ready", file, code=None).returncode == 0, "the node is ready")
    code = node.terminate()
    after = place.jobsched("health", JOBSCHED_HEALTH_FILE=file, code=1)

    assert "no node was started with --health-file" in before.stderr
    assert code == 0
    assert "or it has ended" in after.stderr
