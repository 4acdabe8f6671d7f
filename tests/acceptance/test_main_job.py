"""The main job with real processes: edit, sync, run, reload, on SQLite and on PostgreSQL."""

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from jobsched.model.run import Reason, RunState

if TYPE_CHECKING:
    from tests.acceptance.conftest import Workplace

pytestmark = pytest.mark.acceptance

EVERY_SECOND = """
    version: 1
    jobs:
      tick:
        command: ["true"]
        every: 1s
"""


def test_a_file_a_sync_a_run_a_result(workplace: "Workplace") -> None:
    workplace.module("work", "def add(a, b):\n    print('adding', a, b)\n    return {'sum': a + b}\n")
    workplace.write("""
        version: 1
        jobs:
          add:
            handler: work:add
            cron: "0 0 1 1 *"
            payload: {a: 2, b: 3}
    """)

    workplace.start_node()
    answer = workplace.jobsched("trigger", "add", "--wait")
    [run] = workplace.as_json("runs", "--job", "add")

    assert "succeeded" in answer.stdout
    assert run["result"] == {"sum": 5}
    assert (run["state"], run["source"], run["attempt"], run["generation"]) == ("succeeded", "trigger", 1, 1)
    assert "adding 2 3" in workplace.jobsched("logs", str(run["id"])).stdout


def test_hot_reload_picks_up_an_edit(workplace: "Workplace") -> None:
    workplace.write(EVERY_SECOND)
    node = workplace.start_node()

    workplace.write(EVERY_SECOND + "      second: {command: ['true'], every: 1s}\n")
    node.wait_for_log("generation 2 applied: 1 created")

    workplace.wait_for_run("second", RunState.SUCCEEDED)
    assert [job["name"] for job in workplace.as_json("list")] == ["second", "tick"]


def test_a_bad_edit_changes_nothing_and_says_where(workplace: "Workplace") -> None:
    workplace.write(EVERY_SECOND)
    node = workplace.start_node()

    workplace.write(EVERY_SECOND.replace("every: 1s", "evry: 1s"))
    node.wait_for_log("jobs.yaml:6:5: error: jobs.tick.evry:")
    before = len(workplace.runs("tick"))

    workplace.wait_for_run("tick", RunState.SUCCEEDED, count=before + 2)
    assert workplace.as_json("status")["generation"]["number"] == 1
    assert "jobs.tick.evry" in workplace.jobsched("status").stdout


def test_a_sync_that_would_remove_all_jobs_is_refused_at_start_and_the_stored_ones_run_on(
    workplace: "Workplace",
) -> None:
    workplace.write(EVERY_SECOND)
    workplace.jobsched("sync")
    workplace.write(EVERY_SECOND.replace("tick", "renamed"))

    node = workplace.start_node()

    node.wait_for_log("once with --allow-delete")
    workplace.wait_for_run("tick", RunState.SUCCEEDED)
    assert "would remove 1 of 1 jobs" in workplace.jobsched("status").stdout


def test_an_edit_during_a_slow_start_is_not_missed(workplace: "Workplace") -> None:
    workplace.module(
        "slow_import",
        """
        import pathlib, threading
        pathlib.Path("importing").touch()
        while not pathlib.Path("edited").exists():
            threading.Event().wait(0.02)
        """,
    )
    workplace.write("""
        version: 1
        settings: {imports: [slow_import]}
        jobs:
          first: {command: ["true"]}
    """)
    node = workplace.start_node(ready=False)
    workplace.eventually((workplace.folder / "importing").exists, "the slow import")

    workplace.file.write_text(workplace.file.read_text() + "  second: {command: ['true']}\n")
    (workplace.folder / "edited").touch()

    node.wait_for_log("generation 2 applied: 1 created")


def test_an_older_file_of_a_restarted_node_changes_nothing(workplace: "Workplace") -> None:
    workplace.write(EVERY_SECOND)
    workplace.jobsched("sync")
    workplace.write(EVERY_SECOND.replace("1s", "2s"))
    workplace.jobsched("sync")
    workplace.write(EVERY_SECOND)

    node = workplace.start_node()

    node.wait_for_log("older than generation 2")
    [job] = workplace.as_json("list")
    assert job["definition"]["every"] == "2s"
    assert "stale" in workplace.jobsched("status").stdout


def test_an_every_second_job_that_takes_longer_runs_and_skips_with_reasons(workplace: "Workplace") -> None:
    workplace.write("""
        version: 1
        jobs:
          slow:
            command: ["sleep", "2.5"]
            every: 1s
    """)

    workplace.start_node()
    workplace.wait_for_run("slow", RunState.SUCCEEDED, count=2)

    runs = workplace.runs("slow")
    skipped = [run for run in runs if run.state is RunState.SKIPPED]
    assert {run.reason for run in skipped} == {Reason.OVERLAP}
    assert len(skipped) >= 3
    slots = [run.scheduled_at for run in runs if run.scheduled_at]
    assert all((later - earlier).total_seconds() == 1 for earlier, later in pairwise(sorted(slots)))
    performed = [run for run in runs if run.started_at and run.finished_at and run.attempt]
    assert all(
        earlier.finished_at <= later.started_at
        for earlier, later in pairwise(performed)
        if earlier.finished_at and later.started_at
    )


