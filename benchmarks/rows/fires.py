"""Many jobs due each second: how late each run starts, and whether every slot got one."""

import itertools
import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from benchmarks.bench import Bench
from benchmarks.contest import environment
from benchmarks.databases import POSTGRES, SQLITE
from benchmarks.measure import quantile
from benchmarks.node import a_job, apply, node, prepared
from benchmarks.table import Held, at_most, both

from jobsched import Context
from jobsched.client import Client
from jobsched.model.handler import PythonHandler
from jobsched.model.job import Job


def measure(bench: Bench) -> None:
    lasting = 5 if bench.quick else 30
    for kind in (SQLITE, POSTGRES):
        with bench.table.alone(f"{kind}: 100 jobs due each second"):
            hundred(bench, kind, lasting)
        # A minute, as is promised, from the node's first second on; in five seconds that one would be most of what is late.
        thousand, settled = (5, 2) if bench.quick else (60, 0)
        with bench.table.alone(f"{kind}: 1,000 jobs due each second"):
            thousands(bench, kind, 1_000, thousand, 150, 60, settled=settled)
        if not bench.quick:
            with bench.table.alone(f"{kind}: 3,000 jobs due each second"):
                thousands(bench, kind, 3_000, lasting, 400, 150)


def hundred(bench: Bench, kind: str, lasting: int) -> None:
    p50, p99, missing = fires(bench, kind, 100, lasting)
    theirs = fires_of_apscheduler(bench, kind, 100, lasting)
    ratio = p99 / theirs["p99"] if theirs else None
    bench.table.add(
        f"{kind}: 100 jobs due each second, {lasting} s",
        late(p50, p99, missing),
        f"APScheduler 3 {late(theirs['p50'], theirs['p99'], theirs['missing'])} ({ratio:.2f} x)"
        if theirs and ratio
        else "",
        bar=at_most(ratio, 0.3, "x APScheduler's p99") if ratio else None,
        aim=at_most(p99, 10, "ms"),
    )


def thousands(
    bench: Bench, kind: str, jobs: int, lasting: int, longest: float, aim: float, *, settled: int = 0
) -> None:
    p50, p99, missing = fires(bench, kind, jobs, lasting, settled)
    theirs = None if bench.quick else fires_of_apscheduler(bench, kind, jobs, lasting)
    bench.table.add(
        f"{kind}: {jobs:,} jobs due each second, {lasting} s" + (f" after {settled}" if settled else ""),
        late(p50, p99, missing),
        f"APScheduler 3 {late(theirs['p50'], theirs['p99'], theirs['missing'])}" if theirs else "",
        bar=both(at_most(p99, longest, "ms"), Held("none missing", not missing)),
        aim=at_most(p99, aim, "ms"),
    )


def late(p50: float, p99: float, missing: int) -> str:
    return f"late p50 {p50:.0f}, p99 {p99:.0f} ms" + (f", {missing:,} did not run" if missing else "")


def fires(bench: Bench, kind: str, jobs: int, lasting: int, settled: int = 0) -> tuple[float, float, int]:
    """Of ours: p50 and p99 in ms, and how many slots did not run. Different expressions, overlap forbidden.

    `settled`: seconds that the node has been at it when they begin to count.
    """
    began_at: list[tuple[datetime, float]] = []

    def timed(ctx: Context) -> None:
        assert ctx.scheduled_at is not None
        began_at.append((ctx.scheduled_at, time.time()))

    with bench.databases.fresh(kind) as url, prepared(url) as (store, registry):
        registry.handler("timed")(timed)
        every_second = zip(range(jobs), different(), strict=False)
        apply(store, [timed_job(f"tick-{number:05}", expression) for number, expression in every_second])
        with node(store, registry):
            # What was due before there was a node is no slot that it has missed.
            began = store.now() + timedelta(seconds=settled)
            time.sleep(settled + lasting + 2)
            # What the node has no time to begin before it is stopped is none either.
            ended = store.now() - timedelta(seconds=1)
        every = Client(store).runs(limit=jobs * (settled + lasting + 5))
    runs = [run for run in every if run.scheduled_at and began <= run.scheduled_at <= ended]
    # By the handlers themselves: a claim says nothing of how long it waits for a thread.
    lates = [(at - slot.timestamp()) * 1000 for slot, at in began_at if began <= slot <= ended]
    # A skipped row may stand for several slots.
    missing = sum((run.covers.count or 1) if run.covers else 1 for run in runs if not run.attempt)
    return quantile(lates, 0.5), quantile(lates, 0.99), missing


def timed_job(name: str, expression: str) -> Job:
    return replace(a_job(name, cron=(expression,)), handler=PythonHandler("timed"))


def fires_of_apscheduler(bench: Bench, kind: str, jobs: int, lasting: int) -> dict[str, float] | None:
    """The same by APScheduler 3; its settings stand in peers/apscheduler_fires.py."""
    if bench.peers is None:
        return None
    with bench.databases.fresh(kind) as url:
        command = [bench.peers, "-m", "benchmarks.peers.apscheduler_fires", url, str(jobs), str(lasting)]
        # It may take minutes to fire what it is behind with; what has not run by the end is counted as missing.
        done = subprocess.run(
            command,
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            timeout=lasting + 120,
            **environment(),
        )
    found: dict[str, float] = json.loads(done.stdout)
    if not found.pop("registered_in_time"):
        bench.table.note(f"{kind}: APScheduler 3 did not register {jobs:,} jobs in time to be compared")
        return None
    return found


def different() -> Iterator[str]:
    """Expressions that all mean each second, and are all written differently."""
    forms = [("*", "*/1", f"0-{top}", f"0-{top}/1") for top in (59, 23, 59)]
    months = ("*", "*/1", "1-12", "jan-dec")
    weekdays = ("*", "*/1", "0-6", "sun-sat")
    days = ("*", "*/1", "1-31")
    for minute, hour, second, month, weekday, day in itertools.product(*forms, months, weekdays, days):
        yield f"{minute} {hour} {day} {month} {weekday} {second}"
