"""Looking after the database by hand: retention, numbers, schema."""

from typing import TYPE_CHECKING

import pytest

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
