"""What a client asks of slots: what became of them."""

from datetime import datetime

from jobsched.client.given import name_of_job
from jobsched.client.jobs import Jobs
from jobsched.client.runs import Runs
from jobsched.model.instants import as_utc
from jobsched.model.pause import Pause, Pauses
from jobsched.model.state import StoredJob
from jobsched.schedule.fates import Fate, Unrecorded, fate_at, latest_fates, neighbours

#: One is of the slot itself; a few more may cover it, should schedules have been edited meanwhile.
_ROWS_ABOUT_ONE_SLOT = 10


class Fates(Jobs, Runs):
    """The slots of jobs, those that ran and those that did not."""

    def why(self, name: str, at: datetime | None = None, *, count: int = 5) -> list[Fate]:
        """What became of a job's slots: of the one at `at`, or else of the newest `count`, newest first.

        An `at` that is no slot comes first, followed by the slots before and after it. Of a job that is no longer
        declared: what is recorded. Raises UnknownJobError if it is not declared, and nothing is recorded of it.
        """
        declared, now = self.store.jobs(self.namespace, [name_of_job(name)]), self.store.now()
        if not declared:
            return self._recorded_fates(name, at, now, count)
        stored, pause = declared[0], Pauses(self.store.pauses([self.namespace])).of_job(name)
        if at is None:
            rows = self.store.slot_rows(self.namespace, name, None, now, count)
            return latest_fates(stored.job, stored.cursor, rows, now, count, pause)
        fate = self._fate(stored, as_utc(at), now, pause)
        if fate.unrecorded is not Unrecorded.NO_SLOT:
            return [fate]
        return [fate, *(self._fate(stored, slot, now, pause) for slot in neighbours(stored.job, fate.at))]

    def _recorded_fates(self, name: str, at: datetime | None, now: datetime, count: int) -> list[Fate]:
        if not self.runs(job=name, limit=1):
            raise self._unknown(name)
        if at is None:
            rows = self.store.slot_rows(self.namespace, name, None, now, count)
            return [Fate(row.scheduled_at, row) for row in rows if row.scheduled_at is not None]
        rows = self.store.slot_rows(self.namespace, name, as_utc(at), as_utc(at), 1)
        return [Fate(as_utc(at), rows[0] if rows else None, None if rows else Unrecorded.FORGOTTEN)]

    def _fate(self, stored: StoredJob, at: datetime, now: datetime, pause: Pause | None) -> Fate:
        rows = self.store.slot_rows(self.namespace, stored.job.name, at, at, _ROWS_ABOUT_ONE_SLOT)
        return fate_at(stored.job, stored.cursor, rows, at, now, pause)
