"""Ten thousand jobs that are due in the same second: when the last of them has started."""

import time
from datetime import UTC, datetime, timedelta

from benchmarks.bench import Bench
from benchmarks.databases import POSTGRES, SQLITE
from benchmarks.node import a_job, apply, node, prepared
from benchmarks.table import at_most

from jobsched.client import Client


def measure(bench: Bench) -> None:
    for kind in (SQLITE, POSTGRES):
        with bench.table.alone(f"{kind}: jobs due in the same second"):
            herd(bench, kind, 2_000 if bench.quick else 10_000)


def herd(bench: Bench, kind: str, count: int) -> None:
    with bench.databases.fresh(kind) as url, prepared(url) as (store, registry):
        at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=6)
        apply(store, [a_job(f"once-{number:05}", at=at) for number in range(count)])
        until = time.monotonic() + 60
        with node(store, registry):
            while store.next_due(["default"]) is not None or Client(store).counts():
                if time.monotonic() > until:
                    raise TimeoutError(f"{count} jobs that were due at once are not over after a minute")
                time.sleep(0.5)
        starts = [run.started_at for run in Client(store).runs(limit=count) if run.started_at]
    assert len(starts) == count
    took = (max(starts) - at).total_seconds()
    bench.table.add(
        f"{kind}: {count:,} jobs due in the same second",
        f"the last starts after {took:.2f} s",
        bar=at_most(took, 3, "s") if count == 10_000 else None,
    )
