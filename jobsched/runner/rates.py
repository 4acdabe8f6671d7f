"""When the rates of queues let the next runs in, as far as this node knows: so that it looks then, and else rests."""

from datetime import datetime

from jobsched.runner.definitions import Definitions
from jobsched.runner.heartbeat import Heartbeat
from jobsched.runner.options import Options
from jobsched.store.port import Store

#: Seconds from one look to the next at least. A rate lets runs in up to twice as early as that, so nothing of it is lost.
LEAST_PAUSE = 0.05


class NextPlaces:
    """What the store last said of queues with a rate. Without such queues nothing is asked."""

    def __init__(self, store: Store, options: Options, definitions: Definitions, heartbeat: Heartbeat) -> None:
        self._store, self._options, self._definitions = store, options, definitions
        self._heartbeat = heartbeat
        #: By queue the instant; None: once those that it has let in find a thread.
        self._next_at: dict[str, datetime | None] = {}

    def come(self) -> set[str]:
        """Queues whose next place has come by now."""
        now = self._heartbeat.now() if self._next_at else None
        return {queue for queue, at in self._next_at.items() if at is not None and now is not None and at <= now}

    @property
    def want_a_thread(self) -> set[str]:
        """Queues that let the next in when one of theirs is claimed."""
        return {queue for queue, at in self._next_at.items() if at is None}

    def look(self) -> float:
        """Ask the store; seconds until there may be something to do."""
        if not self._definitions.rated_queues:
            self._next_at = {}
            return float("inf")
        self._next_at = self._store.next_places(self._definitions.namespaces)
        now, poll = self._heartbeat.now(), self._options.poll.total_seconds()
        # Behind a place that has come and was not taken stands another hindrance, or a moment's difference of clocks: the
        # longer ago it came, the longer until the next look.
        away = (abs((at - now).total_seconds()) for at in self._next_at.values() if at is not None)
        return max(LEAST_PAUSE, min([poll, *away]))
