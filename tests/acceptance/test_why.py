"""`jobsched why`: what a person is told of slots that ran, that were missed, and that are none."""

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from jobsched.client import Client
from jobsched.model.run import Covers, Reason, RunState
from jobsched.model.state import Firing
from jobsched.schedule.fires import account
from jobsched.testing.builders import a_node, claim

if TYPE_CHECKING:
    from tests.acceptance.conftest import Workplace

pytestmark = pytest.mark.acceptance

EACH_SECOND = """
    version: 1
    jobs:
      tick: {command: ["true"], every: 1s, catch_up: skip}
"""
NEVER_SOON = """
    version: 1
    jobs:
      rare: {command: ["true"], cron: "0 0 29 2 *", timezone: Europe/Rome}
      by-hand: {command: ["true"]}
      still: {command: ["true"], every: 1s, suspend: true}
"""


def test_a_slot_that_ran_is_told_with_its_run(workplace: "Workplace") -> None:
    workplace.write(EACH_SECOND)
    workplace.start_node()
    run = workplace.wait_for_run("tick", RunState.SUCCEEDED)[0]

    assert run.scheduled_at is not None
    told = workplace.jobsched("why", "tick", "--at", run.scheduled_at.isoformat()).stdout
    latest = workplace.as_json("why", "tick", "-n", "2")

    assert f"  run {run.id} succeeded, attempt 1 of 1, started +" in told
    assert all((fate["run"] is None) == (fate["unrecorded"] == "unaccounted") for fate in latest)


def test_a_slot_that_a_backfill_ran_says_so(place: "Workplace") -> None:
    place.write(NEVER_SOON)
    place.jobsched("sync")
    place.jobsched("backfill", "rare", "--from", "2024-02-29", "--to", "2024-02-29", "--yes")

    told = place.jobsched("why", "rare", "--at", "2024-02-29").stdout

    assert re.search(r"pending; of a backfill of \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\+0\d:00\n", told)


def test_next_says_of_a_suspended_job_that_its_slots_are_not_fired(place: "Workplace") -> None:
    place.write(NEVER_SOON)

    done = place.jobsched("next", "still", "-n", "1")

    assert done.stderr == "still is suspended: none of these is fired until its suspend is removed\n"
    assert len(done.stdout.splitlines()) == 3


def test_a_slot_that_waits_for_its_key_and_its_queue_says_so(workplace: "Workplace") -> None:
    workplace.write("""
        version: 1
        settings: {queues: {mail: {limit: 1}}}
        jobs:
          long: {command: [sleep, "600"], queue: mail, concurrency: {key: shared}}
          tick: {command: ["true"], queue: mail, every: 1s, concurrency: {policy: queue, key: shared}}
    """)
    workplace.start_node()
    workplace.client.trigger("long")
    [run, *_] = workplace.wait_for_run("tick", RunState.BLOCKED)

    assert run.scheduled_at is not None
    asked = ("why", "tick", "--at", run.scheduled_at.isoformat())
    told, [fate] = workplace.jobsched(*asked).stdout, workplace.as_json(*asked)

    waits = "it waits for a place of key shared (1 of 1 taken) and of queue mail (1 of 1 taken)"
    assert f"  run {run.id} blocked: {waits}" in told
    assert [(lack["kind"], lack["limit"], lack["held"]) for lack in fate["waits_for"]] == [
        ("key", 1, 1),
        ("queue", 1, 1),
    ]
    assert workplace.jobsched("trigger", "tick").stdout.endswith(f" of tick is blocked: {waits}\n")


def test_a_run_that_waits_for_the_rate_of_its_queue_says_so_and_until_when(workplace: "Workplace") -> None:
    workplace.write("""
        version: 1
        settings: {queues: {mail: {rate: 1/1h, max_queued: 4}}}
        jobs: {tick: {command: ["true"], queue: mail, concurrency: allow}}
    """)
    workplace.jobsched("sync")
    workplace.client.trigger("tick")
    [claimed] = claim(workplace.client.store, a_node(workplace.client.store))

    told = [
        workplace.jobsched("trigger", "tick").stdout,
        workplace.jobsched("enqueue", "ship", "--queue", "mail").stdout,
    ]
    workplace.client.enqueue("ship", queue="mail")
    workplace.client.enqueue("ship", queue="mail")
    refused = workplace.jobsched("enqueue", "ship", "--queue", "mail", code=1)

    waits, _, until = told[0].partition(", until about ")
    assert waits.endswith("is blocked: it waits for the rate of queue mail (1/1h)")
    assert abs(datetime.fromisoformat(until.strip()) - claimed.started_at - timedelta(hours=1)) < timedelta(minutes=1)
    assert "is blocked: it waits for the rate of queue mail (1/1h, 1 before it), until about " in told[1]
    assert "queue 'mail' is full: 4 runs wait in it, and its max_queued is 4; nothing was made" in refused.stderr
    status = workplace.jobsched("status").stdout
    assert [line.split() for line in status.splitlines() if line.startswith("mail ") or "QUEUE" in line] == [
        ["QUEUE", "STATE", "RUNS", "LIMIT", "RATE", "MAX", "QUEUED"],
        ["mail", "blocked", "4", "-", "1/1h", "4"],
        ["mail", "running", "1", "-", "1/1h", "4"],
    ]
    assert workplace.as_json("status")["queue_limits"] == {"mail": {"limit": None, "rate": "1/1h", "max_queued": 4}}


