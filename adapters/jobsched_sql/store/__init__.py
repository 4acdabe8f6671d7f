"""The store port over any SQL dialect: each method says in which kind of transaction its statements run.

A file a chapter of the port; each is a class that stands on a dialect, and the store is all of them.
"""

from collections.abc import Callable

from jobsched.store.port import Doorbell, Topic
from jobsched_sql.store.alerts import SqlAlerts
from jobsched_sql.store.by_hand import SqlByHand
from jobsched_sql.store.housekeeping import SqlHousekeeping
from jobsched_sql.store.logs import SqlLogs
from jobsched_sql.store.nodes import SqlNodes
from jobsched_sql.store.pauses import SqlPauses
from jobsched_sql.store.questions import SqlQuestions
from jobsched_sql.store.records import SqlRecords
from jobsched_sql.store.runs import SqlRuns
from jobsched_sql.store.schema import SqlSchema
from jobsched_sql.store.slots import SqlSlots
from jobsched_sql.store.sync import SqlSync
from jobsched_sql.store.work import SqlWork


class SqlStore(
    SqlSchema,
    SqlSync,
    SqlSlots,
    SqlPauses,
    SqlRuns,
    SqlWork,
    SqlByHand,
    SqlNodes,
    SqlLogs,
    SqlRecords,
    SqlAlerts,
    SqlQuestions,
    SqlHousekeeping,
):
    """A `jobsched.store.port.Store`; the port's docstrings say what each method means."""

    def listen(self, on_ring: Callable[[Topic], None]) -> Doorbell:
        return self._dialect.listen(on_ring)
