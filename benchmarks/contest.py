"""Contestants in processes of their own: filled, let loose on their queue, watched, ended. peers/__main__.py is the other side."""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench
from benchmarks.databases import asking
from benchmarks.measure import ROOT
from benchmarks.peers.tally import Tally

#: To import, connect and make a schema, on a busy machine.
START_SECONDS = 60
#: Whoever has performed nothing for so long will not.
STUCK_SECONDS = 20
DRAIN_SECONDS = 120
#: Of many, no slower than this a second.
DRAIN_LEAST = 2_000


class ContestError(Exception):
    """A contestant failed, or did not get done in time."""


@dataclass(frozen=True)
class Contestant:
    """A module of peers/ with its options; `count` is how many it drains for a figure, `node` that it is JavaScript."""

    label: str
    module: str
    options: Mapping[str, Any] = field(default_factory=dict)
    count: int = 20_000
    node: bool = False

    def command(self, bench: Bench, verb: str, settings: Mapping[str, Any]) -> list[str]:
        words = [self.module, verb, json.dumps({**settings, "options": dict(self.options)})]
        if self.node:
            assert bench.node is not None
            return [bench.node, str(ROOT / "benchmarks" / "peers" / "node" / "contestant.mjs"), *words]
        ours = self.module.startswith(("jobsched", "raw"))
        python = sys.executable if ours or bench.peers is None else bench.peers
        return [python, "-m", "benchmarks.peers", *words]

    def can_run(self, bench: Bench) -> bool:
        if self.module.startswith(("jobsched", "raw")):
            return True
        return bench.node is not None if self.node else bench.peers is not None


@dataclass(frozen=True)
class Prepared:
    version: str
    unfinished: str
    total: int
    one: float | None  #: enqueued a second, one a call
    many: float | None  #: the same, many a call


def environment() -> dict[str, Any]:
    """Of a process that finds `benchmarks` and its own packages, and nothing of ours beside them."""
    environ = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return {"cwd": ROOT, "env": environ}


def prepare(
    bench: Bench, one: Contestant, url: str, *, singles: int = 0, calls: int = 0, a_call: int = 1000
) -> Prepared:
    """Its schema, and so many enqueued one by one and then by the thousand, timed."""
    settings = {"url": url, "singles": singles, "calls": calls, "a_call": a_call}
    with tempfile.TemporaryFile("w+") as errors:
        try:
            done = subprocess.run(
                one.command(bench, "prepare", settings),
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                timeout=180,
                **environment(),
            )
        except subprocess.TimeoutExpired:
            raise ContestError(f"{one.label}: was not filled in 180 s") from None
        if done.returncode != 0:
            raise ContestError(f"{one.label}: {last_line(errors)}")
    found = json.loads(done.stdout.splitlines()[-1])
    return Prepared(
        version=found["version"],
        unfinished=found["unfinished"],
        total=singles + calls * a_call,
        one=singles / found["one"] if found.get("one") else None,
        many=calls * a_call / found["many"] if found.get("many") else None,
    )


class Worker:
    """A contestant's process that has said that it is ready."""

    def __init__(
        self, bench: Bench, one: Contestant, verb: str, settings: Mapping[str, Any], cleanup: ExitStack
    ) -> None:
        self.label = one.label
        self._errors = cleanup.enter_context(tempfile.TemporaryFile("w+"))  # noqa: SIM115 - the stack closes it
        self.process = subprocess.Popen(
            one.command(bench, verb, settings),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            bufsize=1,
            start_new_session=True,
            **environment(),
        )
        cleanup.callback(self._end)

    def expect(self, word: str, seconds: float) -> None:
        """Read lines until it says `word`."""
        until = time.monotonic() + seconds
        out = self.process.stdout
        assert out is not None
        while (left := until - time.monotonic()) > 0:
            if not select.select([out], [], [], left)[0]:
                break
            line = out.readline()
            if line.strip() == word:
                return
            if not line:
                raise ContestError(f"{self.label}: ended: {last_line(self._errors)}")
        raise ContestError(f"{self.label}: not {word} after {seconds:.0f} s")

    def go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def check(self) -> None:
        if self.process.poll() is not None:
            raise ContestError(f"{self.label}: ended: {last_line(self._errors)}")

    def _end(self) -> None:
        # With its children, which share its session; some end in order and hold the bench up, and nothing is lost by a kill.
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=30)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


