"""Looking after the database by hand: retention, numbers, schema."""

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from jobsched.model.run import RunState

if TYPE_CHECKING:
    from tests.acceptance.conftest import Workplace

pytestmark = pytest.mark.acceptance

TWO = """
    version: 1
    jobs:
      good: {command: ["true"]}
      bad: {command: ["false"]}
"""


def perform(workplace: "Workplace", *jobs: str) -> None:
    """One run of each of these, to its end."""
    for job in jobs:
        workplace.client.trigger(job)
    workplace.jobsched("run", "--until-idle", code=None)


def test_prune_deletes_what_history_no_longer_keeps_and_says_how_many(workplace: "Workplace") -> None:
    workplace.write(TWO)
    workplace.jobsched("sync")
    perform(workplace, "good", "good", "good", "bad")
    workplace.write(TWO.replace('["true"]', '["true"], history: {success: 1}'))
    workplace.jobsched("sync")

    first, second = workplace.jobsched("prune"), workplace.jobsched("prune")

    assert first.stdout == "default: 2 finished runs deleted\n"
    assert second.stdout == "default: 0 finished runs deleted\n"
    assert [run.job for run in workplace.client.runs()] == ["bad", "good"]


def test_prune_makes_no_database(place: "Workplace") -> None:
    place.write(TWO)

    assert "jobsched sync" in place.jobsched("prune", code=1).stderr
    assert [entry.name for entry in place.folder.iterdir()] == ["jobs.yaml"]


def test_stats_count_the_unfinished_by_queue_and_the_finished_by_job(workplace: "Workplace") -> None:
    workplace.write(TWO)
    workplace.jobsched("sync")
    perform(workplace, "good", "good", "bad")
    workplace.client.trigger("good")
    workplace.client.enqueue("nobody", queue="mail")

    stats = workplace.as_json("stats")
    shown = workplace.jobsched("stats").stdout.splitlines()

    assert stats["queues"] == [
        {"queue": "default", "state": "pending", "runs": 1},
        {"queue": "mail", "state": "pending", "runs": 1},
    ]
    assert stats["jobs"] == [
        {"job": "bad", "succeeded": 0, "failed": 1, "cancelled": 0, "skipped": 0},
        {"job": "good", "succeeded": 2, "failed": 0, "cancelled": 0, "skipped": 0},
    ]
    assert ["good", "2", "0", "0", "0"] in [line.split() for line in shown]
    assert ["(all)", "2", "1", "0", "0"] in [line.split() for line in shown]


def test_stats_count_more_than_a_page_of_runs(workplace: "Workplace", monkeypatch: pytest.MonkeyPatch) -> None:
    workplace.write(TWO)
    workplace.jobsched("sync")
    perform(workplace, "good", "bad", "good")
    monkeypatch.setattr("jobsched.client._PAGE", 2)

    stats = workplace.client.stats(since=workplace.client.store.now() - timedelta(hours=1))

    assert dict(stats.finished) == {("good", RunState.SUCCEEDED): 2, ("bad", RunState.FAILED): 1}


def test_stats_leave_out_what_was_made_before(workplace: "Workplace") -> None:
    workplace.write(TWO)
    workplace.jobsched("sync")
    perform(workplace, "good")
    made = workplace.client.runs()[0].created_at

    later = workplace.as_json("stats", "--since", (made + timedelta(microseconds=1)).isoformat())
    then = workplace.as_json("stats", "--since", made.isoformat())

    assert later["jobs"] == []
    assert [entry["job"] for entry in then["jobs"]] == ["good"]


def test_a_since_that_is_no_time_is_wrong_usage(place: "Workplace") -> None:
    place.write(TWO)
    place.jobsched("sync")

    for command in ("stats", "runs"):
        assert "neither a duration" in place.jobsched(command, "--since", "yore", code=2).stderr
        assert "neither a duration" in place.jobsched(command, "--since", "999999999d", code=2).stderr
