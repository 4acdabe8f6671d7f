"""Limits over several nodes, judged by what handlers themselves wrote down: never one more than the limit, with a kill in between."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobsched.model.run import RunState

if TYPE_CHECKING:
    from tests.acceptance.conftest import Workplace

pytestmark = pytest.mark.acceptance

HANDLER = """
    import os
    import threading

    from jobsched import Context

    def work(ctx: Context):
        say("+", ctx.run_id)
        threading.Event().wait(0.01)
        say("-", ctx.run_id)

    def say(what, run):
        file = os.open("events", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(file, f"{what}{run}\\n".encode())
        os.close(file)
"""
FILE = """
    version: 1
    settings:
      threads: 4
      queues: {mail: {limit: 3}}
    jobs:
      free: {handler: "work:work", queue: mail, concurrency: allow}
      keyed: {handler: "work:work", queue: mail, concurrency: {policy: queue, limit: 2, key: shared}}
      other: {handler: "work:work", concurrency: {policy: queue, limit: 2, key: shared}}
"""


def test_limits_hold_at_every_instant_on_three_nodes_and_when_one_is_killed(workplace: "Workplace") -> None:
    workplace.module("work", HANDLER)
    workplace.write(FILE)
    nodes = [workplace.start_node() for _ in range(3)]
    jobs = {workplace.client.trigger(job).id: job for _ in range(40) for job in ("free", "keyed", "other")}

    workplace.wait_for_run("free", RunState.SUCCEEDED, count=10)
    nodes[0].kill()

    for job in ("free", "keyed", "other"):
        workplace.wait_for_run(job, RunState.SUCCEEDED, count=40)
    queue, key = most_at_once(workplace.folder / "events", jobs)
    assert (queue <= 3, key <= 2) == (True, True), (queue, key)
    assert sum(run.attempt - 1 for job in ("free", "keyed", "other") for run in workplace.runs(job)) <= 4


def most_at_once(events: Path, jobs: dict[int, str]) -> tuple[int, int]:
    """How many runs of the queue, and of the key, were begun and not ended at one time; a killed one is, until it has ended."""
    live: set[int] = set()
    queue = key = 0
    for event in events.read_text().split():
        run = int(event[1:])
        if event[0] == "+":
            live.add(run)
        else:
            live.discard(run)
        queue = max(queue, sum(jobs[one] != "other" for one in live))
        key = max(key, sum(jobs[one] != "free" for one in live))
    return queue, key
