"""`jobsched backfill`: slots of the past that run after all."""

import os
import pty
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from jobsched.model.run import RunState, Source

if TYPE_CHECKING:
    from tests.acceptance.conftest import Workplace

pytestmark = pytest.mark.acceptance

NIGHTLY = """
    version: 1
    jobs:
      nightly:
        shell: 'echo "$JOBSCHED_SCHEDULED_AT"; test "$JOBSCHED_SCHEDULED_AT" != 2026-01-02T01:30:00Z'
        cron: "30 2 * * *"
        timezone: Europe/Rome
      by-hand: {command: ["true"]}
"""
DAYS = ("--from", "2026-01-01", "--to", "2026-01-04")

FORBIDS = "slots that come while 1 of these runs is not over are skipped: the job's concurrency is forbid\n"


def test_slots_before_the_job_was_made_run_oldest_first_and_are_told_their_slot(workplace: "Workplace") -> None:
    workplace.write(NIGHTLY)
    workplace.jobsched("sync")
    workplace.start_node()

    done = workplace.jobsched("backfill", "nightly", *DAYS, "--yes")
    first, second, third = workplace.wait_for_run("nightly", RunState.SUCCEEDED, RunState.FAILED, count=3)
    again = workplace.jobsched("backfill", "nightly", *DAYS)

    *told, way_back = done.stdout.splitlines()
    assert told == [
        "nightly: 3 slots from 2026-01-01 00:00:00+01:00 to 2026-01-04 00:00:00+01:00",
        "       3 not recorded (never fired, or pruned): they get a run",
        "3 runs made; see: jobsched runs --job nightly",
    ]
    assert way_back.startswith("to take back what waits: jobsched cancel --job nightly --since 2")
    assert done.stderr == FORBIDS
    assert [run.state for run in (first, second, third)] == [RunState.SUCCEEDED, RunState.FAILED, RunState.SUCCEEDED]
    said = [line.text for run in (first, second, third) for line in workplace.client.log(run.id)]
    assert said == [f"2026-01-0{day}T01:30:00Z" for day in (1, 2, 3)]
    assert again.stdout.splitlines()[1:] == [
        "       2 succeeded",
        "       1 failed; to run them again: jobsched requeue --job nightly --state failed",
        "nothing to do",
    ]


def test_its_json_counts_each_kind_of_slot(workplace: "Workplace") -> None:
    workplace.write(NIGHTLY)
    workplace.jobsched("sync")

    told = workplace.as_json("backfill", "nightly", *DAYS, "--yes")

    assert told == {
        "job": "nightly",
        "from": "2025-12-31T23:00:00Z",
        "to": "2026-01-03T23:00:00Z",
        "slots": 3,
        "runs": 3,
        "unrecorded": 3,
        "succeeded": 0,
        "failed": 0,
        "cancelled": 0,
        "unfinished": 0,
        "open": 0,
    }


def test_where_nobody_can_be_asked_nothing_is_made_without_yes(place: "Workplace") -> None:
    place.write(NIGHTLY)
    place.jobsched("sync")

    refused = place.jobsched("backfill", "nightly", *DAYS, code=2)

    assert refused.stdout.startswith("nightly: 3 slots")
    assert "add --yes" in refused.stderr
    assert place.runs("nightly") == []


