"""Pruner: deletes finished runs that nobody wanted kept, a few jobs at a time."""

import logging
import threading
from collections.abc import Iterable, Sequence
from datetime import timedelta

from jobsched.clock import Clock
from jobsched.model.job import History
from jobsched.model.run import RunState
from jobsched.store.port import Retention, Store

log = logging.getLogger("jobsched")

#: So many jobs are looked at in one round, and so many runs deleted at once: others want the database too.
_JOBS_AT_ONCE, _RUNS_AT_ONCE = 50, 1000
#: Every so often all jobs are looked at that have any history: old runs go by age though nothing new was run.
_SWEEP_SECONDS = 24 * 3600.0
_TIDY_SECONDS = 3600.0
_AD_HOC_SECONDS = 300.0

#: Ad-hoc runs are kept by age alone (DESIGN §5).
AD_HOC_AGES = {
    RunState.SUCCEEDED: timedelta(days=1),
    RunState.FAILED: timedelta(days=30),
    RunState.CANCELLED: timedelta(days=30),
    RunState.SKIPPED: timedelta(days=30),
}


class Pruner:
    """Call it every few seconds. It looks at the jobs that had runs since (`touch`), and now and then at all."""

    def __init__(self, store: Store, clock: Clock, namespaces: Sequence[str]) -> None:
        self._store, self._clock, self._namespaces = store, clock, namespaces
        self._lock = threading.Lock()
        # A dict for its order: who was touched first is looked at first.
        self._waiting: dict[tuple[str, str], None] = {}
        self._swept = self._tidied = self._pruned_ad_hoc = float("-inf")

    def touch(self, jobs: Iterable[tuple[str, str]]) -> None:
        """These jobs (namespace, name) have more finished runs than before."""
        with self._lock:
            self._waiting.update(dict.fromkeys(jobs))

    def __call__(self) -> int:
        """One round; how many runs it deleted."""
        now = self._clock.monotonic()
        if now - self._swept >= _SWEEP_SECONDS:
            for namespace in self._namespaces:
                self.touch((namespace, name) for name in self._store.jobs_with_history(namespace))
            self._swept = now
        if now - self._tidied >= _TIDY_SECONDS:
            self._store.tidy()
            self._tidied = now
        deleted = self._prune_jobs()
        if now - self._pruned_ad_hoc >= _AD_HOC_SECONDS:
            deleted += self._prune([_ad_hoc(namespace) for namespace in self._namespaces])
            self._pruned_ad_hoc = now
        if deleted:
            log.debug("pruned %d runs", deleted)
        return deleted

    def everything(self) -> int:
        """All jobs that have history, and ad-hoc runs, until there is nothing left to delete; how many."""
        deleted = self()
        while self._waiting:
            deleted += self()
        return deleted

    def _prune_jobs(self) -> int:
        with self._lock:
            chosen = list(self._waiting)[:_JOBS_AT_ONCE]
        names: dict[str, list[str]] = {}
        for namespace, name in chosen:
            names.setdefault(namespace, []).append(name)
        deleted = 0
        for namespace, some in names.items():
            jobs = [stored.job for stored in self._store.jobs(namespace, some)]
            deleted += self._prune([Retention(namespace=namespace, job=job.name, history=job.history) for job in jobs])
        with self._lock:
            for job in chosen:
                self._waiting.pop(job, None)
        return deleted

    def _prune(self, retentions: list[Retention]) -> int:
        total = deleted = self._store.prune(retentions, _RUNS_AT_ONCE) if retentions else 0
        while deleted >= _RUNS_AT_ONCE:
            deleted = self._store.prune(retentions, _RUNS_AT_ONCE)
            total += deleted
        return total


def _ad_hoc(namespace: str) -> Retention:
    """Also of jobs that are gone."""
    return Retention(namespace=namespace, job=None, history=History(), ad_hoc_ages=AD_HOC_AGES)
