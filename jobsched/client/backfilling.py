"""What a client asks for the past: runs of the slots that have none."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice

from jobsched.client.jobs import Jobs
from jobsched.errors import BackfillError
from jobsched.model.audit import Act, Action
from jobsched.model.backfill import Backfill, Progress
from jobsched.model.instants import as_utc, format_instant
from jobsched.model.state import StoredJob
from jobsched.schedule.backfill import refill, slots_between

#: Slots that one backfill deals with, unless it is told otherwise.
MOST_SLOTS = 100_000
#: Slots that one transaction of a backfill deals with.
_SLOTS_AT_ONCE = 1000


class Backfilling(Jobs):
    """Runs for slots of the past."""

    def plan_backfill(
        self, name: str, since: datetime, until: datetime, *, most: int = MOST_SLOTS, progress: Progress | None = None
    ) -> Backfill:
        """What `backfill` would do now; nothing is changed. `progress` is told how many slots more have been looked at.

        Raises UnknownJobError; BackfillError as `backfill` does.
        """
        stored, found = self.job(name), Backfill()
        for slots in self._batches(stored, since, until, most):
            rows = self.store.slot_states(self.namespace, name, slots)
            found += refill(stored, slots, rows)[1]
            if progress is not None:
                progress(len(slots))
        return found

    def backfill(
        self, name: str, since: datetime, until: datetime, *, most: int = MOST_SLOTS, progress: Progress | None = None
    ) -> Backfill:
        """Make runs, available now, for those slots in [since, until] that have none or were skipped; oldest first.

        The slots are those of the present schedule, also from before the job existed. Those whose run failed or was
        cancelled are left alone: see `requeue`. Committed by the thousand; to be repeated safely if it was cut short.
        Raises UnknownJobError; BackfillError without a schedule, on more than `most` slots, on a range that ends in the
        future or before it begins, or if the schedule is changed meanwhile; ValueError on naive instants.
        """
        stored, done = self.job(name), Backfill()
        ends = {"from": format_instant(as_utc(since)), "to": format_instant(as_utc(until))}
        act = self.act(Action.BACKFILL, job=name, **ends)
        for slots in self._batches(stored, since, until, most):
            done += self._refill(stored, slots, act)
            if progress is not None:
                progress(len(slots))
        return done

    def _batches(self, stored: StoredJob, since: datetime, until: datetime, most: int) -> Iterator[list[datetime]]:
        if as_utc(until) > self.store.now():
            raise BackfillError("the range ends in the future; what is to come needs no backfill")
        slots = slots_between(stored.job, as_utc(since), as_utc(until), most)
        while batch := list(islice(slots, _SLOTS_AT_ONCE)):
            yield batch

    def _refill(self, stored: StoredJob, slots: Sequence[datetime], act: Act) -> Backfill:
        """Looks again for as long as somebody else changes what it has seen."""
        name = stored.job.name
        while True:
            part, found = refill(stored, slots, self.store.slot_states(self.namespace, name, slots))
            if not part.runs:
                return found
            made = self.store.backfill(part, act=act)
            if made is not None:
                raced = len(part.runs) - len(made)
                return replace(found, runs=len(made), unfinished=found.unfinished + raced)
            if self.job(name).schedule_revision != stored.schedule_revision:
                raise BackfillError(
                    f"the schedule of {name} has changed meanwhile; the older slots have their runs, begin again for the rest"
                )
