"""The port's chapter on alerts."""

from collections.abc import Sequence
from datetime import datetime

from jobsched.model.alert import Breach, NewBreach, Untold
from jobsched.model.run import NewRun
from jobsched.model.sla import MissedSlot, SlaFacts
from jobsched.model.state import StoredJob
from jobsched_sql import alerts
from jobsched_sql.store.base import OnDialect


class SqlAlerts(OnDialect):
    """Breaches are noted and told."""

    def note(self, breaches: Sequence[NewBreach]) -> int:
        if not breaches:
            return 0
        return self._dialect.write(lambda connection: alerts.note(connection, self._dialect, breaches))

    def note_beginnings(self, fences: Sequence[tuple[int, int]]) -> int:
        if not fences:
            return 0
        return self._dialect.write(lambda connection: alerts.note_beginnings(connection, self._dialect, fences))

    def end_breaches(self, ids: Sequence[int]) -> None:
        if ids:
            self._dialect.write(lambda connection: alerts.end(connection, self._dialect, ids))

    def tell(self, untold: Sequence[Untold], runs: Sequence[NewRun]) -> bool:
        try:
            made = self._dialect.write(lambda connection: alerts.tell(connection, self._dialect, untold, runs))
        except alerts.CannotTellError:
            return False
        self._announced([created for created in made if created is not None], runs)
        return True

    def untold(self, namespaces: Sequence[str]) -> list[Untold]:
        return self._dialect.read(lambda connection: alerts.untold(connection, namespaces))

    def open_breaches(self, namespace: str) -> list[Breach]:
        return self._dialect.read(lambda connection: alerts.open_breaches(connection, namespace))

    def watched_jobs(self, namespace: str) -> list[StoredJob]:
        return self._dialect.read(lambda connection: alerts.watched_jobs(connection, namespace))

    def missed(self, namespace: str, since: datetime) -> list[MissedSlot]:
        return self._dialect.read(lambda connection: alerts.missed(connection, namespace, since))

    def sla_facts(self, namespace: str, jobs: Sequence[str]) -> SlaFacts:
        return self._dialect.read(lambda connection: alerts.sla_facts(connection, self._dialect, namespace, jobs))