@pytest.mark.parametrize(("answer", "made"), [("y", 3), ("n", 0)])
def test_on_a_terminal_it_asks(place: "Workplace", answer: str, made: int) -> None:
    place.write(NIGHTLY)
    place.jobsched("sync")
    ours, theirs = pty.openpty()
    os.write(ours, f"{answer}\n".encode())

    done = subprocess.run(
        [sys.executable, "-m", "jobsched", "backfill", "nightly", *DAYS],
        cwd=place.folder,
        env=place.environment(),
        stdin=theirs,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.stderr.startswith(f"{FORBIDS}make 3 runs? [y/N]: ")
    assert done.stderr.endswith("[y/N]: " if made else "[y/N]: nothing was made\n")
    assert (done.returncode, len(place.runs("nightly"))) == (0 if made else 1, made)
    for end in (ours, theirs):
        os.close(end)


def test_a_backfill_of_more_than_history_keeps_says_so_before_it_asks(place: "Workplace") -> None:
    place.write(NIGHTLY.replace("timezone:", "history: {success: 2}\n        timezone:"))
    place.jobsched("sync")

    asked = place.jobsched("backfill", "nightly", *DAYS, code=2)
    made = place.jobsched("backfill", "nightly", *DAYS, "--yes")
    few = place.jobsched("backfill", "nightly", "--from", "2026-02-01", "--to", "2026-02-03", "--yes")

    told = (
        "history keeps 2 succeeded runs of backfills of nightly; a second backfill would run the others again. "
        "To keep all, first set its history: {success: 3}\n"
    )
    assert asked.stderr.startswith(told)
    assert made.stderr == told + FORBIDS
    assert few.stderr == FORBIDS


def test_a_mistaken_backfill_is_taken_back_by_the_command_that_it_names(workplace: "Workplace") -> None:
    workplace.write(NIGHTLY)
    workplace.jobsched("sync")
    workplace.jobsched("trigger", "nightly")
    made = workplace.jobsched("backfill", "nightly", "--from", "2025-01-01", "--to", "2025-05-01", "--yes")
    _, command = made.stdout.splitlines()[-1].split(": jobsched ")

    unasked = workplace.jobsched(*command.split(), code=2)
    taken_back = workplace.jobsched(*command.split(), "--yes")
    again = workplace.jobsched(*command.split())
    forgotten = workplace.jobsched("delete", "--job", "nightly", "--state", "cancelled", "--yes")

    assert "add --yes" in unasked.stderr
    assert taken_back.stdout == "each of 120 runs is cancelled\n"
    assert again.stdout == "nightly has no run that is scheduled or pending or blocked\n"
    assert forgotten.stdout == "each of 120 runs is deleted\n"
    assert [(run.source, run.state) for run in workplace.runs("nightly")] == [(Source.TRIGGER, RunState.PENDING)]


def test_a_range_may_begin_or_end_where_clocks_change(place: "Workplace") -> None:
    place.write(NIGHTLY.replace("timezone:", "dst: {overlap: both}\n        timezone:"))
    place.jobsched("sync")
    place.client.backfill("nightly", *[datetime(2025, 10, 26, hour, 30, tzinfo=UTC) for hour in (0, 1)])

    def slots(at: str) -> int:
        told: int = place.as_json("backfill", "nightly", "--from", at, "--to", at, "--yes")["slots"]
        return told

    assert (slots("2025-03-30 02:30"), slots("2025-10-26 02:30")) == (1, 2)
    assert [fate["at"] for fate in place.as_json("why", "nightly", "--at", "2025-10-26T02:30")] == [
        "2025-10-26T00:30:00Z",
        "2025-10-26T01:30:00Z",
    ]


def test_slots_that_a_pause_or_a_suspension_holds_are_told_with_the_way_out(workplace: "Workplace") -> None:
    workplace.write("""
        version: 1
        jobs:
          fast: {command: ["true"], every: 1s}
          still: {command: ["true"], every: 1s, suspend: true}
    """)
    workplace.jobsched("sync")
    workplace.jobsched("pause", "fast")
    since = workplace.client.store.now()
    workplace.eventually(lambda: workplace.client.store.now() >= since + timedelta(seconds=1), "a slot of each second")
    until = workplace.client.store.now().isoformat()

    paused, suspended = (
        workplace.jobsched("backfill", job, "--from", since.isoformat(), "--to", until).stdout.splitlines()[1:]
        for job in ("fast", "still")
    )

    assert paused[0].endswith("held by a pause; they can be filled after: jobsched resume fast")
    assert suspended[0].endswith("held: the job is suspended; they can be filled when its suspend is removed")
    assert paused[1:] == suspended[1:] == ["nothing to do yet"]


def test_what_cannot_be_filled_says_why_and_what_to_do(place: "Workplace") -> None:
    place.write(NIGHTLY)
    place.jobsched("sync")

    def refused(code: int, *arguments: str) -> str:
        return place.jobsched("backfill", *arguments, code=code).stderr

    assert "did you mean 'nightly'?" in refused(1, "nigthly", *DAYS)
    assert "by-hand has no schedule" in refused(1, "by-hand", *DAYS)
    assert "ends in the future" in refused(1, "nightly", "--from", "2026-01-01", "--to", "2996-01-01")
    assert "ends before it begins" in refused(1, "nightly", "--from", "2026-01-02", "--to", "2026-01-01")
    assert "more than 2 slots in this range; shorten it, or allow more with --limit" in refused(
        1, "nightly", *DAYS, "--limit", "2"
    )
    assert "in the job's zone, Europe/Rome" in refused(2, "nightly", "--from", "noon", "--to", "2026-01-01")
