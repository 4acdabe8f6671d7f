"""Faults of nodes, by their numbers in docs/reliability.md: killed, frozen, with a wrong clock, many at once."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from jobsched.model.run import RunState

if TYPE_CHECKING:
    from tests.acceptance.faults.conftest import Faulty

pytestmark = pytest.mark.acceptance

ENQUEUE = """
import os, sys
from jobsched.client import Client
from jobsched_sql import insertion
if sys.argv[2] == "dies":
    insertion._resolve_twins = lambda *_: os._exit(9)
print(Client(sys.argv[1]).enqueue("work", unique_key="the one").id)
"""


def test_04_an_enqueue_that_is_killed_before_its_commit_makes_nothing_and_may_be_repeated(faulty: "Faulty") -> None:
    def enqueue(fate: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-c", ENQUEUE, faulty.place.url, fate]
        return subprocess.run(command, check=False, capture_output=True, text=True)

    died = enqueue("dies")
    faulty.injected += 1
    assert died.returncode == 9
    assert faulty.place.client.runs() == []

    faulty.acknowledged.append(int(enqueue("lives").stdout))

    faulty.declare("")
    faulty.node()
    faulty.holds()


def test_06_what_two_nodes_have_begun_is_taken_over_while_they_are_killed_in_turn(faulty: "Faulty") -> None:
    faulty.declare("""
        tick: {every: 1s, handler: work, concurrency: allow, catch_up: all},
        slow: {handler: work, payload: {seconds: 0.3}, concurrency: allow}
    """)
    nodes = [faulty.node(), faulty.node()]
    begun = 0

    for _ in range(2):
        faulty.trigger("slow", 10)
        begun += 4
        faulty.begun(begun)
        faulty.kill(nodes.pop(0))
        nodes.append(faulty.node())

    faulty.holds()


def test_22_a_limit_holds_while_a_node_that_has_half_of_it_is_killed(faulty: "Faulty") -> None:
    faulty.declare("limited: {handler: work, payload: {seconds: 0.2}, concurrency: {policy: queue, limit: 3}}")
    first = faulty.node("--threads", "2")
    faulty.node("--threads", "2")
    faulty.trigger("limited", 16)
    faulty.begun(4)

    faulty.kill(first)
    faulty.node("--threads", "2")

    faulty.holds({"limited": 3})


@pytest.mark.faults
def test_21_eight_nodes_never_begin_more_than_the_limit(faulty: "Faulty") -> None:
    faulty.declare("limited: {handler: work, payload: {seconds: 0.05}, concurrency: {policy: queue, limit: 3}}")
    for _ in range(8):
        faulty.node("--threads", "2")

    faulty.trigger("limited", 150)
    faulty.injected += 8

    faulty.holds({"limited": 3})


def test_26_a_node_whose_clock_is_an_hour_ahead_fires_nothing_early_and_takes_nothing_over(
    faulty_postgres: "Faulty",
) -> None:
    faulty = faulty_postgres
    faulty.place.module(
        "ahead",
        """
        from datetime import timedelta
        from jobsched.clock import SystemClock
        right = SystemClock.now
        SystemClock.now = lambda self: right(self) + timedelta(hours=1)
        """,
    )
    faulty.declare("""
        tick: {every: 1s, handler: work, concurrency: allow},
        slow: {handler: work, payload: {seconds: 1}, concurrency: allow}
    """)
    faulty.node()
    faulty.trigger("slow", 3)
    faulty.begun(3)

    faulty.place.file.write_text(faulty.place.file.read_text().replace("[work]", "[work, ahead]"))
    ahead = faulty.node()
    faulty.injected += 1
    fired = faulty.place.wait_for_run("tick", RunState.SUCCEEDED, count=len(faulty.place.runs("tick")) + 4)

    assert all(run.started_at >= run.scheduled_at for run in fired if run.started_at and run.scheduled_at)
    assert all(run.attempt == 1 for run in faulty.place.runs("slow"))
    assert "clock" in ahead.log
    faulty.holds()


def test_53_fifty_enqueues_of_one_unique_key_at_once_make_one_run(faulty: "Faulty") -> None:
    faulty.declare("")
    client = faulty.place.client  # made once, not by each thread that finds none
    with ThreadPoolExecutor(16) as programs:
        made = list(programs.map(lambda _: client.enqueue("work", unique_key="the one"), range(50)))
    faulty.injected += 50

    assert len({created.id for created in made}) == 1
    assert sum(not created.existing for created in made) == 1
