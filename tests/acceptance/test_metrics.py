"""Scrapes of a real node, and metrics by hand."""

import re
import socket
import urllib.request
from typing import TYPE_CHECKING
from urllib.error import HTTPError

import pytest
from prometheus_client.parser import text_string_to_metric_families as parsed

from jobsched.model.run import RunState

if TYPE_CHECKING:
    from tests.acceptance.conftest import NodeProcess, Workplace

pytestmark = pytest.mark.acceptance


def scrape(node: "NodeProcess", **headers: str) -> dict[str, float]:
    """The values without regard to labels but for those of jobs; the last one counts."""
    [url] = re.findall(r"metrics at (http://\S+)", node.log)
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as answer:
        text = answer.read().decode()
    return {
        f"{sample.name} {sample.labels.get('job_name', '')} {sample.labels.get('state', '')}".strip(): sample.value
        for family in parsed(text)
        for sample in family.samples
    }


def test_a_node_answers_scrapes_from_its_start_to_its_end(place: "Workplace") -> None:
    place.write('jobs: {greet: {shell: "echo hello"}}')
    node = place.start_node("--metrics", "0")
    place.jobsched("trigger", "greet", "--wait")

    place.eventually(lambda: scrape(node).get("jobsched_runs_finished_total greet succeeded") == 1, "a run counted")
    good = scrape(node)
    place.write("jobs: {greet: {shel: oops}}")
    node.wait_for_log("not valid")
    bad = scrape(node)
    with pytest.raises(HTTPError, match="400"):
        scrape(node, Host="evil.example")

    assert node.terminate() == 0
    assert (good["jobsched_node_config_ok"], bad["jobsched_node_config_ok"]) == (1, 0)
    assert good["jobsched_node_generation"] == good["jobsched_generation"] == 1
    assert good["process_open_fds"] > 0


def test_an_address_that_others_reach_is_refused_unless_hosts_are_named(place: "Workplace") -> None:
    place.write('jobs: {greet: {shell: "echo hello"}}')
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        refused = place.jobsched("run", "--metrics", "0.0.0.0:0", code=1)
        useless = place.jobsched("run", "--metrics-host", "node1", code=1)
        busy = place.jobsched("run", "--metrics", f"127.0.0.1:{port}", code=1)
        wrong = place.jobsched("run", "--metrics", "127.0.0.1", code=2)

    assert "without a password" in refused.stderr
    assert "--metrics-host NAME" in refused.stderr
    assert "is of no use without --metrics" in useless.stderr
    assert f"cannot answer scrapes at 127.0.0.1:{port}: Address already in use" in busy.stderr
    assert "like 127.0.0.1:9464" in wrong.stderr


def test_metrics_of_a_database_are_printed(workplace: "Workplace") -> None:
    workplace.write('jobs: {greet: {shell: "echo hello", cron: "0 3 * * *"}}')
    workplace.jobsched("sync")
    workplace.jobsched("trigger", "greet")
    workplace.jobsched("run", "--until-idle")
    workplace.wait_for_run("greet", RunState.SUCCEEDED)

    text = workplace.jobsched("metrics").stdout

    found = {sample.name: sample for family in parsed(text) for sample in family.samples}
    assert found["jobsched_database_up"].value == 1
    assert found["jobsched_job_last_success_timestamp_seconds"].labels == {"namespace": "default", "job_name": "greet"}
    assert found["jobsched_job_next_slot_timestamp_seconds"].value > 0
    assert "jobsched_node_threads" not in found