@contextmanager
def workers(bench: Bench, one: Contestant, url: str, tally: Path, count: int) -> Iterator[list[Worker]]:
    """So many processes of it, ready."""
    with ExitStack() as cleanup:
        made = [
            Worker(bench, one, "work", {"url": url, "tally": str(tally), "slot": slot}, cleanup)
            for slot in range(count)
        ]
        for worker in made:
            worker.expect("ready", START_SECONDS)
        yield made


@dataclass(frozen=True)
class Drained:
    rate: float  #: a second, from the first handler's start until nothing was left
    shares: list[int]  #: of each process


def drain(bench: Bench, one: Contestant, url: str, prepared: Prepared, processes: int = 1) -> Drained:
    with bench.folder() as folder, asking(url) as ask:
        tally = Tally(folder / "tally", create=True)
        with workers(bench, one, url, folder / "tally", processes) as made:
            time.sleep(0.3)  # what starting them cost is over
            for worker in made:
                worker.go()
            ended = await_drained(made, tally, prepared, lambda: not ask(prepared.unfinished))
            assert tally.first is not None
            return Drained(prepared.total / (ended - tally.first) * 1e9, tally.shares(processes))


def await_drained(made: list[Worker], tally: Tally, prepared: Prepared, over: Any) -> int:
    """When nothing was left. The database is asked only when most are performed, or none has been for a while."""
    began = moved = time.monotonic()
    seen = 0
    while time.monotonic() - began < max(DRAIN_SECONDS, prepared.total / DRAIN_LEAST):
        time.sleep(0.005)
        performed = tally.performed
        if performed != seen:
            seen, moved = performed, time.monotonic()
        still = time.monotonic() - moved
        if (performed >= prepared.total * 0.98 or (performed and still > 1)) and over():
            return time.monotonic_ns()
        if still > STUCK_SECONDS:
            break
        for worker in made:
            worker.check()
    raise ContestError(
        f"{made[0].label}: {seen:,} of {prepared.total:,} performed after {time.monotonic() - began:.0f} s"
    )


def latencies(bench: Bench, one: Contestant, url: str, count: int) -> list[float]:
    """In ms from enqueued to begun, a producer and a worker apart."""
    prepare(bench, one, url)
    with bench.folder() as folder, ExitStack() as cleanup:
        tally = Tally(folder / "tally", count, create=True)
        [worker] = cleanup.enter_context(workers(bench, one, url, folder / "tally", 1))
        producer = Worker(bench, one, "produce", {"url": url, "tally": str(folder / "tally"), "count": count}, cleanup)
        producer.expect("ready", START_SECONDS)
        worker.go()
        time.sleep(1)
        producer.go()
        producer.expect("done", count * 0.5 + 30)
        return await_all(one, tally, count)


def latencies_together(bench: Bench, one: Contestant, url: str, count: int) -> list[float]:
    """The same in one process."""
    with bench.folder() as folder, ExitStack() as cleanup:
        tally = Tally(folder / "tally", count, create=True)
        settings = {"url": url, "tally": str(folder / "tally"), "count": count}
        both = Worker(bench, one, "together", settings, cleanup)
        both.expect("ready", START_SECONDS)
        time.sleep(1)
        both.go()
        both.expect("done", count * 0.5 + 30)
        return await_all(one, tally, count)


def await_all(one: Contestant, tally: Tally, count: int) -> list[float]:
    until = time.monotonic() + STUCK_SECONDS
    while len(found := tally.latencies()) < count:
        if time.monotonic() > until:
            raise ContestError(f"{one.label}: {len(found)} of {count} begun")
        time.sleep(0.05)
    return found


def last_line(errors: Any) -> str:
    errors.seek(0)
    lines = [line for line in errors.read().splitlines() if line.strip()]
    return lines[-1].strip()[:300] if lines else "it said nothing"
