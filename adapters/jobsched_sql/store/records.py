"""The port's chapter on what was done, and what is done once."""

from typing import Any

from jobsched.model.audit import AuditFilter, AuditRow
from jobsched.model.once import MadeOnce, Once
from jobsched_sql import auditing, idempotency
from jobsched_sql.store.base import OnDialect


class SqlRecords(OnDialect):
    """The audit, and idempotency keys."""

    def audit(self, wanted: AuditFilter) -> list[AuditRow]:
        return self._dialect.read(lambda connection: auditing.rows(connection, wanted))

    def made_once(self, namespace: str, key: str) -> MadeOnce | None:
        return self._dialect.read(lambda connection: idempotency.find(connection, self._dialect, namespace, key))

    def keep_answer(self, once: Once, answer: Any) -> Any:
        return self._dialect.write(lambda connection: idempotency.keep_answer(connection, once, answer))
