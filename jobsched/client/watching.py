"""What a client sees of runs as time goes on: their ends, their lines, how far they are."""

import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta

from jobsched.client.given import as_timeout, id_of_run, is_possible
from jobsched.client.runs import Runs
from jobsched.model.durations import format_duration
from jobsched.model.run import LogLine, Run, RunState

#: How often `wait` and `follow` look, in seconds: it grows from the first to the second.
_FIRST_LOOK, _SLOWEST_LOOK = 0.02, 0.5


class Watching(Runs):
    """Looks again and again, less and less often."""

    def wait(self, run_id: int, timeout: timedelta | float | str | None = None) -> Run:
        """Wait until a run is final, and return it. `timeout`: a timedelta, seconds, or text like `10m`; None: for ever.

        Raises TimeoutError; UnknownRunError, also if it is deleted meanwhile.
        """
        never = threading.Event()
        for run, pause in self.looks(run_id, timeout):
            if run.state.final:
                return run
            self._clock.wait(never, pause)
        raise AssertionError("one looks until the run is final")

    def looks(self, run_id: int, timeout: timedelta | float | str | None = None) -> Iterator[tuple[Run, float]]:
        """What `wait` sees: the run at each look, the last one final, and how many seconds to pause after it. Raises as `wait`."""
        timeout = as_timeout(timeout)
        pauses = self._pauses(timeout)
        while True:
            run = self.run(run_id)
            pause = next(pauses, None)
            if not run.state.final and timeout is not None and pause is None:
                raise TimeoutError(f"run {run_id} is still {run.state} after {format_duration(timeout)}")
            yield run, pause or 0.0

    def log(
        self, run_id: int, *, attempt: int | None = None, after: tuple[int, int] = (0, -1), limit: int = 10_000
    ) -> list[LogLine]:
        """Lines that a run's attempts wrote, oldest first, after a place (attempt, seq)."""
        run_id = id_of_run(run_id)
        return self.store.log(run_id, attempt=attempt, after=after, limit=limit) if is_possible(run_id) else []

    def progress(self, runs: Iterable[Run]) -> dict[int, str]:
        """How far those of these runs are that run and have said so by `ctx.progress`: `45% copying`."""
        attempts = {run.id: run.attempt for run in runs if run.state is RunState.RUNNING}
        said = self.store.progress(list(attempts)) if attempts else {}
        return {run_id: line.text for run_id, line in said.items() if line.attempt == attempts[run_id]}

    def follow(
        self, run_id: int, *, attempt: int | None = None, looked: Callable[[Run], object] | None = None
    ) -> Iterator[LogLine]:
        """Lines of a run, those that are there and those that come, until it is final; `looked` is given it at each look.

        Raises UnknownRunError.
        """
        never = threading.Event()
        for lines, pause in self.line_looks(run_id, attempt=attempt, looked=looked):
            yield from lines
            self._clock.wait(never, pause)

    def line_looks(
        self, run_id: int, *, attempt: int | None = None, looked: Callable[[Run], object] | None = None
    ) -> Iterator[tuple[list[LogLine], float]]:
        """What `follow` sees: the lines that are new at each look, and how many seconds to pause after it. Raises as `follow`."""
        pause, after, ended = _FIRST_LOOK, (0, -1), False
        while True:
            # Asked before its lines are read: what it wrote until then is among them.
            run, lines = self.run(run_id), self.log(run_id, attempt=attempt, after=after)
            if looked is not None:
                looked(run)
            if lines:
                after, pause = (lines[-1].attempt, lines[-1].seq), _FIRST_LOOK
            elif ended:
                return
            # The last lines of many may be stored a moment after the end is: one more look.
            ended = run.state.final
            yield lines, pause
            pause = _FIRST_LOOK if ended else min(pause * 1.5, _SLOWEST_LOOK)

    def _pauses(self, timeout: timedelta | None) -> Iterator[float]:
        """Seconds between looks, longer and longer; none any more once the time is up."""
        pause = _FIRST_LOOK
        until = None if timeout is None else self._clock.monotonic() + timeout.total_seconds()
        while until is None or self._clock.monotonic() < until:
            yield pause
            pause = min(pause * 1.5, _SLOWEST_LOOK)
