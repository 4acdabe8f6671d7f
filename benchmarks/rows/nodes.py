"""Contention: eight nodes on one PostgreSQL beside two, whatever the number of cores."""

from benchmarks.bench import Bench
from benchmarks.contest import Contestant, drain, prepare
from benchmarks.databases import POSTGRES
from benchmarks.measure import median
from benchmarks.table import at_least, both

OURS = Contestant("jobsched", "jobsched_queue")
FEW, MANY = 2, 8


def measure(bench: Bench) -> None:
    rates: dict[int, list[float]] = {FEW: [], MANY: []}
    shares: list[list[int]] = []
    for _ in range(2 if bench.quick else 5):
        for nodes, found in rates.items():
            with bench.databases.fresh(POSTGRES) as url:
                prepared = prepare(bench, OURS, url, calls=10 if bench.quick else 60)
                drained = drain(bench, OURS, url, prepared, nodes)
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
