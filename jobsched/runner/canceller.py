"""Canceller: passes on to attempts of this node what people asked for by hand: to stop."""

import logging

from jobsched.runner.heartbeat import Heartbeat
from jobsched.runner.held import HeldRuns
from jobsched.store.port import Store

log = logging.getLogger("jobsched")


class Canceller:
    """Called when somebody has cancelled a running run, and at an interval behind that."""

    def __init__(self, store: Store, heartbeat: Heartbeat, held: HeldRuns) -> None:
        self._store, self._heartbeat, self._held = store, heartbeat, held

    def __call__(self) -> None:
        """Cancel what is to be cancelled. A node that holds nothing asks nothing."""
        if not len(self._held):
            return
        for fence in self._store.cancel_requests(self._heartbeat.node):
            held = self._held.get(fence)
            if held is not None and held.cancel.cancel("cancelled"):
                log.info("run %d is asked to stop", fence[0], extra={"event": "run_cancelling", "run": fence[0]})