def test_two_nodes_give_an_every_second_job_one_run_a_second(workplace: "Workplace") -> None:
    workplace.write("""
        version: 1
        jobs:
          tick:
            command: ["true"]
            every: 1s
            concurrency: allow
            catch_up: all
    """)

    nodes = [workplace.start_node(), workplace.start_node()]
    workplace.wait_for_run("tick", RunState.SUCCEEDED, count=8)
    for node in nodes:
        node.terminate()

    runs = workplace.runs("tick")
    slots = sorted(run.scheduled_at for run in runs if run.scheduled_at)
    assert len(slots) == len(set(slots)) == len(runs)
    assert all((later - earlier).total_seconds() == 1 for earlier, later in pairwise(slots))
    assert all(run.started_at >= run.scheduled_at for run in runs if run.started_at and run.scheduled_at)


def test_sigterm_loses_nothing(workplace: "Workplace") -> None:
    workplace.write("""
        version: 1
        jobs:
          work:
            shell: echo begun >> begun; sleep 1
            concurrency: allow
    """)
    begun = workplace.folder / "begun"
    node = workplace.start_node("--threads", "2")
    for _ in range(6):
        workplace.client.trigger("work")
    workplace.eventually(lambda: begun.exists() and len(begun.read_text().splitlines()) >= 2, "two that have begun")

    code = node.terminate()
    after = workplace.runs("work")
    workplace.start_node("--threads", "4")
    done = workplace.wait_for_run("work", RunState.SUCCEEDED, count=6)

    assert code == 0
    assert {run.state for run in after} == {RunState.SUCCEEDED, RunState.PENDING}
    assert [run.attempt for run in done] == [1] * 6


def test_a_shutdown_gives_back_what_does_not_end_without_counting_an_attempt(workplace: "Workplace") -> None:
    workplace.write("""
        version: 1
        jobs:
          long: {command: ["sleep", "60"], timeout: 2m}
    """)
    node = workplace.start_node(JOBSCHED_GRACE="500ms")
    workplace.client.trigger("long")
    workplace.wait_for_run("long", RunState.RUNNING)

    code = node.terminate()

    [run] = workplace.runs("long")
    assert code == 0
    assert (run.state, run.attempt, run.node) == (RunState.PENDING, 0, None)


def test_kill_9_in_a_handler_is_recovered_by_a_restart(workplace: "Workplace") -> None:
    marker = workplace.folder / "second"
    workplace.write(f"""
        version: 1
        jobs:
          once:
            shell: 'if [ -e {marker} ]; then exit 0; fi; touch {marker}; sleep 60'
    """)
    node = workplace.start_node()
    workplace.client.trigger("once")
    workplace.wait_for_run("once", RunState.RUNNING)
    workplace.eventually(marker.exists, "the first attempt")

    node.kill()
    workplace.start_node()

    [run] = workplace.wait_for_run("once", RunState.SUCCEEDED)
    assert run.attempt == 2


def test_kill_9_in_a_handler_is_recovered_by_a_second_node(workplace: "Workplace") -> None:
    marker = workplace.folder / "second"
    workplace.write(f"""
        version: 1
        jobs:
          once:
            shell: 'if [ -e {marker} ]; then exit 0; fi; touch {marker}; sleep 60'
    """)
    first = workplace.start_node()
    workplace.client.trigger("once")
    workplace.wait_for_run("once", RunState.RUNNING)
    workplace.eventually(marker.exists, "the first attempt")
    second = workplace.start_node()

    first.kill()

    [run] = workplace.wait_for_run("once", RunState.SUCCEEDED)
    assert run.attempt == 2
    assert "died: its run" in second.log


@pytest.mark.parametrize("point", ["after_claim", "before_finish"])
def test_kill_9_between_two_commits_is_recovered(workplace: "Workplace", point: str) -> None:
    counted = workplace.folder / "count"
    workplace.write(f"""
        version: 1
        jobs:
          count: {{shell: "echo x >> {counted}"}}
    """)
    node = workplace.start_node(JOBSCHED_TESTING="1", JOBSCHED_FAULT=point)
    workplace.client.trigger("count")
    node.process.wait(30)

    workplace.start_node()

    [run] = workplace.wait_for_run("count", RunState.SUCCEEDED)
    starts = len(counted.read_text().splitlines())
    assert starts == (1 if point == "after_claim" else 2)
    assert run.attempt == 2
