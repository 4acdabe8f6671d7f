"""The port's chapter on questions."""

from collections.abc import Sequence
from datetime import datetime

from jobsched.model.figures import JobFigures, Sizes
from jobsched.model.health import Inspection
from jobsched.model.overview import Flow, Outline, Place, Record
from jobsched.model.queue import QueueLimits
from jobsched.model.run import Glance, Lack, Run, RunFilter, RunState
from jobsched.model.state import Generation, StoredJob
from jobsched_sql import admission, figures, inspection, overview, questions, queues, sync
from jobsched_sql.store.base import OnDialect


class SqlQuestions(OnDialect):
    """What is only read."""

    def namespaces(self) -> list[str]:
        return self._dialect.read(questions.namespaces)

    def generations(self, namespace: str, limit: int = 20) -> list[Generation]:
        return self._dialect.read(lambda connection: sync.newest(connection, namespace, limit))

    def queue_limits(self, namespace: str) -> dict[str, QueueLimits]:
        return self._dialect.read(lambda connection: queues.declared(connection, namespace))

    def jobs(self, namespace: str, names: Sequence[str] | None = None) -> list[StoredJob]:
        return self._dialect.read(lambda connection: questions.jobs(connection, namespace, names))

    def run(self, run_id: int) -> Run | None:
        return self._dialect.read(lambda connection: questions.run(connection, run_id))

    def lacks(self, run_id: int) -> list[Lack]:
        return self._dialect.read(lambda connection: admission.lacks(connection, self._dialect, run_id))

    def runs(self, wanted: RunFilter) -> list[Run]:
        return self._dialect.read(lambda connection: questions.runs(connection, wanted))

    def slot_rows(self, namespace: str, job: str, first: datetime | None, last: datetime, limit: int) -> list[Run]:
        return self._dialect.read(
            lambda connection: questions.slot_rows(connection, namespace, job, first, last, limit)
        )

    def last_runs(self, namespace: str) -> dict[str, Run]:
        return self._dialect.read(lambda connection: questions.last_runs(connection, namespace))

    def recent_runs(self, namespace: str, jobs: Sequence[str], count: int) -> dict[str, list[Glance]]:
        return self._dialect.read(
            lambda connection: questions.recent_runs(connection, self._dialect, namespace, jobs, count)
        )

    def counts(self, namespaces: Sequence[str]) -> dict[tuple[str, RunState], int]:
        return self._dialect.read(lambda connection: questions.counts(connection, namespaces))

    def batch_counts(self, namespace: str, batch: str) -> dict[RunState, int]:
        return self._dialect.read(lambda connection: questions.batch_counts(connection, namespace, batch))

    def is_batch_done(self, namespace: str, batch: str) -> bool:
        return self._dialect.read(lambda connection: questions.is_batch_done(connection, namespace, batch))

    def oldest_pending(self, namespace: str) -> dict[str, datetime]:
        return self._dialect.read(lambda connection: questions.oldest_pending(connection, namespace))

    def job_figures(self, namespace: str) -> list[JobFigures]:
        return self._dialect.read(lambda connection: figures.job_figures(connection, namespace))

    def sizes(self) -> Sizes:
        return self._dialect.read(self._dialect.sizes)

    def unfinished(self, run_ids: Sequence[int]) -> set[int]:
        return self._dialect.read(lambda connection: questions.unfinished(connection, run_ids))

    def outlines(self, namespace: str, after: int = 0, *, beyond: str = "", limit: int | None = None) -> list[Outline]:
        return self._dialect.read(lambda connection: overview.outlines(connection, namespace, after, beyond, limit))

    def job_names(self, namespace: str) -> list[str]:
        return self._dialect.read(lambda connection: overview.job_names(connection, namespace))

    def failing_jobs(self, namespace: str) -> frozenset[str]:
        return self._dialect.read(lambda connection: overview.failing_jobs(connection, namespace))

    def flow(self, namespace: str, first: datetime, last: datetime, sample: int = 200) -> Flow:
        return self._dialect.read(lambda connection: overview.flow(connection, namespace, first, last, sample))

    def record(self, namespace: str, number: int) -> Record | None:
        return self._dialect.read(lambda connection: overview.record(connection, namespace, number))

    def place(self, namespace: str, job: str) -> Place | None:
        return self._dialect.read(lambda connection: overview.place(connection, namespace, job))

    def inspect(self, namespace: str) -> Inspection:
        return inspection.inspection(self._dialect, namespace)
