"""How long things take, and what they use."""

import os
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parents[1]


def seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def cpu_of(call: Callable[[], object]) -> float:
    began = time.process_time()
    call()
    return time.process_time() - began


def quantile(values: Sequence[float], part: float) -> float:
    """The value below which `part` of them lie; `values` in any order."""
    return sorted(values)[min(int(len(values) * part), len(values) - 1)]


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def children_cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def child_cost(*command: str, cwd: Path) -> tuple[float, float]:
    """Seconds and peak MiB of one process, the second of two."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with with_bytecode() as environ:
        run = partial(subprocess.run, command, cwd=cwd, env=environ, check=True, stdout=subprocess.DEVNULL, timeout=300)
        took = [seconds(run) for _ in range(2)][1]
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return took, max(after.ru_maxrss, before.ru_maxrss) / 1024


@contextmanager
def with_bytecode() -> Iterator[dict[str, str]]:
    """The environment of processes that have bytecode, as an installed program has it: the first one writes what is missing."""
    with tempfile.TemporaryDirectory(prefix="jobsched-bench-bytecode-") as folder:
        environ = {**os.environ, "PYTHONPYCACHEPREFIX": folder}
        environ.pop("PYTHONDONTWRITEBYTECODE", None)
        yield environ


def cpu_seconds(pid: int) -> float:
    """Of a process that runs, its threads included."""
    numbers = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(numbers[11]) + int(numbers[12])) / os.sysconf("SC_CLK_TCK")


def memory_mib(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
