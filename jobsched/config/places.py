"""Where the files, as they are now, declare a job: for whoever is told to change it there."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from jobsched.config.diagnostics import Diagnostics, TooManyDiagnosticsError
from jobsched.config.document import read
from jobsched.config.sources import read_sources


class Place(NamedTuple):
    """`jobs.yaml:12:3`."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


def declared_at(paths: Sequence[Path], namespace: str, name: str) -> Place | None:
    """None if no file declares it, or not any more, or none can be read; what else is wrong with them does not matter."""
    try:
        found = Diagnostics()
        documents = [read(source.content, source.name, found) for source in read_sources(paths, found)]
    except TooManyDiagnosticsError:
        return None
    for document in documents:
        top = document.value if document is not None and isinstance(document.value, dict) else {}
        jobs = top.get("jobs")
        if (
            document is not None
            and isinstance(jobs, dict)
            and name in jobs
            and top.get("namespace", namespace) == namespace
        ):
            return Place(document.name, *document.position(("jobs", name), of_key=True))
    return None
