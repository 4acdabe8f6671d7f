"""A secret of the node's environment stands nowhere but where it is used."""

from typing import TYPE_CHECKING

import pytest

from jobsched.model.run import RunState

if TYPE_CHECKING:
    from tests.acceptance.conftest import Workplace

pytestmark = pytest.mark.acceptance

SECRET = "kept-to-itself"


def test_a_secret_is_in_no_argument_log_or_row(place: "Workplace") -> None:
    place.module("work", "def work():\n    return open('/proc/self/cmdline').read()\n")
    place.write("""
        jobs:
          uses: {shell: "cat /proc/$PPID/cmdline /proc/$$/cmdline; echo $TOKEN", env: {TOKEN: "${SECRET}"}}
          fails: {shell: "echo $TOKEN >&2; exit 1", env: {TOKEN: "${SECRET}"}}
          calls: {http: {url: "http://127.0.0.1:9/${SECRET}", headers: {Authorization: "Bearer ${SECRET}"}}}
          works: {handler: "work:work", executor: process}
    """)
    node = place.start_node(SECRET=SECRET)

    for job, state in (
        ("uses", RunState.SUCCEEDED),
        ("fails", RunState.FAILED),
        ("calls", RunState.FAILED),
        ("works", RunState.SUCCEEDED),
    ):
        place.client.trigger(job)
        place.wait_for_run(job, state)
    assert node.terminate() == 0

    kept = b"".join(file.read_bytes() for file in place.folder.glob("jobsched.db*"))
    assert b"${SECRET}" in kept
    assert SECRET.encode() not in kept
    assert SECRET not in node.log


def test_what_the_database_url_refers_to_is_for_the_node_alone(place: "Workplace") -> None:
    place.write("""
        settings: {database: "${THE_DATABASE}"}
        jobs:
          inherits: {shell: "env > inherited"}
    """)

    place.jobsched("exec", "inherits", THE_DATABASE=place.url, JOBSCHED_DATABASE_URL="", OTHER="kept")

    inherited = (place.folder / "inherited").read_text()
    assert "OTHER=kept" in inherited
    assert "THE_DATABASE" not in inherited
