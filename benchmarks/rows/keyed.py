"""What keyed work costs the unkeyed beside it: runs that wait for a place of their key, in front of and among others."""

import itertools
import threading
import time
from collections.abc import Iterator

from benchmarks.bench import Bench
from benchmarks.databases import POSTGRES, SQLITE
from benchmarks.measure import median
from benchmarks.node import node, prepared
from benchmarks.peers.tally import payload
from benchmarks.table import at_least

from jobsched.client import Client
from jobsched.model.enqueue import Enqueue

LONGEST_SECONDS = 120


def measure(bench: Bench) -> None:
    size = 5 if bench.quick else 1
    for kind in (POSTGRES, SQLITE):
        with bench.table.alone(f"{kind}: many keys"):
            beside(bench, kind, unkeyed=20_000 // size, keyed=5_000 // size, keys=50, least=0.85)
        with bench.table.alone(f"{kind}: one key"):
            beside(bench, kind, unkeyed=10_000 // size, keyed=100_000 // size, keys=1, least=0.95)


def beside(bench: Bench, kind: str, *, unkeyed: int, keyed: int, keys: int, least: float) -> None:
    alone, together, total = [], [], []
    for _ in range(1 if bench.quick else 3):
        alone.append(rates(bench, kind, unkeyed, 0, keys)[0])
        of_unkeyed, of_all = rates(bench, kind, unkeyed, keyed, keys)
        together.append(of_unkeyed)
        total.append(of_all)
    ratio = median(together) / median(alone)
    bench.table.add(
        f"{kind}: {unkeyed:,} runs beside {keyed:,} of {keys} key{'s' if keys > 1 else ''}",
        f"{median(together):,.0f}/s of the unkeyed, {median(total):,.0f} of all",
        f"alone {median(alone):,.0f} ({ratio:.2f} x, of all {median(total) / median(alone):.2f})",
        bar=at_least(ratio, least, "x alone"),
    )


def rates(bench: Bench, kind: str, unkeyed: int, keyed: int, keys: int) -> tuple[float, float]:
    """Unkeyed runs a second, and all, from the first unkeyed one's start to the last one's: keyed ones take their turn meanwhile."""
    began: list[float] = []
    count, over, others = iter(range(1, unkeyed + 1)), threading.Event(), itertools.count()
    with bench.databases.fresh(kind) as url, prepared(url) as (store, registry):

        @registry.handler("counted")
        def counted(n: int, text: str) -> None:  # noqa: ARG001 - the payload's fields
            if not began:
                began.append(time.perf_counter())
            if next(count) == unkeyed:
                over.set()

        @registry.handler("keyed")
        def of_a_key(n: int, text: str) -> None:  # noqa: ARG001 - the payload's fields
            next(others)

        client = Client(store)
        for batch in batches(unkeyed, keyed, keys):
            client.enqueue_many(batch)
        with node(store, registry):
            if not over.wait(LONGEST_SECONDS):
                raise TimeoutError(f"{unkeyed:,} unkeyed runs are not over after {LONGEST_SECONDS} s")
            seconds = time.perf_counter() - began[0]
            return unkeyed / seconds, (unkeyed + next(others)) / seconds


def batches(unkeyed: int, keyed: int, keys: int) -> Iterator[list[Enqueue]]:
    """Of a thousand unkeyed runs, each with its part of the keyed ones before it."""
    assert unkeyed % 1000 == 0
    calls = unkeyed // 1000
    for _ in range(calls):
        made = [Enqueue("keyed", payload(n), concurrency_key=f"key-{n % keys}") for n in range(keyed // calls)]
        yield [*made, *(Enqueue("counted", payload(n)) for n in range(1000))]
