"""Files of thousands of jobs: validating, loading, syncing."""

import subprocess
import sys
import time
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.contest import environment
from benchmarks.databases import POSTGRES, SQLITE
from benchmarks.measure import child_cost, seconds
from benchmarks.table import at_most, both

from jobsched.config.load import load
from jobsched.store.open import open_store
from jobsched.sync.apply import sync

JOBSCHED = str(Path(sys.executable).parent / "jobsched")


def measure(bench: Bench) -> None:
    with bench.folder() as folder:
        for count, longest, largest in ((10_000, 1.5, 500), (100_000, 12, 500))[: 1 if bench.quick else 2]:
            write_jobs(folder / "jobs.yaml", count)
            took, peak = child_cost(JOBSCHED, "validate", cwd=folder)
            bench.table.add(
                f"jobsched validate, {count:,} jobs",
                f"{took:.2f} s, {peak:.0f} MiB",
                bar=both(at_most(took, longest, "s"), at_most(peak, largest, "MiB")),
            )
    for kind in (SQLITE, POSTGRES):
        with bench.table.alone(f"{kind}: load and sync"), bench.folder() as folder:
            syncing(bench, folder, kind)


def syncing(bench: Bench, folder: Path, kind: str) -> None:
    write_jobs(folder / "jobs.yaml", 10_000)
    with bench.databases.fresh(kind) as url:
        store = open_store(url)
        store.migrate()
        began = time.perf_counter()
        desired = load([folder / "jobs.yaml"])
        loaded = time.perf_counter() - began
        synced = seconds(lambda: sync(store, desired, applied_by="bench"))
        again = seconds(lambda: sync(store, desired, applied_by="bench"))
        store.close()
    theirs = registering(bench, kind)
    ratio = (loaded + synced) / theirs if theirs else None
    bench.table.add(
        f"{kind}: load and sync 10,000 new jobs",
        f"{loaded:.2f} + {synced:.2f} s",
        f"APScheduler registers them in {theirs:.1f} s ({ratio:.2f} x)" if theirs and ratio else "",
        bar=at_most(ratio, 0.2, "x APScheduler") if ratio else None,
        aim=at_most(loaded + synced, 2, "s"),
    )
    bench.table.add(f"{kind}: the same file again", f"{again * 1000:.1f} ms", bar=at_most(again, 0.5, "s"))


def registering(bench: Bench, kind: str) -> float | None:
    """Seconds that APScheduler 3 takes for 10,000 jobs; of a tenth of them, tenfold, if it has to be quick."""
    if bench.peers is None:
        return None
    count = 1_000 if bench.quick else 10_000
    with bench.databases.fresh(kind) as url:
        command = [bench.peers, "-m", "benchmarks.peers.apscheduler_registering", url, str(count)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=300, **environment())
    return float(done.stdout) * 10_000 / count


def write_jobs(path: Path, count: int) -> None:
    """A file of jobs of eight lines each, all different."""
    lines = ["version: 1", "jobs:"]
    for number in range(count):
        lines += [
            f"  job-{number:06}:",
            f"    description: Job number {number}",
            f'    handler: "work.jobs:task_{number % 50}"',
            f'    cron: "{number % 60} {number // 60 % 24} {1 + number % 28} * *"',
            f"    payload: {{number: {number}, region: eu}}",
            "    retries: {max: 3, delay: 10s}",
            "    timeout: 5m",
            f"    tags: [bench, group-{number % 10}]",
        ]
    path.write_text("\n".join(lines) + "\n")
