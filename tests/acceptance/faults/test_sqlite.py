"""Faults of an SQLite file, by their numbers in docs/reliability.md: locked, full, held by a process that is frozen."""

import resource
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.acceptance.faults.conftest import Faulty

pytestmark = pytest.mark.acceptance

SLOW = "slow: {handler: work, payload: {seconds: 0.3}, concurrency: {policy: queue, limit: 3}}"
HOLDS = """
import sqlite3, sys, threading
sqlite3.connect(sys.argv[1], isolation_level=None).execute("begin immediate")
print("holds", flush=True)
threading.Event().wait()
"""


@pytest.mark.faults
def test_30_a_file_that_is_locked_for_longer_than_the_lease_costs_no_run(faulty_sqlite: "Faulty") -> None:
    faulty = faulty_sqlite
    faulty.declare(f"{SLOW}, tick: {{every: 1s, handler: work, concurrency: allow, catch_up: all}}")
    node = faulty.node()
    faulty.trigger("slow", 6)
    faulty.begun()

    with closing(sqlite3.connect(faulty.place.folder / "jobsched.db", isolation_level=None)) as other:
        other.execute("begin exclusive")
        faulty.injected += 1
        faulty.said(node, "node_fenced")
        other.execute("rollback")

    faulty.holds({"slow": 3})


@pytest.mark.faults
def test_31_a_writer_that_is_frozen_within_its_transaction_holds_up_the_others_until_it_is_gone(
    faulty_sqlite: "Faulty",
) -> None:
    faulty = faulty_sqlite
    faulty.declare(SLOW)
    node = faulty.node()
    faulty.trigger("slow", 6)
    faulty.begun()

    file = faulty.place.folder / "jobsched.db"
    with subprocess.Popen([sys.executable, "-c", HOLDS, str(file)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"holds\n"
        writer.send_signal(signal.SIGSTOP)
        faulty.injected += 1
        faulty.said(node, "node_fenced")
        node.wait_for_log("locked")
        writer.kill()

    faulty.holds({"slow": 3})


def test_32_a_full_disk_refuses_with_the_files_name_and_all_goes_on_when_there_is_room(
    faulty_sqlite: "Faulty",
) -> None:
    faulty = faulty_sqlite
    file = faulty.place.folder / "jobsched.db"
    faulty.declare("slow: {handler: work, concurrency: allow}")
    faulty.place.jobsched("sync")

    # No file may grow beyond this: what a full disk is to a process.
    command = [
        sys.executable,
        "-m",
        "jobsched",
        "trigger",
        "slow",
        "--payload",
        f'{{"seconds": 0, "x": "{"x" * 90_000}"}}',
    ]
    limited = subprocess.run(
        command,
        cwd=faulty.place.folder,
        env=faulty.place.environment(),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000)),
        capture_output=True,
        text=True,
    )
    faulty.injected += 1

    assert limited.returncode == 1
    assert str(file) in limited.stderr
    assert "Traceback" not in limited.stderr
    with closing(sqlite3.connect(file)) as opened:
        assert opened.execute("pragma integrity_check").fetchone() == ("ok",)
    faulty.trigger("slow", 3)
    faulty.node()
    faulty.holds()
