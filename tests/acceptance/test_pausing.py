"""Pauses from the command line, beside nodes at work: what stops, what goes on, and what is said of it where."""

import textwrap
from typing import TYPE_CHECKING, Any

import pytest

from jobsched.client import Client
from jobsched.model.run import Reason, RunState
from jobsched.schedule.fates import Unrecorded

if TYPE_CHECKING:
    from tests.acceptance.conftest import NodeProcess, Workplace

pytestmark = pytest.mark.acceptance

TICKING = """
    version: 1
    jobs:
      tick: {command: ["true"], every: 1s, concurrency: allow}
      mailing: {command: ["true"], queue: mail}
      yearly: {command: ["true"], cron: "0 0 1 1 *"}
"""


def test_a_paused_queue_starts_nothing_and_goes_on_when_it_is_resumed(workplace: "Workplace") -> None:
    workplace.write(TICKING)
    node = patient_node(workplace)

    said = workplace.jobsched("pause", "--queue", "mail", "--reason", "provider down").stdout
    node.wait_for_log("queue mail is paused by ")
    workplace.jobsched("trigger", "mailing")
    workplace.jobsched("trigger", "yearly", "--wait")
    [during] = workplace.runs("mailing")
    resumed = workplace.jobsched("resume", "--queue", "mail").stdout

    assert said.startswith("queue mail is paused until it is resumed\nnone of its runs starts;")
    assert (during.state, during.attempt) == (RunState.PENDING, 0)
    assert resumed == "queue mail is resumed\n"
    workplace.wait_for_run("mailing", RunState.SUCCEEDED)


def test_a_trigger_of_a_paused_queue_says_why_it_waits(workplace: "Workplace") -> None:
    workplace.write(TICKING)
    workplace.jobsched("sync")
    workplace.jobsched("pause", "--all", "--reason", "a move")

    told = workplace.jobsched("trigger", "yearly")

    assert told.stdout == "run 1 of yearly is pending\n"
    assert "it waits: all of default: paused since " in told.stderr
    assert "a move; until it is resumed; to end it: jobsched resume --all" in told.stderr


def test_the_slots_of_a_paused_job_are_skipped_in_one_row_and_it_goes_on(workplace: "Workplace") -> None:
    workplace.write(TICKING)
    patient_node(workplace)
    workplace.wait_for_run("tick", RunState.SUCCEEDED)

    workplace.jobsched("pause", "tick")
    workplace.eventually(lambda: held(workplace.client) >= 2, "two slots that are held")
    workplace.jobsched("resume", "tick")

    [paused] = [run for run in workplace.runs("tick", RunState.SKIPPED) if run.reason is Reason.PAUSED]
    before = len(workplace.runs("tick", RunState.SUCCEEDED))
    workplace.wait_for_run("tick", RunState.SUCCEEDED, count=before + 1)
    assert paused.covers is not None
    assert paused.covers.count is not None
    assert paused.covers.count >= 2
    assert_every_second_is_accounted_for(workplace)


def test_a_pause_outlives_its_node(workplace: "Workplace") -> None:
    workplace.write(TICKING)
    first = workplace.start_node()
    workplace.jobsched("pause", "tick", "mailing")
    first.wait_for_log("job tick is paused")
    first.kill()
    before = [run.scheduled_at for run in workplace.runs("tick")]

    second = workplace.start_node()
    workplace.jobsched("trigger", "yearly", "--wait")

    assert "job tick is paused" in second.log
    assert [run.scheduled_at for run in workplace.runs("tick")] == before


def test_a_pause_ends_by_itself(workplace: "Workplace") -> None:
    workplace.write(TICKING)
    workplace.jobsched("sync")
    workplace.jobsched("pause", "--all", "--for", "2s")

    node = patient_node(workplace)

    node.wait_for_log("all of default goes on: its pause is over")
    workplace.wait_for_run("tick", RunState.SUCCEEDED)
    assert workplace.as_json("status")["pauses"] == []
    assert_every_second_is_accounted_for(workplace)


def test_what_is_paused_is_said_wherever_a_job_is_shown(place: "Workplace") -> None:
    place.write(TICKING)
    place.jobsched("sync")
    [pause] = place.as_json("pause", "yearly", "--for", "30d", "--reason", "a move")
    place.write(TICKING.replace("0 0 1 1 *", "0 0 2 1 *"))

    told = {name: place.jobsched(name, "yearly") for name in ("show", "why", "next")}
    listed = place.jobsched("list").stdout
    planned = place.jobsched("plan").stdout
    seen = {name: place.jobsched(name).stdout for name in ("status", "stats")}

    line = f"yearly: paused since {told['show'].stdout.partition('paused since ')[2].partition('; to end it')[0]}"
    assert f"by {pause['by']}: a move; until " in line
    assert all(line in text for text in (told["show"].stdout, told["why"].stderr, told["next"].stderr, *seen.values()))
    assert "  paused until " in listed
    assert "\n    paused until " in planned
    [in_plan] = place.as_json("plan")["jobs"]
    in_list = {job["name"]: job["pause"] for job in place.as_json("list")}
    assert pause | {"scope": "job", "name": "yearly", "reason": "a move"} == pause
    assert in_plan["pause"] == in_list["yearly"] == place.as_json("show", "yearly")["pause"] == pause
    assert in_list["tick"] is None
    assert place.as_json("status")["pauses"] == [pause]
    assert place.as_json("why", "yearly", "--at", "2090-01-01T00:00:00Z")[0]["pause"] is None


