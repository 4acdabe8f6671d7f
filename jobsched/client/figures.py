"""What a client asks of the whole: nodes, generations, queues, numbers."""

from collections import Counter
from datetime import datetime, timedelta

from jobsched.client.runs import Runs
from jobsched.model.instants import as_utc
from jobsched.model.queue import QueueLimits
from jobsched.model.run import RunState
from jobsched.model.state import Generation, Node
from jobsched.model.stats import Stats

_PAGE = 1000
_DAY = timedelta(days=1)
_FINAL = tuple(state for state in RunState if state.final)


class Figures(Runs):
    """How it stands."""

    def nodes(self) -> list[Node]:
        """The nodes that have not left, newest first."""
        return self.store.nodes()

    def generations(self, limit: int = 20) -> list[Generation]:
        """The newest applied syncs, newest first."""
        return self.store.generations(self.namespace, limit)

    def counts(self) -> dict[tuple[str, RunState], int]:
        """How many unfinished runs there are, by (queue, state)."""
        return self.store.counts([self.namespace])

    def queue_limits(self) -> dict[str, QueueLimits]:
        """What the file allows of queues over all nodes (`limit`, `rate`, `max_queued`), of those that it says something of."""
        return self.store.queue_limits(self.namespace)

    def oldest_pending(self) -> dict[str, datetime]:
        """When the pending run of each queue came due that has waited longest for a thread."""
        return self.store.oldest_pending(self.namespace)

    def stats(self, *, since: datetime | None = None) -> Stats:
        """Numbers for people, of the last day or since then; reads each finished run, so do not ask for all that ever was."""
        since = self.store.now() - _DAY if since is None else since
        finished: Counter[tuple[str | None, RunState]] = Counter()
        before = None
        while page := self.runs(states=_FINAL, since=since, before_id=before, limit=_PAGE):
            finished.update((run.job, run.state) for run in page)
            before = page[-1].id
        return Stats(since=as_utc(since), unfinished=self.counts(), finished=dict(finished))
