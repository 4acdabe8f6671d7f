"""A progress bar for work that lasts: on standard error, on a terminal only, and gone when the work is done."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

#: Seconds that work may take before anybody wonders.
PATIENCE = 0.5


@contextmanager
def progress(
    what: str, total: int | None = None, *, hidden: bool = False, patience: float = PATIENCE
) -> Iterator[Callable[[int], None]]:
    """Yields what is to be told how many more are done. `total` None: nobody knows how many there will be.

    Print nothing to standard output meanwhile: it would be written into the bar.
    """
    if hidden or not sys.stderr.isatty():
        yield lambda _more: None
        return
    bar = _Bar(what, total)
    timer = threading.Timer(patience, bar.show)
    timer.daemon = True
    timer.start()
    try:
        yield bar.advance
    finally:
        timer.cancel()
        timer.join()
        bar.hide()


class _Bar:
    """rich is imported only when the bar is shown: most work is done before."""

    def __init__(self, what: str, total: int | None) -> None:
        self._what, self._total, self._done = what, total, 0
        self._lock = threading.Lock()
        self._shown: Progress | None = None

    def show(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        console = Console(stderr=True)
        if not console.is_interactive:
            return
        columns = [TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn()]
        if self._total is not None:
            columns.insert(2, MofNCompleteColumn())
        with self._lock:
            self._shown = Progress(*columns, console=console, transient=True)
            self._shown.add_task(self._what, total=self._total, completed=self._done)
            self._shown.start()

    def advance(self, more: int) -> None:
        with self._lock:
            self._done += more
            if self._shown is not None:
                self._shown.update(self._shown.task_ids[0], completed=self._done)

    def hide(self) -> None:
        if self._shown is not None:
            self._shown.stop()
