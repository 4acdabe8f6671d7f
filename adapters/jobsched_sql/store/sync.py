"""The port's chapter on syncs."""

from collections.abc import Sequence

from sqlalchemy import Connection

from jobsched.model.audit import Act
from jobsched.model.once import Once
from jobsched.model.state import ActualState, Generation, SyncChange
from jobsched.store.port import Outlook
from jobsched_sql import auditing, idempotency, outlook, sync
from jobsched_sql.store.base import OnDialect


class SqlSync(OnDialect):
    """Desired and actual state."""

    def actual(self, namespace: str) -> ActualState:
        return self._dialect.snapshot(lambda connection: sync.actual(connection, namespace))

    def apply(self, change: SyncChange, *, act: Act | None = None, once: Once | None = None) -> Generation:
        def write(connection: Connection) -> Generation:
            generation = sync.apply(connection, self._dialect, change)
            if act is not None:
                auditing.record(connection, self._dialect, [act], generation=generation.number)
            idempotency.claim(connection, self._dialect, once, {"job": next(iter(change.names), None)})
            return generation

        generation = self._dialect.write(write)
        slots = [run for write in change.writes for run in write.slots]
        self._settle(slots)
        if change.queues is not None:
            self._admit_after([change.namespace], None, ())
        self._ring_replaced(slots)
        self._dialect.ring("jobs")
        return generation

    def outlook(self, namespaces: Sequence[str]) -> Outlook:
        return outlook.outlook(self._dialect, namespaces)
