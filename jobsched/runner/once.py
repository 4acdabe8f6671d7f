"""Once: what `--until-idle` waits for: the runs that were due at the start, their retries, and what their failures made."""

from collections.abc import Iterable, Sequence

from jobsched.clock import Clock, Waitable
from jobsched.errors import StoreUnavailableError
from jobsched.model.run import RunFilter, RunState
from jobsched.runner.pauses import NodePauses
from jobsched.store.port import Store

_WAITING = (RunState.PENDING, RunState.BLOCKED, RunState.RUNNING)
_MOST = 100_000
_BETWEEN_LOOKS, _WHILE_AWAY = 0.1, 1.0


class Once:
    """Nobody waits for a run that cannot start because its queue is paused."""

    def __init__(self, store: Store, clock: Clock, pauses: NodePauses) -> None:
        self._store, self._clock, self._pauses = store, clock, pauses
        self._due: set[int] = set()

    def begin(self, fired: Iterable[int], namespaces: Sequence[str], queues: Sequence[str] | None) -> None:
        """Wait for these runs, and for those of the node's queues that wait already."""
        self._due = set(fired)
        for namespace in namespaces:
            found = self._store.runs(RunFilter(namespace=namespace, states=_WAITING, limit=_MOST))
            self._due |= {run.id for run in found if queues is None or run.queue in queues}

    def wait(self, ended: Waitable) -> list[int]:
        """Until all of them are final, or `ended`; the ids of those that failed."""
        waiting = set(self._due)
        while waiting and not ended.is_set():
            pause = _BETWEEN_LOOKS
            try:
                waiting = {id_ for id_ in self._store.unfinished(sorted(waiting)) if not self._is_held_back(id_)}
                waiting = waiting or self._failure_runs()
            except StoreUnavailableError:
                pause = _WHILE_AWAY
            if waiting:
                self._clock.wait(ended, pause)
        return [id_ for id_ in sorted(self._due) if (run := self._store.run(id_)) and run.state is RunState.FAILED]

    def _failure_runs(self) -> set[int]:
        """The `on_failure` runs of what was waited for that have not been waited for themselves; they count from now on."""
        made = self._store.runs(RunFilter(failures_of=tuple(self._due), limit=2 * len(self._due)))
        new = {run.id for run in made} - self._due
        self._due |= new
        return new

    def _is_held_back(self, run_id: int) -> bool:
        run = self._store.run(run_id) if self._pauses.of_queues else None
        return run is not None and run.state is not RunState.RUNNING and self._pauses.holds(run.namespace, run.queue)
