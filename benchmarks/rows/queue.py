"""The queue beside its peers: enqueue one, enqueue a thousand a call, drain with one process and with two.

Each round measures all of them in turn, each on a fresh database; figures are medians, and so are ratios, each of two
neighbours in a round: what a disk does to one of them by the minute it does to the other.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace

from benchmarks.bench import Bench
from benchmarks.contest import Contestant, Drained, Prepared, drain, prepare
from benchmarks.databases import POSTGRES, SQLITE
from benchmarks.measure import median
from benchmarks.table import Held, at_least

OURS = Contestant("jobsched", "jobsched_queue")
RAW = {
    POSTGRES: [Contestant(f"raw SQL, k={k}", "raw_postgres", {"batch": k}) for k in (500, 100)],
    SQLITE: [Contestant(f"raw SQL, k={k}", "raw_sqlite", {"batch": k}) for k in (500, 100)],
}
#: The one to beat first; in a quick bench it is alone.
PEERS = {
    POSTGRES: [
        Contestant("pgqueuer, batch 500", "pgqueuer_queue", {"batch": 500}),
        Contestant("pgqueuer, batch 100", "pgqueuer_queue", {"batch": 100}),
        Contestant("Procrastinate", "procrastinate_queue", count=2_000),
        Contestant("chancy", "chancy_queue", count=5_000),
        Contestant("DBOS", "dbos_queue", count=2_000),
        Contestant("absurd", "absurd_queue", count=2_000),
        Contestant("graphile-worker, local queue", "graphile", node=True),
        Contestant("pg-boss, batch 500", "pgboss", node=True),
    ],
    SQLITE: [Contestant("Huey", "huey_queue", count=4_000)],
}
ONE, MANY, DRAIN, DRAIN_TWO = "enqueue one", "enqueue 1,000 a call", "drain, 1 process", "drain, 2 processes"

Figures = dict[str, dict[str, list[float]]]  #: by measure and label, a round each


def measure(bench: Bench) -> None:
    for kind in (POSTGRES, SQLITE):
        with bench.table.alone(f"{kind}: the queue beside its peers"):
            figures = rounds(bench, kind)
            if kind == SQLITE:
                in_turns(bench, kind, figures)
            report_all(bench, kind, figures)
            (on_postgres if kind == POSTGRES else on_sqlite)(bench, figures)


def contestants(bench: Bench, kind: str) -> list[Contestant]:
    wanted = [OURS, *RAW[kind], *PEERS[kind]]
    if bench.quick:
        wanted = [OURS, RAW[kind][0], PEERS[kind][0]]
    able = [one for one in wanted if one.can_run(bench)]
    if missing := sorted({one.label for one in wanted} - {one.label for one in able}):
        bench.table.note(f"{kind}: not measured, since what runs them is not there: {', '.join(missing)}")
    return [replace(one, count=max(one.count // 2, 1_000)) for one in able] if bench.quick else able


def rounds(bench: Bench, kind: str) -> Figures:
    """All of them in turn, again and again; whoever fails is said to, and is left out from then on."""
    figures: Figures = defaultdict(lambda: defaultdict(list))
    able = contestants(bench, kind)
    for _ in range(2 if bench.quick else 5):
        for one in tuple(able):
            before = len(bench.table.failed)
            with bench.table.alone(f"{kind}: {one.label}"):
                a_round(bench, kind, one, figures)
            if len(bench.table.failed) > before:
                able.remove(one)
    return figures


def in_turns(bench: Bench, kind: str, figures: Figures) -> None:
    """Enqueue one again, in turns: on a file it is hardly more than the disk, whose mood changes faster than a round lasts.

    Long enough for the file of the log to be as long as it will be: to make that longer costs more than to write it again.
    """
    able = [one for one in contestants(bench, kind) if one.label in figures[ONE]]
    turns, singles = (4, 1_000) if bench.quick else (10, 2_000)
    for turn in range(turns):
        for one in able if turn % 2 else reversed(able):
            with bench.databases.fresh(kind) as url:
                made = prepare(bench, one, url, singles=singles)
            if made.one is not None:
                figures[ONE][one.label].append(made.one)


def a_round(bench: Bench, kind: str, one: Contestant, figures: Figures) -> None:
    singles = min(one.count // 2, 500 if bench.quick else 2_000)
    for processes in (1, 2):
        # Huey is the peer on SQLite, and jobsched's bar there is one process.
        if processes == 2 and (kind == SQLITE or one.module.startswith("raw")):
            continue
        with bench.databases.fresh(kind) as url:
            made = prepare(bench, one, url, singles=singles, calls=max((one.count - singles) // 1000, 1))
            drained = drain(bench, one, url, made, processes)
        note(figures, one, made, drained, processes)
        if one is OURS and processes == 2 and min(drained.shares) < 0.3 * max(drained.shares):
            bench.table.note(
                f"{kind}: jobsched's two processes performed {drained.shares[0]:,} and {drained.shares[1]:,}"
            )


def note(figures: Figures, one: Contestant, made: Prepared, drained: Drained, processes: int) -> None:
    figures[DRAIN if processes == 1 else DRAIN_TWO][one.label].append(drained.rate)
    if made.one is not None:
        figures[ONE][one.label].append(made.one)
    if made.many is not None:
        figures[MANY][one.label].append(made.many)


def report_all(bench: Bench, kind: str, figures: Figures) -> None:
    """Everybody's figures, a row each."""
    matrix = bench.table.matrix(f"{kind}: a second")
    for name in (ONE, MANY, DRAIN, DRAIN_TWO):
        for label, found in figures[name].items():
            matrix.put(label, name, f"{median(found):,.0f}")


