"""`jobsched doctor` on real databases: what it finds, what it says, how it ends."""

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.acceptance.conftest import Workplace

pytestmark = pytest.mark.acceptance

ONE = """
    version: 1
    jobs:
      good: {handler: "absent:work", cron: "0 0 1 1 *"}
"""


def findings(workplace: "Workplace", *arguments: str, code: int = 0) -> dict[str, dict[str, Any]]:
    """The worst finding of each check."""
    said = json.loads(workplace.jobsched("doctor", *arguments, "-o", "json", code=code).stdout)
    order = ["ok", "warning", "error"]
    return {found["check"]: found for found in sorted(said, key=lambda found: order.index(found["level"]))}


def test_a_node_that_cannot_perform_its_jobs_is_an_error_with_what_to_do(workplace: "Workplace") -> None:
    workplace.write(ONE)
    workplace.jobsched("sync")
    before = findings(workplace)
    node = workplace.start_node()
    # It looks for its handlers beside its work, and tells the others at its next heartbeat.
    node.wait_for_log("cannot perform")
    workplace.eventually(lambda: workplace.client.nodes()[0].info.get("unknown_handlers"), "the node says so")

    shown = workplace.jobsched("doctor", code=1).stdout
    found = findings(workplace, code=1)
    node.terminate()

    assert before["nodes"]["level"] == "warning"
    assert (found["nodes"]["level"], found["files"]["level"], found["leases"]["level"]) == ("ok", "ok", "ok")
    assert found["handlers"]["seen"] == {"handler": "absent:work", "jobs": ["good"]}
    assert "jobsched validate --handlers" in shown
    assert "1 error" in shown


def test_a_file_that_is_not_applied_or_not_valid_is_found(workplace: "Workplace") -> None:
    workplace.write(ONE)
    workplace.jobsched("sync")
    workplace.write(ONE.replace("0 0 1 1 *", "0 0 2 1 *"))
    changed = findings(workplace)
    workplace.write(ONE.replace("cron", "corn"))

    invalid = findings(workplace, code=1)

    assert (changed["files"]["level"], changed["files"]["do"]) == ("warning", "see what would change: jobsched plan")
    assert "jobs.good.corn" in invalid["files"]["what"]


def test_a_database_without_schema_is_an_error_and_gets_none(place: "Workplace") -> None:
    place.write(ONE)

    found = findings(place, code=1)

    assert list(found) == ["database"]
    assert [entry.name for entry in place.folder.iterdir()] == ["jobs.yaml"]


def test_a_server_that_is_away_is_an_error_without_its_password(place: "Workplace") -> None:
    said = place.jobsched("doctor", "--database", "postgresql://ana:s3cret@127.0.0.1:1/none", code=1)

    assert "127.0.0.1" in said.stdout
    assert "s3cret" not in said.stdout + said.stderr