def test_slots_that_an_outage_cost_are_told_with_the_range(workplace: "Workplace") -> None:
    workplace.write(EACH_SECOND)
    workplace.jobsched("sync")
    missed = after_an_outage(workplace.client, "tick", timedelta(hours=1))

    middle = missed.first + timedelta(minutes=30)
    told = workplace.jobsched("why", "tick", "--at", middle.isoformat()).stdout

    assert "skipped (misfire, many)" in told
    assert "it could not start in time: see its catch_up and its starting_deadline; so were all from " in told


def test_an_instant_that_is_no_slot_is_told_with_its_neighbours(workplace: "Workplace") -> None:
    workplace.write(NEVER_SOON)
    workplace.jobsched("sync")

    told = workplace.jobsched("why", "rare", "--at", "2096-02-01T12:00:00Z").stdout

    assert [re.sub(r"in \d+d\d*h?", "in …", line) for line in told.splitlines()] == [
        "2096-02-01 13:00:00+01:00 (in …)  no slot of its schedule",
        "2092-02-29 00:00:00+01:00 (in …)  its time has not come",
        "2096-02-29 00:00:00+01:00 (in …)  its time has not come",
    ]


def test_jobs_without_slots_say_so(workplace: "Workplace") -> None:
    workplace.write(NEVER_SOON)
    workplace.jobsched("sync")

    by_hand, still = workplace.jobsched("why", "by-hand"), workplace.jobsched("why", "still")

    assert "by-hand has no schedule: it runs by trigger only" in by_hand.stderr
    assert "still is suspended" in still.stderr
    assert by_hand.stdout == still.stdout == "no slot has come yet\n"
    assert "did you mean 'rare'" in workplace.jobsched("why", "rrare", code=1).stderr
    assert "--at" in workplace.jobsched("why", "rare", "--at", "noon", code=2).stderr
    assert "  its time has not come" in workplace.jobsched("why", "rare", "--at", "2096-02-29").stdout


def test_of_a_removed_job_what_is_recorded_is_told(workplace: "Workplace") -> None:
    workplace.write(EACH_SECOND + '      other: {command: ["true"]}\n')
    workplace.jobsched("sync")
    missed = after_an_outage(workplace.client, "tick", timedelta(minutes=1))
    workplace.write(NEVER_SOON)
    workplace.jobsched("sync", "--allow-delete")

    workplace.eventually(lambda: workplace.client.store.now() >= missed.first, "its time comes")
    about = workplace.jobsched("why", "tick", "--at", missed.first.isoformat())
    latest = workplace.jobsched("why", "tick")
    before = workplace.jobsched("why", "tick", "--at", "2020-01-01")

    assert about.stderr == latest.stderr == "tick is no longer declared; what is recorded of it:\n"
    assert "skipped (misfire" in about.stdout
    assert "skipped (misfire" in latest.stdout
    assert "nothing is recorded" in before.stdout
    assert "no job" in workplace.jobsched("why", "tock", code=1).stderr


def after_an_outage(client: Client, name: str, outage: timedelta) -> Covers:
    """What a node records that comes back after so long; the slots that it had missed."""
    stored = client.job(name)
    accounted = account(stored.job, stored.cursor, stored.cursor + outage)
    firing = Firing(
        namespace="default",
        job=name,
        schedule_revision=stored.schedule_revision,
        seen_cursor=stored.cursor,
        cursor=accounted.cursor,
        next_at=accounted.next_at,
        runs=accounted.runs,
    )
    assert client.store.fire([firing])
    [covers] = [run.covers for run in accounted.runs if run.skipped is Reason.MISFIRE]
    assert covers is not None
    return covers
