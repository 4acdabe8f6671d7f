"""Poll: the slow look behind every wake-up, for a wake-up may get lost."""

from jobsched.clock import Clock
from jobsched.runner.definitions import Definitions
from jobsched.runner.dispatcher import Dispatcher
from jobsched.runner.heartbeat import Heartbeat
from jobsched.runner.options import Options
from jobsched.runner.pauses import NodePauses
from jobsched.runner.scheduler import Scheduler
from jobsched.runner.service import Service
from jobsched.store.port import Store


class Poll(Service):
    """Asks one question for all loops, and wakes those that would find something: an idle node does nothing else."""

    name = "poll"

    def __init__(
        self,
        store: Store,
        clock: Clock,
        options: Options,
        definitions: Definitions,
        heartbeat: Heartbeat,
        scheduler: Scheduler,
        dispatcher: Dispatcher,
        pauses: NodePauses,
    ) -> None:
        super().__init__(clock)
        self._store, self._options, self._definitions, self._heartbeat = store, options, definitions, heartbeat
        self._scheduler, self._dispatcher, self._pauses = scheduler, dispatcher, pauses

    def step(self) -> float:
        outlook = self._store.outlook(self._definitions.namespaces)
        # The scheduler sleeps until what it knows of; what is nearer than the next poll it may not know of yet.
        if outlook.next_at is not None and outlook.next_at <= self._heartbeat.now() + self._options.poll:
            self._scheduler.wake()
        if outlook.pending:
            self._dispatcher.wake()
        if not self._pauses.knows(outlook.pauses):
            self._pauses.wake()
        return self._options.poll.total_seconds()
