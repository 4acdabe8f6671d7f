"""Whether cost grows with the table: a million finished and a million future runs in it; a million pending ones."""

from benchmarks.bench import Bench
from benchmarks.contest import Contestant, Prepared, drain, prepare
from benchmarks.databases import POSTGRES, SQLITE, asking, execute
from benchmarks.measure import median
from benchmarks.table import at_least

from jobsched.client import Client

OURS = Contestant("jobsched", "jobsched_queue")
#: Within 1.3 times of an empty table.
LEAST = 1 / 1.3


def measure(bench: Bench) -> None:
    rows = 100_000 if bench.quick else 1_000_000
    for kind in (POSTGRES, SQLITE):
        with bench.table.alone(f"{kind}: a large history"):
            history(bench, kind, rows)
        with bench.table.alone(f"{kind}: many pending"):
            pending(bench, kind, rows)


def history(bench: Bench, kind: str, rows: int) -> None:
    """Both tables stand side by side, and are measured in turn."""
    found: dict[str, dict[bool, list[float]]] = {name: {True: [], False: []} for name in ("one", "many", "drain")}
    with bench.databases.fresh(kind) as small, bench.databases.fresh(kind) as large:
        filled = {False: small, True: large}
        for is_large, url in filled.items():
            prepare(bench, OURS, url)
            if is_large:
                multiply(url, rows, scheduled=True, finished=True)
        for _ in range(1 if bench.quick else 3):
            for is_large, url in filled.items():
                made = prepare(bench, OURS, url, singles=500, calls=20)
                assert made.one
                assert made.many
                found["one"][is_large].append(made.one)
                found["many"][is_large].append(made.many)
                found["drain"][is_large].append(drain(bench, OURS, url, made).rate)
    for name, words in (("one", "enqueue one"), ("many", "enqueue 1,000 a call"), ("drain", "drain")):
        large_rate, small_rate = median(found[name][True]), median(found[name][False])
        ratio = large_rate / small_rate
        bench.table.add(
            f"{kind}: {words}, {rows:,} finished and {rows:,} future runs in the table",
            f"{large_rate:,.0f}/s",
            f"an almost empty one {small_rate:,.0f} ({ratio:.2f} x)",
            bar=at_least(ratio, round(LEAST, 2), "x"),
        )


def pending(bench: Bench, kind: str, rows: int) -> None:
    few: list[float] = []
    many: list[float] = []
    for _ in range(1 if bench.quick else 2):
        for count, rates in ((10_000, few), (rows, many)):
            with bench.databases.fresh(kind) as url:
                made = prepare(bench, OURS, url)
                multiply(url, count, pending=True)
                rates.append(drain(bench, OURS, url, Prepared(made.version, made.unfinished, count, None, None)).rate)
    ratio = median(many) / median(few)
    bench.table.add(
        f"{kind}: drain of {rows:,} pending runs",
        f"{median(many):,.0f}/s",
        f"of 10,000 {median(few):,.0f} ({ratio:.2f} x)",
        bar=at_least(ratio, 0.8, "x"),
    )


def multiply(url: str, rows: int, *, scheduled: bool = False, finished: bool = False, pending: bool = False) -> None:
    """So many runs of each kind, made by the database from one that jobsched made: enqueueing them would take minutes."""
    with Client(url) as client:
        if scheduled:
            copy(url, client.enqueue("noop", {"n": 0, "text": "x"}, delay="365d").id, rows)
        if pending:
            copy(url, client.enqueue("noop", {"n": 0, "text": "x"}).id, rows)
        if finished:
            cancelled = client.enqueue("noop", {"n": 0, "text": "x"}, delay="365d").id
            client.cancel(cancelled)
            copy(url, cancelled, rows)
    # What autovacuum would do in its own time, and just while it is measured.
    execute(url, "analyze" if url.startswith("sqlite") else "vacuum analyze jobsched_runs")


def copy(url: str, run_id: int, rows: int) -> None:
    with asking(url) as ask:
        columns = ", ".join(column for column in str(ask(_COLUMNS[url.partition(":")[0]])).split(",") if column != "id")
    execute(url, _COPY.format(columns=columns, run_id=run_id, rows=rows - 1))


_COLUMNS = {
    "sqlite": "select group_concat(name) from pragma_table_info('jobsched_runs')",
    "postgresql": "select string_agg(column_name, ',') from information_schema.columns where table_name = 'jobsched_runs'",
}
_COPY = """
with recursive numbers(n) as (select 1 union all select n + 1 from numbers where n < {rows})
insert into jobsched_runs ({columns}) select {columns} from jobsched_runs cross join numbers where id = {run_id}
"""
