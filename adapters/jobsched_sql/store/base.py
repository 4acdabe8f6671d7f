"""A dialect, and what every write that makes work is followed by: blocked runs are let in, and nodes are rung."""

import logging
from collections.abc import Sequence
from datetime import datetime

from jobsched.errors import StoreUnavailableError
from jobsched.model.alike import kinds
from jobsched.model.run import Created, NewRun, RunState
from jobsched.store.port import Topic
from jobsched_sql import admission, insertion
from jobsched_sql.dialect import Dialect

log = logging.getLogger("jobsched")

#: A run that comes to be in one of these is for a node to see to.
MAKES_WORK = frozenset({RunState.PENDING, RunState.SCHEDULED})


class OnDialect:
    """What the chapters of the store stand on."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect

    @property
    def name(self) -> str:
        return self._dialect.name

    @property
    def writes_in_turn(self) -> bool:
        return self._dialect.writes_in_turn

    @property
    def admits_as_it_finishes(self) -> bool:
        return self._dialect.admits_as_it_finishes

    @property
    def fires_ahead(self) -> bool:
        return self._dialect.fires_ahead

    def close(self) -> None:
        self._dialect.close()

    def now(self) -> datetime:
        return self._dialect.given_now() or self._dialect.read(self._dialect.now)

    def _announced(self, made: list[Created], runs: Sequence[NewRun], *, rung: bool = False) -> list[Created]:
        """As they stand, once those of `runs` that were blocked have been looked at and nodes know of what there is to do."""
        new = {created.state for created in made if not created.existing}
        admitted = self._settle(kinds(runs)) if RunState.BLOCKED in new else admission.Admitted(0)
        if admitted.runs:
            made = self._dialect.read(lambda connection: insertion.admitted_since(connection, made))
        # A node that knows of no run which waits for a rate does not look when its next place comes.
        if not rung and (new & MAKES_WORK or admitted.by_rate):
            self._dialect.ring("runs" if RunState.SCHEDULED in new else "pending")
        self._ring_replaced(runs)
        return made

    def _settle(self, runs: Sequence[NewRun]) -> admission.Admitted:
        """Look at keys and queues of which runs were blocked. What a queue lets in is decided here alone; and a holder of
        a key may have finished after it was counted, and before the blocked run could be seen by whoever admits after a finish.
        """
        keys = sorted({run.key for run in runs if run.key is not None})
        namespaces = sorted({run.namespace for run in runs})
        if not runs:
            return admission.Admitted(0)
        return self._admit_after(namespaces, keys, sorted({run.queue for run in runs}))

    def _admit_after(
        self, namespaces: Sequence[str], keys: Sequence[str] | None, in_queues: Sequence[str]
    ) -> admission.Admitted:
        """As `_admit`, after what is committed, and not undone by a key that somebody holds for long: a node will look again."""
        try:
            return self._admit(namespaces, keys, in_queues)
        except StoreUnavailableError as error:
            log.debug("who waits for %s is let in later: %s", keys, error)
            return admission.Admitted(0)

    def _admit(
        self, namespaces: Sequence[str], keys: Sequence[str] | None, in_queues: Sequence[str]
    ) -> admission.Admitted:
        admitted = admission.admit(self._dialect, namespaces, keys, in_queues)
        self._ring_if(admitted.runs)
        return admitted

    def _ring_if(self, count: int, topic: Topic = "pending") -> None:
        if count:
            self._dialect.ring(topic)

    def _ring_replaced(self, runs: Sequence[NewRun]) -> None:
        if any(run.replaces for run in kinds(runs)):
            self._dialect.ring("cancels")
