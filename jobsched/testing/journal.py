"""What the handlers of a fault test did, a line each, in a file that outlives their processes."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from jobsched.handlers.context import Context


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line. `gone` is written by the test itself, of a process that it killed or stopped."""

    what: Literal["begins", "ends", "interrupted", "gone"]
    pid: int  #: of the node
    run: int = 0
    attempt: int = 0


class Journal:
    """Entries of many processes, in the order in which they were written: no clock is asked."""

    def __init__(self, file: Path | str) -> None:
        self._file = Path(file)

    @contextmanager
    def attempt(self, context: Context) -> Iterator[str]:
        """Around what a handler does. Gives what it should return, so that a result tells which attempt it is of."""
        run, attempt, pid = context.run_id, context.attempt, os.getpid()
        self.write(Entry(what="begins", pid=pid, run=run, attempt=attempt))
        try:
            yield result_of(run, attempt)
        finally:
            # One that was asked to stop may be given back, and begun anew under the same number.
            asked = context.cancelled
            self.write(Entry(what="interrupted" if asked else "ends", pid=pid, run=run, attempt=attempt))
            if context.cancelled and not asked:
                # It was while that was written: its end is yet to come, and after the order.
                self.write(Entry(what="interrupted", pid=pid, run=run, attempt=attempt))

    def gone(self, pid: int) -> None:
        """The process was killed, or stopped for longer than its lease: what it had begun holds no place any more."""
        self.write(Entry(what="gone", pid=pid))

    def write(self, entry: Entry) -> None:
        # One write to the end of the file: lines of several processes cannot be mixed.
        file = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(file, json.dumps(asdict(entry)).encode() + b"\n")
        finally:
            os.close(file)

    def entries(self) -> list[Entry]:
        """All so far, oldest first."""
        if not self._file.exists():
            return []
        return [Entry(**json.loads(line)) for line in self._file.read_text().splitlines()]


def result_of(run: int, attempt: int) -> str:
    return f"run {run}, attempt {attempt}"
