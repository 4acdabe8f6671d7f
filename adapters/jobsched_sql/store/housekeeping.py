"""The port's chapter on housekeeping."""

from collections.abc import Sequence

from jobsched.store.port import Retention
from jobsched_sql import admission, alerts, auditing, idempotency, nodes, pausing, questions, retention, sync
from jobsched_sql.store.base import OnDialect


class SqlHousekeeping(OnDialect):
    """What is no longer kept goes."""

    def jobs_with_history(self, namespace: str) -> list[str]:
        return self._dialect.read(lambda connection: questions.jobs_with_history(connection, namespace))

    def prune(self, retentions: Sequence[Retention], limit: int) -> int:
        return retention.prune(self._dialect, retentions, limit)

    def forget_changes(self, namespace: str) -> int:
        return self._dialect.write(lambda connection: sync.forget_changes(connection, namespace))

    def tidy(self) -> None:
        self._dialect.write(lambda connection: nodes.forget_dead(connection, self._dialect))
        self._dialect.write(lambda connection: pausing.forget_orphans(connection, self._dialect))
        self._dialect.write(admission.forget_unused)
        self._dialect.write(sync.forget_old)
        self._dialect.write(lambda connection: alerts.forget(connection, self._dialect))
        auditing.forget(self._dialect)
        idempotency.forget(self._dialect)
        self._dialect.tidy()
