"""Canceller: passes on to attempts of this node that they are to stop: somebody cancelled them, or a newer run replaces them."""

from datetime import timedelta

from jobsched.clock import Clock
from jobsched.model.run import Reason
from jobsched.observe.events import RunCancelling
from jobsched.observe.listeners import Events
from jobsched.runner.heartbeat import Heartbeat
from jobsched.runner.held import HeldRuns
from jobsched.runner.service import Service
from jobsched.store.port import Store


class Canceller(Service):
    """Woken when a running run is to stop; while there are any here it asks now and then, too."""

    name = "canceller"

    def __init__(
        self, store: Store, clock: Clock, heartbeat: Heartbeat, held: HeldRuns, poll: timedelta, events: Events
    ) -> None:
        super().__init__(clock)
        self._events = events
        self._store, self._heartbeat, self._held, self._poll = store, heartbeat, held, poll

    def step(self) -> float | None:
        """Cancel what is to be cancelled. A node that holds nothing asks nothing, until it is woken for its first run."""
        if not len(self._held):
            return None
        for fence, why in self._store.cancel_requests(self._heartbeat.node).items():
            held = self._held.get(fence)
            if held is not None and held.cancel.cancel("replaced" if why is Reason.REPLACED else "cancelled"):
                self._events.emit(RunCancelling(run=fence[0], job=held.claim.job))
        return self._poll.total_seconds()
