"""Pages of the dashboard over ten thousand jobs and a million runs, in the server: what people wait for, the network aside."""

import asyncio
import time
from pathlib import Path
from statistics import median

import httpx
from benchmarks.bench import Bench
from benchmarks.databases import POSTGRES, SQLITE
from benchmarks.large_store import fill
from benchmarks.measure import seconds
from benchmarks.table import at_most

from jobsched.client import Client
from jobsched.config.load import load
from jobsched.sync.apply import sync
from jobsched.web.access import Access
from jobsched.web.app import Web

LONGEST = 0.3
ROUNDS = 5
PAGES = (
    "/",
    "/jobs",
    "/jobs?search=job-0099",
    "/jobs?state=failing",
    "/jobs/job-000007",
    "/week",
    "/runs",
    "/runs?state=failed",
    "/runs?handler=nothing",
    "/runs/500000",
    "/queues",
    "/nodes",
    "/generations",
    "/generations/1",
    "/doctor",
)


def measure(bench: Bench) -> None:
    jobs, runs = (2_000, 100_000) if bench.quick else (10_000, 1_000_000)
    for kind in (SQLITE, POSTGRES):
        with bench.table.alone(f"{kind}: pages"), bench.databases.fresh(kind) as url, bench.folder() as folder:
            fill(url, folder, jobs=jobs, runs=runs)
            with Client(url) as client:
                pages(bench, kind, client, f"{jobs:,} jobs, {runs:,} runs")
                after_sync(bench, kind, client, folder / "jobs.yaml", jobs)


def pages(bench: Bench, kind: str, client: Client, what: str) -> None:
    web = Web(client, Access())
    web.prepare()
    # As somebody's browser does with the page Now, until its figures are there.
    for _ in range(20):
        asked(web, "/")
        time.sleep(0.2)
    for path in PAGES:
        first, *others = (asked(web, path) for _ in range(1 + ROUNDS))
        bench.table.add(
            f"{kind}: {path}, {what}",
            f"{median(others) * 1000:.0f} ms",
            f"the first time {first * 1000:.0f} ms",
            bar=at_most(median(others), LONGEST, "s"),
        )


def after_sync(bench: Bench, kind: str, client: Client, file: Path, jobs: int) -> None:
    """One job is another one than before, then all are."""
    web = Web(client, Access())
    asked(web, "/jobs")
    for number, what in ((1, "that has changed one job"), (jobs, "that has changed all jobs")):
        edit(file, number)
        took = seconds(lambda: sync(client.store, load([file]), applied_by="bench"))
        first = asked(web, "/jobs")
        bench.table.add(
            f"{kind}: the first /jobs after a sync {what} of {jobs:,}",
            f"{first * 1000:.0f} ms",
            f"the sync {took:.1f} s",
            bar=at_most(first, LONGEST, "s"),
        )


def edit(file: Path, jobs: int) -> None:
    """The descriptions of so many."""
    text = file.read_text()
    file.write_text(text.replace("description: Job", "description: The job", jobs))


def asked(web: Web, path: str) -> float:
    """Seconds from the request to the end of the answer."""

    async def ask() -> float:
        transport = httpx.ASGITransport(web.asgi)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
            began = time.perf_counter()
            answer = await http.get(path)
            took = time.perf_counter() - began
        assert answer.status_code == 200, answer.text
        return took

    return asyncio.run(ask())
