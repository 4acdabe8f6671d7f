"""What every row is given."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.databases import Databases
from benchmarks.table import Table


@dataclass(frozen=True)
class Bench:
    table: Table
    databases: Databases
    quick: bool  #: smaller and shorter, for a first look
    peers: str | None  #: a Python that has requirements/bench.txt; None: no peer is measured
    node: str | None  #: a node that peers/node can be run with, likewise

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """An empty one, of its own."""
        made = Path(tempfile.mkdtemp(dir=self.databases.folder))
        try:
            yield made
        finally:
            shutil.rmtree(made, ignore_errors=True)
