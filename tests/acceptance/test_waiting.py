"""`--wait-for-db`: what starts before its database."""

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.acceptance.conftest import Restartable, Workplace

pytestmark = pytest.mark.acceptance

ONE = """
    version: 1
    jobs:
      one: {command: ["true"]}
"""
#: Nothing listens on port 1.
AWAY = "postgresql://nobody@127.0.0.1:1/none"


@pytest.mark.parametrize("restartable", ["fast"], indirect=True)
def test_a_node_and_a_sync_begin_when_the_database_is_there(restartable: "Restartable") -> None:
    workplace = restartable.workplace
    workplace.write(ONE)
    restartable.stop()

    node = workplace.start_node("--wait-for-db", ready=False)
    node.wait_for_log("waiting for the database")
    with subprocess.Popen(
        [sys.executable, "-m", "jobsched", "sync", "--wait-for-db"],
        cwd=workplace.folder,
        env=workplace.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as sync:
        assert sync.stderr is not None
        said = sync.stderr.readline()
        restartable.start()
        assert sync.wait(60) == 0
    node.wait_for_log(" threads on ")

    assert "waiting for the database" in said


def test_a_node_that_waits_is_stopped_by_a_signal(place: "Workplace") -> None:
    place.write(ONE)
    place.url = AWAY

    node = place.start_node("--wait-for-db", ready=False)
    node.wait_for_log("waiting for the database")

    assert node.terminate() == 0


@pytest.mark.parametrize("command", ["run", "sync"])
def test_without_it_a_database_that_is_away_is_an_error(place: "Workplace", command: str) -> None:
    place.write(ONE)
    place.url = AWAY

    done = place.jobsched(command, code=1)

    assert "is not available" in done.stderr
    assert "waiting" not in done.stderr


def test_what_waiting_will_not_mend_is_an_error_with_it_too(place: "Workplace") -> None:
    place.write(ONE)
    place.url = "postgresql://nobody@host.invalid/none"

    assert "error: " in place.jobsched("sync", "--wait-for-db", code=1).stderr
