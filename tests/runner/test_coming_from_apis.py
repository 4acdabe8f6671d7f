"""docs/coming-from.md: what it shows of jobsched is done, part by part, in the order of the page, on both databases."""

import asyncio
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from importlib import import_module, invalidate_caches
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from click.testing import CliRunner

from jobsched.cli.main import cli
from jobsched.client import Client
from jobsched.config.load import load
from jobsched.model.run import RunState
from jobsched.sync.apply import sync
from jobsched.testing import drain
from jobsched.web.access import Access
from jobsched.web.app import Web

PAGE = Path(__file__).parents[2] / "docs" / "coming-from.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
FILE = re.compile(r"# (\w+\.(?:py|yaml|toml))$", re.MULTILINE)


class Part:
    """A part of the page in a folder of its own; `client` asks what has become of it."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url, self.client = folder, url, Client(url)
        self.asked: list[tuple[str, str, Any]] = []
        self.said: list[str] = []

    def take(self, heading: str) -> None:
        text = PAGE.read_text(encoding="utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
        blocks = BLOCK.findall(text)
        for (language, block), (following, shown) in zip(blocks, [*blocks[1:], ("", "")], strict=True):
            if found := FILE.match(block):
                self._write(found[1], block)
            elif language == "python":
                printed = self._program(block)
                assert following == "text", "what a program prints is shown"
                assert printed == shown
            elif language == "sh":
                for command in commands(block):
                    self._command(command)
            elif language == "sql" and self.url.startswith("postgresql"):
                with psycopg.connect(self.url, autocommit=True) as connection:
                    connection.execute(block.encode())

    def _write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, encoding="utf-8")
        if name == "tasks.py":
            sys.modules.pop("tasks", None)
            invalidate_caches()
            import_module("tasks")

    def _program(self, text: str) -> str:
        names: dict[str, object] = {}
        with redirect_stdout(StringIO()) as printed:
            exec(text.replace("sqlite:///jobs.db", self.url), names)
        assert isinstance(names["client"], Client)
        names["client"].close()
        return printed.getvalue()

    def _command(self, command: str) -> None:
        words = shlex.split(command)
        if words[0] == "curl":
            self._curl(words[1:])
        elif words[:2] == ["jobsched", "run"] or words[0] == "python":
            # A node sets up logging for its process, and this one has its own.
            program = command.replace("jobsched", f"{sys.executable} -m jobsched", 1)
            program = re.sub("^python", sys.executable, program)
            done = subprocess.run(
                ["sh", "-c", program], cwd=self.folder, capture_output=True, text=True, timeout=60, check=False
            )
            assert done.returncode == 0, done.stderr
        else:
            answer = CliRunner().invoke(cli, words[1:], catch_exceptions=False)
            assert answer.exit_code == 0, f"{command}\n{answer.output}"
            self.said.append(answer.output)

    def _curl(self, words: list[str]) -> None:
        if not self.asked:
            sync(self.client.store, load([self.folder / "jobs.yaml"]), applied_by="test")
        method, address, headers, body = "GET", "", {}, None
        rest = iter(words)
        for word in rest:
            if word == "-X":
                method = next(rest)
            elif word == "-H":
                name, _, value = next(rest).partition(": ")
                headers[name] = value
            elif word == "-d":
                body = next(rest)
            elif word != "-fsS":
                address = word
        answer = asyncio.run(self._ask(method, address, headers, body))
        assert answer.status_code < 300, f"{method} {address}\n{answer.text}"
        kind = answer.headers.get("content-type", "")
        self.asked.append((method, address, answer.json() if "json" in kind else answer.text))
        drain(self.client, raises=False)  # the node, on which `run --http` would be

    async def _ask(self, method: str, address: str, headers: dict[str, str], body: str | None) -> httpx.Response:
        transport = httpx.ASGITransport(Web(self.client, Access()).asgi)
        async with httpx.AsyncClient(transport=transport) as http:
            return await http.request(method, address, headers=headers, content=body)

    def answers(self, method: str, end: str) -> list[Any]:
        """To requests of this kind, whose addresses end so."""
        return [told for how, address, told in self.asked if how == method and address.endswith(end)]


def commands(block: str) -> Iterator[str]:
    """With their lines joined, and without comments."""
    text = re.sub(r"^#.*\n", "", block, flags=re.MULTILINE)
    command = ""
    for line in text.splitlines():
        command += re.sub(r"\s+# .*$", "", line) + "\n"
        if not line.endswith("\\") and command.count("'") % 2 == 0:
            yield command.replace("\\\n", " ").strip()
            command = ""


@pytest.fixture
def part(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Part]:
    folder = tmp_path / "part"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("JOBSCHED_DATABASE_URL", database_url)
    monkeypatch.setitem(sys.modules, "tasks", None)
    made = Part(folder, database_url)
    yield made
    made.client.close()


def test_a_rest_service_that_manages_cron_jobs(part: Part) -> None:
    part.take("A REST service that manages cron jobs")

    [edited] = part.answers("PUT", "/api/jobs/report")
    assert (edited["definition"]["cron"], edited["origin"]) == ("0 7 * * *", "api")
    [[paused], [resumed]] = [part.answers("POST", f"/report/{word}") for word in ("pause", "resume")]
    assert (paused["reason"], len(resumed)) == ("a move", 1)
    [[failed, succeeded]] = part.answers("GET", "/runs?limit=20")
    assert (succeeded["state"], succeeded["result"]) == ("succeeded", {"sent_to": 7})
    assert (failed["state"], failed["attempt"], failed["max_attempts"]) == ("failed", 1, 4)
    [lines] = part.answers("GET", "/log")
    assert "sending to 7" in lines[0]["text"]
    [pruned] = part.client.runs(job="clean-up")
    assert (pruned.state, pruned.result) == (RunState.SUCCEEDED, {"pruned": 0})
    [text] = part.answers("GET", "/metrics")
    assert 'jobsched_job_next_slot_timestamp_seconds{job_name="clean-up",namespace="default"}' in text
    assert [stored.job.name for stored in part.client.jobs()] == ["clean-up", "weekly"]


def test_a_typed_queue_with_workers(part: Part) -> None:
    part.take("A typed queue with workers")

    assert {run.queue for run in part.client.runs(states=[RunState.SUCCEEDED])} == {"mail", "pdf"}
    assert part.client.nodes() == []


def test_a_command_line_that_manages_jobs(part: Part) -> None:
    part.take("A command line that manages jobs")

    ended = {run.job: run for run in part.client.runs()}
    assert {"report", "clean-up"} <= ended.keys()
    assert {run.state for run in ended.values()} <= {RunState.SUCCEEDED}
    assert ended["report"].payload == {"shop": 8}
    assert any("checked" in said for said in part.said), "the log of the script"


def test_a_queue_in_postgresql_with_add_job(part: Part) -> None:
    part.take("A queue in PostgreSQL with `add_job`")

    from_sql = part.client.runs(queue="exports")
    expected = [(RunState.SUCCEEDED, -1, 25, "file-d")] if part.url.startswith("postgresql") else []
    assert [(run.state, run.priority, run.max_attempts, run.unique_key) for run in from_sql] == expected
    turned = load([part.folder / "jobs.json"]).jobs["nightly"]
    assert (turned.cron, turned.payload) == (("0 2 * * *",), {"user": 7, "file": "night"})


def test_a_store_of_topics(part: Part) -> None:
    part.take("A store of topics")

    assert len(part.client.runs(handler="orders.placed")) == 2


def test_every_part_of_the_page_is_taken() -> None:
    headings = re.findall(r"^## (.+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)

    taken = re.findall(r'part\.take\("(.+)"\)', Path(__file__).read_text(encoding="utf-8"))

    assert taken == headings
