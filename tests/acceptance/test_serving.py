"""The HTTP API of real processes: `jobsched serve`, and `jobsched run --http`."""

import json
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.acceptance.conftest import Workplace

pytestmark = pytest.mark.acceptance

TOKEN = "a-token-of-at-least-thirty-two-characters"
JOBS = """
    version: 1
    jobs:
      tick: {command: ["echo", "hello"]}
"""
Serve = Callable[..., str]


@pytest.fixture
def serve(place: "Workplace") -> Iterator[Serve]:
    """Starts `jobsched serve`, and gives its address; in the end each must have ended in order, within its grace."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, **environ: str) -> str:
        process = subprocess.Popen(
            [sys.executable, "-m", "jobsched", "serve", "--port", "0", "--log-format", "text", *arguments],
            cwd=place.folder,
            env=place.environment(**environ),
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stderr is not None
        said = process.stderr.readline()
        assert "serving namespace default" in said, said + process.stderr.read()
        return said.rpartition(" at ")[2].strip()

    yield start
    for process in started:
        process.send_signal(signal.SIGTERM)
    for process in started:
        _, errors = process.communicate(timeout=30)
        assert (process.returncode, "Traceback" in errors) == (0, False), errors


def ask(address: str, path: str, body: Any = None, token: str | None = None) -> Any:
    request = urllib.request.Request(f"{address}{path}", None if body is None else json.dumps(body).encode())
    request.add_header("Content-Type", "application/json")
    if token is not None:
        request.add_header("Authorization", f"Bearer {token}")
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def test_a_run_that_is_asked_for_over_http_is_performed_and_followed(place: "Workplace", serve: Serve) -> None:
    place.write(JOBS)
    place.start_node()
    address = serve()

    run = ask(address, "/api/jobs/tick/trigger", {})
    with urllib.request.urlopen(f"{address}/api/runs/{run['id']}/log?follow", timeout=30) as stream:
        told = stream.read().decode()

    assert re.findall("^event: (.*)$", told, re.MULTILINE) == ["line", "end"]
    assert ask(address, f"/api/runs/{run['id']}")["state"] == "succeeded"
    assert ask(address, "/readyz") == {"status": "ok"}


def test_who_follows_events_does_not_hold_up_the_end(place: "Workplace", serve: Serve) -> None:
    place.write(JOBS)
    place.jobsched("sync")
    address = serve(JOBSCHED_API_TOKEN=TOKEN)
    request = urllib.request.Request(f"{address}/api/events", headers={"Authorization": f"Bearer {TOKEN}"})

    stream = urllib.request.urlopen(request, timeout=30)

    assert stream.readline() == b"event: ready\n"
    with pytest.raises(urllib.error.HTTPError, match="401"):
        ask(address, "/api/jobs")


def test_a_node_serves_beside_its_work_and_ends_while_it_is_followed(place: "Workplace") -> None:
    place.write(JOBS)
    node = place.start_node("--http", "0")
    node.wait_for_log("serving namespace default at ")
    address = re.findall(r"serving namespace default at (\S+)", node.log)[0]

    run = ask(address, "/api/jobs/tick/trigger", {})
    place.wait_for_run("tick")
    stream = urllib.request.urlopen(f"{address}/api/events", timeout=30)
    stream.readline()

    assert ask(address, "/healthz") == {"status": "ok"}
    assert [each["alive"] for each in ask(address, "/api/nodes")] == [True]
    assert run["job"] == "tick"
    assert node.terminate() == 0


@pytest.mark.parametrize("command", [("serve", "--host", "0.0.0.0"), ("run", "--http", "0.0.0.0:0")])
def test_an_address_that_others_reach_needs_a_token(place: "Workplace", command: tuple[str, ...]) -> None:
    place.write(JOBS)
    place.jobsched("sync")

    refused = place.jobsched(*command, code=1)
    short = place.jobsched(*command, code=1, JOBSCHED_API_TOKEN="secret")

    assert (
        "error: 0.0.0.0 is an address that others reach, and there is no token: set JOBSCHED_API_TOKEN"
        in refused.stderr
    )
    assert "error: JOBSCHED_API_TOKEN is no token: at least 32 characters" in short.stderr
    assert "secret" not in short.stderr.replace("secrets", "")


def test_a_database_without_tables_and_an_address_that_is_taken_are_told(place: "Workplace") -> None:
    import socket

    nothing = place.jobsched("serve", code=1)
    place.write(JOBS)
    place.jobsched("sync")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = place.jobsched("serve", "--port", port, code=1)

    assert "jobsched sync" in nothing.stderr
    assert f"error: cannot listen on 127.0.0.1 port {port}: Address already in use" in refused.stderr
    assert "--http" in place.jobsched("run", "--http", "x:y:z", code=2).stderr


def test_the_examples_of_the_page_work(place: "Workplace") -> None:
    page = (Path(__file__).parents[2] / "docs" / "http-api.md").read_text()
    examples = re.findall(r"```sh\n(curl .*?)```\n\n```json\n(.*?)```", page, re.DOTALL)
    [jobs] = re.findall(r"```yaml\n(version.*?)```", page, re.DOTALL)
    place.file.write_text(jobs)
    node = place.start_node("--http", "0", JOBSCHED_API_TOKEN=TOKEN)
    node.wait_for_log("serving namespace default at ")
    address = re.findall(r"serving namespace default at (\S+)", node.log)[0]

    assert len(examples) > 8
    for command, shown in examples:
        text = command.replace("http://127.0.0.1:8321", address)
        done = subprocess.run(
            ["sh", "-c", text],
            cwd=place.folder,
            env=place.environment(TOKEN=TOKEN),
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        assert shape(json.loads(done.stdout)) == shape(json.loads(shown)), command
    assert node.terminate() == 0


def shape(value: Any) -> Any:
    """Keys and kinds: numbers, times and the like are others each time."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    if isinstance(value, list):
        return [shape(each) for each in value]
    return type(value)
