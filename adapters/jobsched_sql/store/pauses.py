"""The port's chapter on pauses."""

from collections.abc import Sequence

from sqlalchemy import Connection

from jobsched.model.audit import Act
from jobsched.model.pause import Pause
from jobsched.model.state import Resumption
from jobsched_sql import auditing, pausing
from jobsched_sql.store.base import OnDialect


class SqlPauses(OnDialect):
    """What keeps slots from being fired."""

    def pauses(self, namespaces: Sequence[str]) -> list[Pause]:
        return self._dialect.read(lambda connection: pausing.standing(connection, namespaces))

    def pause(self, pauses: Sequence[Pause], *, acts: Sequence[Act] = ()) -> None:
        def hold(connection: Connection) -> None:
            pausing.put(connection, self._dialect, pauses)
            auditing.record(connection, self._dialect, acts)

        self._dialect.write(hold)
        self._dialect.ring("jobs")

    def resume(self, resumption: Resumption, *, acts: Sequence[Act] = ()) -> bool:
        def end(connection: Connection) -> None:
            pausing.resume(connection, self._dialect, resumption)
            auditing.record(connection, self._dialect, acts)

        try:
            self._dialect.write(end)
        except pausing.MovedError:
            return False
        self._dialect.ring("jobs")
        return True
