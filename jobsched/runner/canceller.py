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
    """`told` that a running run is to stop, it asks at once; while there are any here it asks now and then, too.

    Tell it of the first run that is held (`first_held`), which comes again and again in a burst: then it asks if it has not
    for a while.
    """

    name = "canceller"

    def __init__(
        self, store: Store, clock: Clock, heartbeat: Heartbeat, held: HeldRuns, poll: timedelta, events: Events
    ) -> None:
        super().__init__(clock)
        self._events = events
        self._store, self._heartbeat, self._held, self._poll = store, heartbeat, held, poll.total_seconds()
        self._told, self._asked = False, float("-inf")
        self._asleep = True  #: it will not look by itself

    def first_held(self) -> None:
        """There is a run again. A thread that is woken beside the one that is to perform it would hold that up."""
        if self._asleep:
            self.wake()

    def told(self) -> None:
        """Somebody is to stop."""
        self._told = True
        self.wake()

    def step(self) -> float | None:
        """Cancel what is to be cancelled. A node that holds nothing asks nothing, until it is woken for its first run."""
        early = self._asked + self._poll - self.clock.monotonic()
        self._asleep = early <= 0  # said before it is looked: of a run that comes now one of us two knows
        if not len(self._held):
            return None if self._asleep else early
        self._asleep = False
        if early > 0 and not self._told:
            return early
        self._told, asked = False, self.clock.monotonic()
        for fence, why in self._store.cancel_requests(self._heartbeat.node).items():
            held = self._held.get(fence)
            if held is not None and held.cancel.cancel("replaced" if why is Reason.REPLACED else "cancelled"):
                self._events.emit(RunCancelling(run=fence[0], job=held.claim.job))
        self._asked = asked
        return self._poll
