"""Which slots of the past run after all, and what that leaves of the rows that tell why they did not."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import chain

from jobsched.errors import BackfillError
from jobsched.model.backfill import Backfill, Cut, Refill, SlotRow
from jobsched.model.job import Job
from jobsched.model.run import Covers, RunState, Source
from jobsched.model.state import StoredJob
from jobsched.schedule.fires import MOST_COUNTED, run_for
from jobsched.schedule.schedule import Schedule, schedule_of, slots_after

_TICK = timedelta(microseconds=1)


def slots_between(job: Job, since: datetime, until: datetime, most: int) -> Iterator[datetime]:
    """The slots in [since, until], oldest first. Raises BackfillError, before the first of them, if that cannot be."""
    if since > until:
        raise BackfillError("the range ends before it begins")
    schedule = schedule_of(job)
    if schedule is None:
        raise BackfillError(f"{job.name} has no schedule, so it has no slots; to run it: jobsched trigger {job.name}")
    first = since if schedule.previous(since) == since else schedule.next_after(since)
    last = schedule.previous(until)
    if first is None or last is None or first > last:
        return iter(())
    if schedule.count(first, last, most) is None:
        raise BackfillError(
            f"{job.name} has more than {most:,} slots in this range; shorten it, or allow more with --limit"
        )
    return chain([first], slots_after(schedule, first, last))


def refill(stored: StoredJob, slots: Sequence[datetime], rows: Sequence[SlotRow]) -> tuple[Refill, Backfill]:
    """Runs for those of `slots` that have none, and how many there are of each kind.

    `slots` follow each other in the job's schedule. `rows`: at least those that are, or cover, one of them.
    """
    own = {row.scheduled_at: row.state for row in rows if row.covers is None}
    vacant = [slot for slot in slots if own.get(slot, RunState.SKIPPED) is RunState.SKIPPED]
    # What lies after the cursor is the scheduler's: a row of ours there could hide a range that it is about to cover.
    missing = [slot for slot in vacant if slot <= stored.cursor]
    runs = [
        run_for(stored.job, source=Source.BACKFILL, scheduled_at=slot, generation=stored.generation) for slot in missing
    ]
    part = Refill(
        namespace=stored.job.namespace,
        job=stored.job.name,
        schedule_revision=stored.schedule_revision,
        runs=tuple(runs),
        cuts=tuple(_cuts(stored.job, missing, rows)),
    )
    found = Counter(own[slot] for slot in slots if slot in own)
    ranges = [row.covers for row in rows if row.covers is not None]
    return part, Backfill(
        slots=len(slots),
        runs=len(missing),
        unrecorded=sum(
            slot not in own and not any(covers.first <= slot <= covers.last for covers in ranges) for slot in missing
        ),
        succeeded=found[RunState.SUCCEEDED],
        failed=found[RunState.FAILED],
        cancelled=found[RunState.CANCELLED],
        unfinished=sum(count for state, count in found.items() if not state.final),
        open=len(vacant) - len(missing),
    )


def _cuts(job: Job, missing: Sequence[datetime], rows: Sequence[SlotRow]) -> Iterator[Cut]:
    wanted, schedule = set(missing), schedule_of(job)
    assert schedule is not None  # or it had no slots
    for row in rows:
        if row.covers is None:
            if row.scheduled_at in wanted:
                yield Cut(row, ())
        elif taken := [slot for slot in missing if row.covers.first <= slot <= row.covers.last]:
            yield Cut(row, _left(schedule, row.covers, taken[0], taken[-1]))


def _left(schedule: Schedule, covers: Covers, first: datetime, last: datetime) -> tuple[Covers, ...]:
    """What a range keeps that gives up the slots from `first` to `last`.

    It may have been made by an earlier schedule. Its ends then stand for what the present one does not know.
    """
    left = []
    if covers.first < first:
        before = schedule.previous(first - _TICK)
        left.append((covers.first, covers.first if before is None else max(before, covers.first)))
    if last < covers.last:
        after = schedule.next_after(last)
        left.append((covers.last if after is None else min(after, covers.last), covers.last))
    return tuple(Covers(start, end, _count(schedule, start, end)) for start, end in left)


def _count(schedule: Schedule, first: datetime, last: datetime) -> int | None:
    """None above MOST_COUNTED, or if an earlier schedule made the range: then nobody knows any more."""
    if first == last:
        return 1
    known = schedule.previous(first) == first and schedule.previous(last) == last
    return schedule.count(first, last, MOST_COUNTED) if known else None
