"""From enqueued to begun, at random moments some 15 ms apart: a producer and a worker in two processes, and both in one.

On a slow disk the commit of a claim is most of the figure. Huey's depends on how often it polls: see peers/huey_queue.py. The
bar is about Huey as it comes, which costs as little as a node when nothing is to be done; that it can be had sooner, for more
of a processor, is shown beside it.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence

from benchmarks.bench import Bench
from benchmarks.contest import Contestant, latencies, latencies_together
from benchmarks.databases import POSTGRES, SQLITE
from benchmarks.measure import median, quantile
from benchmarks.table import Held, at_most, both

OURS = Contestant("jobsched", "jobsched_queue")
RAW = Contestant("raw notify + claim", "raw_postgres", {"batch": 1, "notify": True})
HUEY = Contestant("Huey", "huey_queue", {"hurried": False})
APART = {
    POSTGRES: [Contestant("Procrastinate", "procrastinate_queue"), Contestant("pgqueuer", "pgqueuer_queue"), RAW],
    SQLITE: [HUEY, Contestant("Huey, polling each 10 to 50 ms", "huey_queue")],
}
TOGETHER = Contestant("APScheduler 3", "apscheduler_queue")

Measure = Callable[[Bench, Contestant, str, int], list[float]]


def measure(bench: Bench) -> None:
    for kind in (POSTGRES, SQLITE):
        with bench.table.alone(f"{kind}: latency across processes"):
            found = rounds(bench, kind, [OURS, *APART[kind]], latencies)
            (across_on_postgres if kind == POSTGRES else across_on_sqlite)(bench, found)
    for kind in (POSTGRES, SQLITE):
        with bench.table.alone(f"{kind}: latency in one process"):
            found = rounds(bench, kind, [OURS, TOGETHER], latencies_together)
            ours, theirs = found[OURS.label], found.get(TOGETHER.label)
            bar = at_most(p50(ours) / p50(theirs), 1, "x APScheduler's p50") if theirs else None
            bench.table.add(f"{kind}: in one process", shown(ours), beside(found), bar=bar)


def across_on_postgres(bench: Bench, found: dict[str, list[float]]) -> None:
    ours, theirs, raw = (found.get(label) for label in (OURS.label, "Procrastinate", RAW.label))
    assert ours
    bench.table.add(
        f"{POSTGRES}: across processes",
        shown(ours),
        beside(found),
        bar=against(ours, theirs, 0.6, 0.7, "Procrastinate's") if theirs else None,
        aim=at_most(p50(ours) / p50(raw), 1.5, "x raw p50") if raw else None,
    )


def across_on_sqlite(bench: Bench, found: dict[str, list[float]]) -> None:
    ours, theirs = found[OURS.label], found.get(HUEY.label)
    bench.table.add(
        f"{SQLITE}: across processes",
        shown(ours),
        beside(found),
        bar=against(ours, theirs, 0.1, 0.1, "Huey's") if theirs else None,
        aim=at_most(p50(ours), 0.6, "ms p50"),
    )


def rounds(bench: Bench, kind: str, all_of_them: Sequence[Contestant], measured: Measure) -> dict[str, list[float]]:
    """All that were measured of each, in rounds one after the other."""
    found: dict[str, list[float]] = defaultdict(list)
    able = [one for one in all_of_them if one.can_run(bench)]
    for _ in range(1 if bench.quick else 5):
        for one in tuple(able):
            before = len(bench.table.failed)
            with bench.table.alone(f"{kind}: {one.label}: latency"), bench.databases.fresh(kind) as url:
                found[one.label] += measured(bench, one, url, 100 if bench.quick else 300)
            if len(bench.table.failed) > before:
                able.remove(one)
    return found


def p50(values: Sequence[float]) -> float:
    return median(values)


def p99(values: Sequence[float]) -> float:
    return quantile(values, 0.99)


def shown(values: Sequence[float]) -> str:
    return f"{p50(values):.2f} / {quantile(values, 0.95):.2f} / {p99(values):.2f} ms"


def beside(found: dict[str, list[float]]) -> str:
    ours = found[OURS.label]
    return "; ".join(
        f"{label} {shown(values)} ({p50(ours) / p50(values):.2f} x, p99 {p99(ours) / p99(values):.2f} x)"
        for label, values in found.items()
        if label != OURS.label and values
    )


def against(ours: Sequence[float], theirs: Sequence[float], middle: float, late: float, whose: str) -> Held:
    return both(
        at_most(p50(ours) / p50(theirs), middle, f"x {whose} p50"),
        at_most(p99(ours) / p99(theirs), late, f"x {whose} p99"),
    )
