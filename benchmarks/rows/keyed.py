"""What keyed work costs the unkeyed beside it: runs that wait for a place of their key, in front of and among others."""

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
    alone, together = [], []
    for _ in range(1 if bench.quick else 3):
        alone.append(rate(bench, kind, unkeyed, 0, keys))
        together.append(rate(bench, kind, unkeyed, keyed, keys))
    ratio = median(together) / median(alone)
    bench.table.add(
        f"{kind}: {unkeyed:,} runs beside {keyed:,} of {keys} key{'s' if keys > 1 else ''}",
        f"{median(together):,.0f}/s of the unkeyed",
        f"alone {median(alone):,.0f} ({ratio:.2f} x)",
        bar=at_least(ratio, least, "x alone"),
    )


def rate(bench: Bench, kind: str, unkeyed: int, keyed: int, keys: int) -> float:
    """Unkeyed runs a second, from the first handler's start to the last unkeyed one's."""
    began: list[float] = []
    count, over = iter(range(1, unkeyed + 1)), threading.Event()
    with bench.databases.fresh(kind) as url, prepared(url) as (store, registry):

        @registry.handler("counted")
        def counted(n: int, text: str) -> None:  # noqa: ARG001 - the payload's fields
            if not began:
                began.append(time.perf_counter())
            if next(count) == unkeyed:
                over.set()

        client = Client(store)
        for batch in batches(unkeyed, keyed, keys):
            client.enqueue_many(batch)
        with node(store, registry):
            if not over.wait(LONGEST_SECONDS):
                raise TimeoutError(f"{unkeyed:,} unkeyed runs are not over after {LONGEST_SECONDS} s")
            return unkeyed / (time.perf_counter() - began[0])


def batches(unkeyed: int, keyed: int, keys: int) -> Iterator[list[Enqueue]]:
    """Of a thousand unkeyed runs, each with its part of the keyed ones before it."""
    assert unkeyed % 1000 == 0
    calls = unkeyed // 1000
    for _ in range(calls):
        made = [Enqueue("noop", payload(n), concurrency_key=f"key-{n % keys}") for n in range(keyed // calls)]
        yield [*made, *(Enqueue("counted", payload(n)) for n in range(1000))]
