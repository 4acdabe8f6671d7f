"""Pruner: deletes finished runs that nobody wanted kept, in small batches."""

import logging
from collections.abc import Sequence
from datetime import timedelta

from jobsched.model.job import History
from jobsched.model.run import RunState
from jobsched.store.port import Retention, Store

log = logging.getLogger("jobsched")

_BATCH = 1000
_JOBS_AT_ONCE = 500

#: Ad-hoc runs are kept by age alone (DESIGN §5).
AD_HOC_AGES = {
    RunState.SUCCEEDED: timedelta(days=1),
    RunState.FAILED: timedelta(days=30),
    RunState.CANCELLED: timedelta(days=30),
    RunState.SKIPPED: timedelta(days=30),
}


class Pruner:
    """Call it now and then; it returns how many runs it deleted."""

    def __init__(self, store: Store, namespaces: Sequence[str]) -> None:
        self._store, self._namespaces = store, namespaces

    def __call__(self) -> int:
        deleted = 0
        for namespace in self._namespaces:
            jobs = [stored.job for stored in self._store.jobs(namespace)]
            retentions = [Retention(namespace=namespace, job=job.name, history=job.history) for job in jobs]
            for start in range(0, len(retentions), _JOBS_AT_ONCE):
                deleted += self._prune(retentions[start : start + _JOBS_AT_ONCE])
            deleted += self._prune(
                [Retention(namespace=namespace, job=None, history=History(), ad_hoc_ages=AD_HOC_AGES)]
            )
        self._store.tidy()
        if deleted:
            log.debug("pruned %d runs", deleted)
        return deleted

    def _prune(self, retentions: list[Retention]) -> int:
        total = 0
        while (deleted := self._store.prune(retentions, _BATCH)) > 0:
            total += deleted
            if deleted < _BATCH:
                break
        return total
