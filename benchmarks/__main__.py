"""Size and speed: what jobsched costs, beside its peers and the limits of this machine, in one run. `make bench` runs all of it.

Figures of one machine in one hour: compare ratios, and rows of the same run only. Nothing here is a test. A file of
rows/ a subject, a file of peers/ a peer, with the settings that serve it best as far as we know: corrections are welcome.
"""

import argparse
import logging
import threading
import time
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.databases import Databases
from benchmarks.machine import NODE_PEERS, described, peers
from benchmarks.table import Table

SUBJECTS = {
    "queue": "The queue beside its peers",
    "latency": "From enqueued to begun",
    "keyed": "Keyed work beside unkeyed",
    "nodes": "Eight nodes beside two",
    "growth": "Large tables beside small ones",
    "start_up": "Starting the command",
    "schedules": "The next slot",
    "files": "Files of many jobs",
    "fires": "Jobs due each second",
    "herd": "Jobs due in the same second",
    "idle": "A node with nothing to do",
    "pages": "Pages over a large store",
}
#: What takes minutes at any size that would say something.
LONG = ("nodes", "growth", "herd", "idle", "pages")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--quick", action="store_true", help="smaller and shorter, three minutes in all, for a first look"
    )
    parser.add_argument(
        "--peers", metavar="PYTHON", help="an interpreter that has the packages of requirements/bench.txt"
    )
    parser.add_argument("--node", metavar="NODE", help="a node, with the packages of peers/node installed there")
    parser.add_argument("--only", metavar="A,B", help=f"some subjects of {', '.join(SUBJECTS)}")
    parser.add_argument(
        "--markdown", metavar="FILE", type=Path, help="write the tables there, as docs/performance.md has them"
    )
    given = parser.parse_args()
    wanted = given.only.split(",") if given.only else [name for name in SUBJECTS if not (given.quick and name in LONG)]
    if unknown := [name for name in wanted if name not in SUBJECTS]:
        parser.error(f"no subject {', '.join(unknown)}; there are {', '.join(SUBJECTS)}")
    threading.current_thread().name = "bench"
    logging.getLogger("jobsched").setLevel(logging.ERROR)  # what a node says is no part of the report
    began, table = time.monotonic(), Table()
    with ExitStack() as cleanup:
        databases = Databases(cleanup)
        node = given.node if (NODE_PEERS / "node_modules" / ".installed").exists() else None
        head = [
            *described(databases.settings(), quick=given.quick),
            *peers(python=given.peers is not None, node=node is not None),
        ]
        print("\n".join(head), flush=True)
        bench = Bench(table, databases, given.quick, given.peers, node)
        for name in wanted:
            table.section(SUBJECTS[name])
            with table.alone(SUBJECTS[name]):
                import_module(f"benchmarks.rows.{name}").measure(bench)
    for matrix in table.matrices:
        print("\n" + "\n".join(matrix.lines()))
    print(f"\n{(time.monotonic() - began) / 60:.0f} minutes")
    print(f"not measured: {', '.join(table.failed)}" if table.failed else "all were measured")
    print(f"missed: {', '.join(table.missed)}" if table.missed else "every bar is met")
    if given.markdown is not None:
        given.markdown.write_text("\n".join(head) + "\n\n" + table.markdown(), encoding="utf-8")


if __name__ == "__main__":
    main()
