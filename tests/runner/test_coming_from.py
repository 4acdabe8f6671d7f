"""What the pages of docs/coming-from show of jobsched works: modules, files, and programs, in the order of the page."""

import re
import sys
from datetime import UTC, datetime
from importlib import import_module, invalidate_caches
from pathlib import Path

import pytest
from tests.runner.conftest import PATIENCE, QUICK

from jobsched.client import Client
from jobsched.config.load import load
from jobsched.model.handler import PythonHandler
from jobsched.model.run import RunState
from jobsched.runner.runner import Runner
from jobsched.sync.apply import sync

PAGES = sorted((Path(__file__).parents[2] / "docs" / "coming-from").glob("*.md"))
WITH_PYTHON = [page for page in PAGES if page.stem not in {"index", "cron"}]


def blocks(page: Path, language: str) -> list[str]:
    found = re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [block for block in found if language == "yaml" or block.startswith("# tasks.py") or "jobsched" in block]


@pytest.fixture
def folder(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the programs of a page run: `jobs.db` is there, `tasks` can be imported."""
    Path(sqlite_url.removeprefix("sqlite:///")).rename(tmp_path / "jobs.db")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "tasks", None)  # restores what is there now, which is nothing
    del sys.modules["tasks"]
    return tmp_path


@pytest.mark.parametrize("page", WITH_PYTHON, ids=lambda page: page.stem)
def test_what_a_page_shows_runs(page: Path, folder: Path) -> None:
    code, files = blocks(page, "python"), blocks(page, "yaml")
    (folder / "tasks.py").write_text("\n".join(block for block in code if block.startswith("# tasks.py")))
    (folder / "jobs.yaml").write_text("\n".join(files))
    invalidate_caches()
    import_module("tasks")

    for block in code:
        if not block.startswith("# tasks.py"):
            names: dict[str, object] = {}
            exec(block, names)
            if isinstance(client := names.get("client"), Client):
                client.close()

    with Client("sqlite:///jobs.db") as client:
        desired = load([folder / "jobs.yaml"])
        sync(client.store, desired, applied_by="test")
        jobs = [name for name, job in desired.jobs.items() if isinstance(job.handler, PythonHandler)]
        triggered = [client.trigger(name).id for name in jobs]
        client.reschedule_all([run.id for run in client.runs()], datetime.now(UTC))
        with Runner(client, options=QUICK):
            ended = [client.wait(run.id, PATIENCE) for run in client.runs() if not run.state.final]
    assert triggered
    assert {run.id for run in ended} >= set(triggered)
    assert [(run.handler, run.error) for run in ended if run.state is not RunState.SUCCEEDED] == []


@pytest.mark.parametrize("page", [page for page in PAGES if page.stem != "index"], ids=lambda page: page.stem)
def test_a_page_shows_theirs_and_ours(page: Path) -> None:
    text = page.read_text(encoding="utf-8")

    assert text.index("Yours") < text.index("Ours") < text.index("## What differs")
    assert re.search(r"^## Where .* is better$", text, re.MULTILINE)
    assert len(blocks(page, "yaml")) == 1