def on_postgres(bench: Bench, figures: Figures) -> None:
    raw, best = "raw SQL, k=500", best_of("pgqueuer")
    row(bench, POSTGRES, ONE, figures, best, raw, 1.0, lambda _, limit: at_least(limit, 0.8, "x raw"))
    row(bench, POSTGRES, MANY, figures, best, raw, 1.3, lambda ratio, _: at_least(ratio, 2, "x pgqueuer"))
    row(bench, POSTGRES, DRAIN, figures, best, raw, 2.0, lambda ratio, _: at_least(ratio, 3, "x pgqueuer"))
    row(bench, POSTGRES, DRAIN_TWO, figures, best, "", 2.0, lambda ratio, _: at_least(ratio, 2.7, "x pgqueuer"))


def on_sqlite(bench: Bench, figures: Figures) -> None:
    raw, best = "raw SQL, k=500", best_of("Huey")
    row(bench, SQLITE, ONE, figures, best, raw, 0.95, lambda _, limit: at_least(limit, 0.9, "x raw"))
    # Huey has no call for many: a thousand a call are held against its one.
    figures[MANY]["Huey"] = figures[ONE].get("Huey", [])
    row(bench, SQLITE, MANY, figures, best, raw, 25, lambda ratio, _: at_least(ratio, 40, "x Huey"))
    row(bench, SQLITE, DRAIN, figures, best, raw, 15, lambda ratio, _: at_least(ratio, 20, "x Huey"))


def best_of(name: str) -> Callable[[dict[str, list[float]]], str | None]:
    """The label of the peer's best settings."""

    def best(found: dict[str, list[float]]) -> str | None:
        labels = [label for label, rates in found.items() if label.startswith(name) and rates]
        return max(labels, key=lambda label: median(found[label]), default=None)

    return best


def row(
    bench: Bench,
    kind: str,
    name: str,
    figures: Figures,
    best: Callable[[dict[str, list[float]]], str | None],
    raw: str,
    least: float,
    aim: Callable[[float, float], Held],
) -> None:
    found = figures[name]
    if not found.get(OURS.label):
        return
    ours, peer = found[OURS.label], best(found)
    theirs, limit = found.get(peer or "", []), found.get(raw, [])
    beside = [
        f"{label} {median(rates):,.0f} ({ratio(ours, rates):.2f} x)"
        for label, rates in ((peer, theirs), (raw, limit))
        if rates
    ]
    bar = at_least(ratio(ours, theirs), least, f"x {peer.partition(',')[0]}") if peer and theirs else None
    reached = aim(ratio(ours, theirs), ratio(ours, limit) if limit else 0.0) if theirs else None
    bench.table.add(f"{kind}: {name}", f"{median(ours):,.0f}/s", "; ".join(beside), bar=bar, aim=reached)


def ratio(ours: list[float], theirs: list[float]) -> float:
    """Round by round; where one of them was not in all of the rounds, of what they did in general."""
    if len(ours) != len(theirs):
        return median(ours) / median(theirs)
    return median([one / other for one, other in zip(ours, theirs, strict=True)])
