"""Faults of PostgreSQL and of the way to it, by their numbers in docs/reliability.md."""

import os
import pwd
import shutil
import signal
import subprocess
import threading
from contextlib import contextmanager
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from jobsched.model.run import RunState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.acceptance.faults.conftest import Faulty, Proxy

    Admin = psycopg.Connection[tuple[Any, ...]]

pytestmark = pytest.mark.acceptance

WORK = """
    tick: {every: 1s, handler: work, concurrency: allow, catch_up: all, max_catch_up: 1000},
    slow: {handler: work, payload: {seconds: 0.3}, concurrency: {policy: queue, limit: 3}}
"""
SESSIONS = "from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"


def cut_all(admin: "Admin") -> None:
    admin.execute(f"select pg_terminate_backend(pid) {SESSIONS}")


def test_10_sessions_that_are_cut_again_and_again_cost_no_run(faulty_postgres: "Faulty", admin: "Admin") -> None:
    faulty, never = faulty_postgres, threading.Event()
    faulty.declare(WORK)
    faulty.node()
    faulty.trigger("slow", 12)
    faulty.node()
    faulty.hang_up()

    for _ in range(20):
        cut_all(admin)
        faulty.injected += 1
        never.wait(0.2)

    faulty.holds({"slow": 3})


def test_what_a_node_holds_that_is_killed_before_the_slot_is_fired_once_by_another(faulty_postgres: "Faulty") -> None:
    faulty = faulty_postgres
    faulty.declare("tick: {every: 1s, handler: work, concurrency: allow, catch_up: all, max_catch_up: 1000}")
    place = faulty.place

    killed = place.start_node(ready=False, JOBSCHED_TESTING="1", JOBSCHED_FAULT="fire_held").process.wait(30)
    place.nodes.clear()
    faulty.injected += 1
    fired_by_it = len(place.runs("tick"))
    faulty.node()
    place.wait_for_run("tick", RunState.SUCCEEDED, count=fired_by_it + 3)

    faulty.holds()
    slots = [run.scheduled_at for run in place.runs("tick")]
    assert killed == 9
    assert {later - slot for slot, later in pairwise(slots)} == {timedelta(seconds=1)}


def test_15_a_database_that_becomes_read_only_and_writable_again_costs_no_run(
    faulty_postgres: "Faulty", admin: "Admin"
) -> None:
    faulty = faulty_postgres
    faulty.declare(WORK)
    node = faulty.node()
    faulty.trigger("slow", 6)
    faulty.begun()
    faulty.hang_up()
    [database] = admin.execute("select current_database()").fetchone() or ()

    admin.execute(f"alter database {database} set default_transaction_read_only = on")
    cut_all(admin)
    faulty.injected += 1
    faulty.said(node, "node_fenced")
    admin.execute(f"alter database {database} reset default_transaction_read_only")

    faulty.holds({"slow": 3})


def test_17_without_connections_to_be_had_a_node_waits_and_goes_on(faulty_postgres: "Faulty", admin: "Admin") -> None:
    faulty = faulty_postgres
    [database] = admin.execute("select current_database()").fetchone() or ()
    admin.execute(f"create role {database} login; grant all on all tables in schema public to {database}")
    admin.execute(f"grant all on schema public to {database}")
    faulty.declare(WORK)
    owner = faulty.place.url
    faulty.place.url = owner.replace("postgres:", f"{database}:", 1)
    node = faulty.node()
    faulty.place.url = owner
    faulty.trigger("slow", 6)
    faulty.begun()
    faulty.hang_up()

    # The node's own are cut; the next it asks for are too many.
    admin.execute(f"alter role {database} connection limit 0")
    cut_all(admin)
    faulty.injected += 1
    faulty.said(node, "node_fenced")
    admin.execute(f"alter role {database} connection limit -1")

    faulty.holds({"slow": 3})
    assert "too many connections" in node.log


@pytest.mark.faults
def test_09_a_node_whose_sessions_hang_fences_itself_and_goes_on(faulty_postgres: "Faulty", admin: "Admin") -> None:
    faulty = faulty_postgres
    faulty.declare(WORK)
    node = faulty.node()
    faulty.trigger("slow", 6)
    faulty.begun()
    faulty.hang_up()
    hung: set[int] = set()

    def hang() -> bool:
        for (pid,) in admin.execute(f"select pid {SESSIONS}").fetchall():
            if pid not in hung:
                os.kill(pid, signal.SIGSTOP)
                hung.add(pid)
        return '"event": "node_fenced"' in node.log

    try:
        faulty.place.eventually(hang, "it fences itself")
        faulty.injected += 1
    finally:
        for pid in hung:
            os.kill(pid, signal.SIGCONT)

    faulty.holds({"slow": 3})


@pytest.mark.faults
def test_16_a_way_that_swallows_everything_is_given_up_and_the_node_goes_on_when_it_is_there_again(
    faulty_postgres: "Faulty", proxy: "Proxy"
) -> None:
    faulty = faulty_postgres
    faulty.declare(WORK)
    direct = faulty.place.url
    faulty.place.url = f"postgresql://postgres@127.0.0.1:{proxy.port}{urlsplit(direct).path}"
    node = faulty.node()
    faulty.place.url = direct
    faulty.trigger("slow", 6)
    faulty.begun()

    proxy.swallow()
    faulty.injected += 1
    faulty.said(node, "node_fenced")
    # Its sessions are cut off after 20 s of silence; that is what it says when a loop goes on to fail.
    node.wait_for_log("is not available")
    proxy.heal()

    faulty.holds({"slow": 3})


@contextmanager
def pgbouncer(folder: Path, url: str) -> "Iterator[int]":
    """In transaction mode with two connections; its port."""
    parts = urlsplit(url)
    [host] = parse_qs(parts.query)["host"]
    port = 6432 + os.getpid() % 20_000
    (folder / "users.txt").write_text('"postgres" ""\n')
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n* = host={host} user=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n"
        f"unix_socket_dir =\nauth_type = any\nauth_file = {folder}/users.txt\npool_mode = transaction\n"
        "default_pool_size = 2\nmax_client_conn = 200\n"
    )
    owner = Path(host).stat().st_uid
    for file in (folder, *folder.iterdir()):
        os.chown(file, owner, -1)
    log = folder / "pgbouncer.log"
    with log.open("wb") as out:
        # As root it refuses to run; as the owner of the server it may open the server's socket.
        command = ["pgbouncer", *(["-u", pwd.getpwuid(owner).pw_name] if os.geteuid() == 0 else []), "pgbouncer.ini"]
        process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=out)
    try:
        yield port
    finally:
        process.terminate()
        process.wait()


@pytest.mark.faults
@pytest.mark.skipif(shutil.which("pgbouncer") is None, reason="PgBouncer is not installed: case 20 is NOT tested")
def test_20_behind_pgbouncer_in_transaction_mode_all_is_as_without(faulty_postgres: "Faulty", tmp_path: Path) -> None:
    faulty = faulty_postgres
    faulty.declare(WORK)
    direct = faulty.place.url
    with pgbouncer(tmp_path, direct) as port:
        faulty.place.url = f"postgresql://postgres@127.0.0.1:{port}{urlsplit(direct).path}"
        first = faulty.node("--wait-for-db")
        faulty.node("--wait-for-db")
        faulty.trigger("slow", 30)
        faulty.begun(5)
        faulty.kill(first)

        faulty.holds({"slow": 3})
