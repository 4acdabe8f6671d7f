"""What becomes of the slots that a pause held, when it ends."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from jobsched.model.pause import Pause, Pauses, PauseScope
from jobsched.model.state import Firing, Resumption, StoredJob
from jobsched.schedule.fires import account_paused


def resumption(
    namespace: str, standing: Sequence[Pause], ended: Collection[Pause], jobs: Iterable[StoredJob], now: datetime
) -> Resumption:
    """The end of some of the `standing` pauses, with the slots covered of those `jobs` that nothing else holds then.

    `jobs`: at least those that the `ended` hold. A job that its file suspends, or that another pause holds, gets its
    row when that one ends. Slots after the end of a pause that was over already follow the misfire policy.
    """
    ends = {pause.target: pause.end(now) for pause in ended}
    remaining = Pauses(pause for pause in standing if pause.target not in ends)
    firings: list[Firing] = []
    unreckoned: list[str] = []
    for stored in jobs:
        until = _held_until(stored.job.name, ends)
        if until is None or stored.next_at is None or stored.job.suspend or remaining.of_job(stored.job.name):
            continue
        try:
            firings += _covering(stored, until)
        except Exception:  # noqa: BLE001 - one that this machine cannot reckon must not hold the others
            unreckoned.append(stored.job.name)
    return Resumption(
        namespace=namespace,
        seen=tuple(standing),
        ended=tuple(ended),
        firings=tuple(firings),
        unreckoned=tuple(unreckoned),
    )


def _held_until(job: str, ends: Mapping[tuple[PauseScope, str], datetime]) -> datetime | None:
    """Up to when the ended pauses held it; None: none of them did."""
    targets = ((PauseScope.JOB, job), (PauseScope.ALL, ""))
    return max((ends[target] for target in targets if target in ends), default=None)


def _covering(stored: StoredJob, until: datetime) -> list[Firing]:
    """The row for the slots up to `until`; none if there was no slot, for then the cursor is right where it is."""
    accounted = account_paused(stored.job, stored.cursor, until, next_at=stored.next_at, generation=stored.generation)
    if not accounted.runs:
        return []
    return [
        Firing(
            namespace=stored.job.namespace,
            job=stored.job.name,
            schedule_revision=stored.schedule_revision,
            seen_cursor=stored.cursor,
            cursor=accounted.cursor,
            next_at=accounted.next_at,
            runs=accounted.runs,
        )
    ]
