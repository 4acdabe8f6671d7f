"""Contention: eight nodes on one PostgreSQL beside two, whatever the number of cores.

All nodes run, and have nothing to do, when the work comes: a paused queue is resumed. Otherwise the processors would be
busy with the start of the last ones for a quarter of the time, which has a row of its own (`start_up`).
"""

import time
from collections.abc import Callable

from benchmarks.bench import Bench
from benchmarks.contest import (
    START_SECONDS,
    Contestant,
    ContestError,
    Drained,
    Prepared,
    await_drained,
    prepare,
    workers,
)
from benchmarks.databases import POSTGRES, asking
from benchmarks.measure import median
from benchmarks.peers.tally import Tally
from benchmarks.table import at_least, both

from jobsched import Client

OURS = Contestant("jobsched", "jobsched_queue")
FEW, MANY = 2, 8
ALIVE = "select count(*) from jobsched_nodes where dead_at is null"
#: What a node still does once it is registered is over then.
SETTLED_SECONDS = 2


def measure(bench: Bench) -> None:
    rates: dict[int, list[float]] = {FEW: [], MANY: []}
    shares: list[list[int]] = []
    for _ in range(2 if bench.quick else 5):
        for nodes, found in rates.items():
            with bench.databases.fresh(POSTGRES) as url:
                prepared = prepare(bench, OURS, url, calls=10 if bench.quick else 60)
                drained = drain_together(bench, url, prepared, nodes)
            found.append(drained.rate)
            if nodes == MANY:
                shares.append(drained.shares)
    few, many = median(rates[FEW]), median(rates[MANY])
    least = median([min(of_each) / (sum(of_each) / MANY) for of_each in shares])
    most = median([max(of_each) / (sum(of_each) / MANY) for of_each in shares])
    bench.table.add(
        f"{POSTGRES}: drain, {MANY} nodes",
        f"{many:,.0f}/s, shares {least:.2f} to {most:.2f} of the mean",
        f"{FEW} nodes {few:,.0f} ({many / few:.2f} x)",
        bar=both(at_least(many / few, 0.75, f"x {FEW} nodes"), at_least(least, 0.5, "of the mean for each")),
    )


def drain_together(bench: Bench, url: str, prepared: Prepared, nodes: int) -> Drained:
    with bench.folder() as folder, asking(url) as ask, Client(url) as client:
        tally = Tally(folder / "tally", create=True)
        client.pause(queue="default")
        with workers(bench, OURS, url, folder / "tally", nodes) as made:
            for worker in made:
                worker.go()
            await_nodes(ask, nodes)
            client.resume(queue="default")
            ended = await_drained(made, tally, prepared, lambda: not ask(prepared.unfinished))
            assert tally.first is not None
            return Drained(prepared.total / (ended - tally.first) * 1e9, tally.shares(nodes))


def await_nodes(ask: Callable[[str], object], count: int) -> None:
    until = time.monotonic() + START_SECONDS
    while ask(ALIVE) != count:
        if time.monotonic() > until:
            raise ContestError(f"{OURS.label}: {ask(ALIVE)} of {count} nodes started")
        time.sleep(0.05)
    time.sleep(SETTLED_SECONDS)
