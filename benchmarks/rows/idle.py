"""What a node costs that has ten thousand jobs and nothing to do."""

import subprocess
import sys
import time
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.databases import POSTGRES, SQLITE
from benchmarks.measure import cpu_seconds, memory_mib, with_bytecode
from benchmarks.table import at_most, both

#: Syncing ten thousand jobs and settling takes less.
SETTLING_SECONDS = 12


def measure(bench: Bench) -> None:
    if not sys.platform.startswith("linux"):
        bench.table.note("idle: CPU and memory are read from /proc, which only Linux has")
        return
    for kind in (SQLITE, POSTGRES):
        with bench.table.alone(f"{kind}: idle"), with_bytecode() as environ:
            # As an installed program is: what compiles its modules first keeps some of that memory.
            with bench.databases.fresh(kind) as url, bench.folder() as folder:
                command = write_jobs(folder, 1)
                environ["JOBSCHED_DATABASE_URL"] = url
                subprocess.run([*command, "--until-idle"], cwd=folder, env=environ, check=True, capture_output=True)
            with bench.databases.fresh(kind) as url, bench.folder() as folder:
                idle(bench, kind, environ | {"JOBSCHED_DATABASE_URL": url}, folder, 6 if bench.quick else 60)


def write_jobs(folder: Path, count: int) -> list[str]:
    """The command that runs them."""
    jobs = (f'  job-{number:05}: {{command: ["true"], cron: "0 0 1 1 *"}}\n' for number in range(count))
    (folder / "jobs.yaml").write_text("version: 1\njobs:\n" + "".join(jobs))
    return [str(Path(sys.executable).parent / "jobsched"), "run"]


def idle(bench: Bench, kind: str, environ: dict[str, str], folder: Path, lasting: int) -> None:
    command = write_jobs(folder, 10_000)
    node = subprocess.Popen(command, cwd=folder, env=environ, stderr=subprocess.DEVNULL)
    try:
        time.sleep(SETTLING_SECONDS)
        began, cpu = time.monotonic(), cpu_seconds(node.pid)
        time.sleep(lasting)
        used = (cpu_seconds(node.pid) - cpu) / (time.monotonic() - began) * 100
        memory = memory_mib(node.pid)
    finally:
        node.terminate()
        try:
            node.wait(timeout=60)
        except subprocess.TimeoutExpired:
            node.kill()
    bench.table.add(
        f"{kind}: idle node, 10,000 jobs",
        f"{used:.2f} % CPU, {memory:.0f} MiB",
        bar=both(at_most(used, 0.5, "% CPU"), at_most(memory, 90, "MiB")),
    )