def test_the_runs_of_a_paused_queue_are_counted_with_its_pause(workplace: "Workplace") -> None:
    workplace.write(TICKING)
    workplace.jobsched("sync")
    [pause] = workplace.as_json("pause", "--queue", "mail")
    workplace.jobsched("trigger", "mailing")

    expected = [{"queue": "mail", "state": "pending", "runs": 1, "pause": pause}]

    assert workplace.as_json("status")["queues"] == workplace.as_json("stats")["queues"] == expected


def test_a_plan_says_which_jobs_are_paused_whether_they_change_or_not(workplace: "Workplace") -> None:
    workplace.write(TICKING)
    workplace.jobsched("sync")
    workplace.jobsched("pause", "tick", "yearly")
    workplace.write(TICKING.replace("every: 1s", "every: 1s, description: ticks"))

    planned, as_json = workplace.jobsched("plan").stdout, workplace.as_json("plan")

    assert "~ tick" in planned
    assert "\n    paused until it is resumed\n" in planned
    assert planned.endswith("2 unchanged\n1 unchanged job is paused: yearly\n")
    assert as_json["paused"] == ["yearly"]


def test_where_nothing_was_ever_synced_it_is_said_which_namespaces_there_are(workplace: "Workplace") -> None:
    workplace.write("namespace: shop\n" + textwrap.dedent(TICKING))
    workplace.jobsched("sync")

    asked = {name: workplace.jobsched(name, "--namespace", "shpo") for name in ("list", "status", "runs", "stats")}
    asked["pause"] = workplace.jobsched("pause", "--all", "--namespace", "shpo")
    asked["resume"] = workplace.jobsched("resume", "--all", "--namespace", "shpo")
    right = [workplace.jobsched(name) for name in ("list", "status", "runs", "stats")]

    told = "nothing was ever synced in 'shpo'; this database has: shop (use --namespace)\n"
    assert {name: done.stderr for name, done in asked.items()} == dict.fromkeys(asked, told)
    assert [done.stderr for done in right] == [""] * 4


def test_a_sync_ends_no_pause(workplace: "Workplace") -> None:
    workplace.write(TICKING)
    workplace.jobsched("sync")
    before = workplace.as_json("pause", "tick") + workplace.as_json("pause", "--queue", "mail")

    workplace.write(TICKING.replace("tick:", "tock:"))
    synced = workplace.jobsched("sync").stdout
    workplace.write(TICKING.replace("1s", "2s"))
    again = workplace.jobsched("sync").stdout

    assert "- tick" in synced
    assert "+ tick" in again
    assert "\n    paused until it is resumed\n" in again
    assert workplace.as_json("status")["pauses"] == before


def test_what_cannot_be_paused_or_resumed_is_said(place: "Workplace") -> None:
    place.write(TICKING)
    place.jobsched("sync")

    assert "did you mean 'tick'" in place.jobsched("pause", "tick", "tik", code=1).stderr
    assert place.as_json("status")["pauses"] == []
    assert "did you mean 'tick'" in place.jobsched("resume", "tik", code=1).stderr
    for wrong in ((), ("tick", "--all"), ("--all", "--queue", "mail")):
        assert "give one or more JOBs, or --queue Q, or --all" in place.jobsched("pause", *wrong, code=2).stderr
    assert "--for" in place.jobsched("pause", "tick", "--for", "0", code=2).stderr
    assert "--for" in place.jobsched("pause", "tick", "--for", "soon", code=2).stderr
    unseen = place.jobsched("pause", "--queue", "male")
    assert "no job names queue male and no run waits in it; it is paused all the same" in unseen.stderr


def test_resume_says_what_holds_a_job_still(place: "Workplace") -> None:
    place.write(TICKING)
    place.jobsched("sync")
    place.jobsched("pause", "tick")
    place.jobsched("pause", "--all")

    again = place.jobsched("pause", "tick", "--reason", "a move").stdout
    first = place.jobsched("resume", "tick", "yearly").stdout
    place.jobsched("pause", "tick")
    second = place.jobsched("resume", "--all").stdout

    assert "tick is paused until it is resumed; it was already, since " in again
    assert first == (
        "tick is resumed, but all of default is paused\nyearly is not paused, but all of default is paused\n"
    )
    assert second == "all of default is resumed; 1 of single jobs or queues stands: jobsched status\n"


def patient_node(workplace: "Workplace") -> "NodeProcess":
    """With polls so far apart, what happens soon happens because somebody was woken."""
    return workplace.start_node(JOBSCHED_POLL="5m", JOBSCHED_HEARTBEAT="5m", JOBSCHED_LEASE="15m")


def held(client: Client) -> int:
    return sum(fate.unrecorded is Unrecorded.PAUSED for fate in client.why("tick", count=1000))


def assert_every_second_is_accounted_for(workplace: "Workplace") -> None:
    """From the first slot of `tick` on record to the last, each second has its row, and none has two."""
    seconds: list[Any] = []
    for run in sorted(workplace.runs("tick"), key=lambda run: run.scheduled_at or run.created_at):
        assert run.scheduled_at is not None
        first = run.covers.first if run.covers else run.scheduled_at
        seconds += range(int(first.timestamp()), int(run.scheduled_at.timestamp()) + 1)
    assert seconds == list(range(seconds[0], seconds[-1] + 1))
