"""Rescuer: gives back the runs of dead nodes, so that nothing stays running."""

import logging
from collections.abc import Callable
from typing import Literal

from jobsched.model.run import OwnedRun, RunState, Transition
from jobsched.runner.definitions import Definitions
from jobsched.schedule.retry import after_loss
from jobsched.store.port import Store

log = logging.getLogger("jobsched")


class Rescuer:
    """Call it now and then, on every node: whoever is first rescues, the others find nothing."""

    def __init__(
        self,
        store: Store,
        definitions: Definitions,
        on_pending: Callable[[], None],
        on_freed: Callable[[list[str]], None],
    ) -> None:
        self._store, self._definitions = store, definitions
        self._on_pending, self._on_freed = on_pending, on_freed

    def __call__(self) -> None:
        for node in self._store.bury():
            owned = self._store.owned(node)
            transitions = {run.id: self._decide(run) for run in owned}
            rescued = self._store.finish(list(transitions.values()))
            for run in owned:
                if run.id in rescued:
                    _say(run, transitions[run.id])
            if rescued:
                self._on_pending()
                self._on_freed([])

    def _decide(self, run: OwnedRun) -> Transition:
        on_crash: Literal["retry", "fail"] = "retry"
        if run.job is not None:
            found = self._store.jobs(run.namespace, [run.job])
            on_crash = found[0].job.on_crash if found else "fail"
        return after_loss(run, on_crash, self._store.now())


def _say(run: OwnedRun, transition: Transition) -> None:
    what = "failed for good" if transition.state is RunState.FAILED else "is pending again"
    log.warning(
        "node %d died: its run %d (%s, attempt %d) %s",
        run.node,
        run.id,
        run.job or "ad hoc",
        run.attempt,
        what,
        extra={"event": "run_lost", "run": run.id, "job": run.job, "node": run.node},
    )
