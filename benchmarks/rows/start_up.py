"""What starting the command costs, beside the imports that no such command can do without."""

import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.measure import ROOT, children_cpu_seconds, seconds, with_bytecode
from benchmarks.table import at_most

JOBSCHED = str(Path(sys.executable).parent / "jobsched")


def measure(bench: Bench) -> None:
    imports = "import yaml, click, pydantic"
    commands: dict[str, Sequence[str]] = {
        # pydantic imports most of itself only once it is used: both readings of what importing it means.
        imports: (sys.executable, "-c", imports),
        "and pydantic.BaseModel": (sys.executable, "-c", f"{imports}; pydantic.BaseModel"),
        "jobsched --help": (JOBSCHED, "--help"),
        "jobsched validate jobs.yaml": (JOBSCHED, "validate", "jobs.yaml"),
    }
    if bench.peers is not None:
        procrastinate = Path(bench.peers).parent / "procrastinate"
        commands["procrastinate --help"] = (str(procrastinate), "--help")
    found = process_seconds(commands, 5 if bench.quick else 21)
    for name, (cpu, wall) in found.items():
        figure = f"{cpu * 1000:.0f} ms CPU, {wall * 1000:.0f} ms"
        if name == "jobsched --help":
            bench.table.add(name, figure, bar=at_most(cpu * 1000, 150, "ms"))
        elif name == "jobsched validate jobs.yaml":
            ratio, touched = cpu / found[imports][0], cpu / found["and pydantic.BaseModel"][0]
            beside = f"{ratio:.2f} x the imports ({touched:.2f} x with BaseModel)"
            bench.table.add(name, figure, beside, bar=at_most(ratio, 2, "x the imports"))
        else:
            bench.table.add(name, "", figure)


def run_quietly(command: Sequence[str], environ: Mapping[str, str]) -> None:
    subprocess.run(command, cwd=ROOT, env=environ, check=True, capture_output=True, timeout=60)


def process_seconds(commands: dict[str, Sequence[str]], times: int) -> dict[str, tuple[float, float]]:
    """Of whole processes, side by side: least CPU time, which other work on the machine disturbs least, and median wall time.

    The first run is not counted.
    """
    with with_bytecode() as environ:
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for _ in range(times + 1):
            for name, command in commands.items():
                before = children_cpu_seconds()
                wall = seconds(partial(run_quietly, command, environ))
                found[name].append((children_cpu_seconds() - before, wall))
    return {
        name: (min(cpu for cpu, _ in runs[1:]), statistics.median(wall for _, wall in runs[1:]))
        for name, runs in found.items()
    }
