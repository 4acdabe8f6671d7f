"""The port's chapter on logs."""

from collections.abc import Sequence

from jobsched.model.run import LogLine
from jobsched_sql import logs, overview
from jobsched_sql.store.base import OnDialect


class SqlLogs(OnDialect):
    """Lines of attempts."""

    def append_log(self, lines: Sequence[LogLine]) -> None:
        if lines:
            self._dialect.write(lambda connection: logs.append(connection, self._dialect, lines))

    def log(
        self, run_id: int, *, attempt: int | None = None, after: tuple[int, int] = (0, -1), limit: int = 10_000
    ) -> list[LogLine]:
        return self._dialect.read(lambda connection: logs.read(connection, run_id, attempt, after, limit))

    def progress(self, run_ids: Sequence[int]) -> dict[int, LogLine]:
        return self._dialect.read(lambda connection: logs.progress(connection, run_ids))

    def last_lines(
        self, run_id: int, *, attempt: int | None = None, before: tuple[int, int] | None = None, limit: int = 1000
    ) -> list[LogLine]:
        return self._dialect.read(lambda connection: overview.last_lines(connection, run_id, attempt, before, limit))
