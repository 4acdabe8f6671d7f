"""The definitions and generations that this node works with: read from the store, kept while their revision holds."""

import logging
import threading
from collections.abc import Iterable, Sequence

from jobsched.errors import StoreUnavailableError
from jobsched.model.job import Job
from jobsched.model.state import Generation, StoredJob
from jobsched.store.port import Store

log = logging.getLogger("jobsched")


class Definitions:
    """Jobs by (namespace, name, revision); thread-safe."""

    def __init__(self, store: Store, namespaces: Sequence[str]) -> None:
        self._store = store
        self.namespaces = tuple(namespaces)
        self._lock = threading.Lock()
        self._jobs: dict[tuple[str, str], tuple[int, Job]] = {}
        #: Why, as it was said, of jobs that cannot be read: while one is due it is tried again many times a second.
        self._unreadable: dict[tuple[str, str], str] = {}
        self._newest: dict[str, Generation] = {}
        #: Queues of any of the namespaces that have a limit, and those that have a rate; a sync changes them.
        self.limited_queues: frozenset[str] = frozenset()
        self.rated_queues: frozenset[str] = frozenset()
        self._declared: set[str] = set()
        self._all_read_at: dict[str, int | None] = {}

    @property
    def generations(self) -> dict[str, int | None]:
        """The generation that each namespace stands at, as last read."""
        newest = self._newest
        return {name: newest[name].number if name in newest else None for name in self.namespaces}

    def newest(self, namespace: str) -> Generation | None:
        """The generation that a namespace stands at, as last read."""
        return self._newest.get(namespace)

    def refresh(self) -> None:
        """Read which generation each namespace stands at, and which queues have a limit under it."""
        newest = {
            namespace: found[0] for namespace in self.namespaces if (found := self._store.generations(namespace, 1))
        }
        if newest == self._newest:
            return
        limits = [item for name in self.namespaces for item in self._store.queue_limits(name).items()]
        self.limited_queues = frozenset(queue for queue, of_queue in limits if of_queue.limit is not None)
        self.rated_queues = frozenset(queue for queue, of_queue in limits if of_queue.rate is not None)
        self._newest = newest

    def job(self, namespace: str, name: str, revision: int) -> Job | None:
        """The job at this revision; the newest if the store has moved on; None if it is gone."""
        known = self._jobs.get((namespace, name))
        if known is None or known[0] != revision:
            self.load([(namespace, name, revision)])
            known = self._jobs.get((namespace, name))
        return known[1] if known else None

    def known(self, namespace: str, name: str, revision: int) -> Job | None:
        """The same, of what has been read; None if it has not. The store is not asked."""
        known = self._jobs.get((namespace, name))
        return known[1] if known is not None and known[0] == revision else None

    def declare(self, path: str) -> None:
        """A run of a job names this import path: it may be imported."""
        self._declared.add(path)

    def declares(self, path: str) -> bool:
        """Whether a job in the store names this import path; reads all jobs at most once a generation."""
        reading = self.generations
        if path not in self._declared and self._all_read_at != reading:
            for namespace in self.namespaces:
                for stored in self._store.jobs(namespace):
                    self._declare_handlers(stored.job)
            self._all_read_at = reading
        return path in self._declared

    def _declare_handlers(self, job: Job) -> None:
        self._declared.update(job.python_handlers)

    def load(self, wanted: Iterable[tuple[str, str, int]]) -> None:
        """Read, in one query a namespace, those that are not known at their revision."""
        missing: dict[str, list[str]] = {}
        for namespace, name, revision in wanted:
            known = self._jobs.get((namespace, name))
            if known is None or known[0] != revision:
                missing.setdefault(namespace, []).append(name)
        for namespace, names in missing.items():
            found = {stored.job.name: stored for stored in self._read(namespace, names)}
            with self._lock:
                for name in names:
                    if name in found:
                        self._unreadable.pop((namespace, name), None)
                        self._jobs[namespace, name] = (found[name].revision, found[name].job)
                        # Kept when the job is gone: what its last failure made is still to be performed.
                        self._declare_handlers(found[name].job)
                    else:
                        self._jobs.pop((namespace, name), None)

    def _read(self, namespace: str, names: list[str]) -> list[StoredJob]:
        """The jobs that can be read: one that cannot must not keep the others from running."""
        try:
            return self._store.jobs(namespace, names)
        except StoreUnavailableError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a row that another program wrote makes of our reading
            if len(names) == 1:
                self._say_unreadable(namespace, names[0], str(error))
                return []
            middle = len(names) // 2
            return self._read(namespace, names[:middle]) + self._read(namespace, names[middle:])

    def _say_unreadable(self, namespace: str, name: str, why: str) -> None:
        if self._unreadable.get((namespace, name)) != why:
            self._unreadable[namespace, name] = why
            log.error("job %s of namespace %s cannot be read: %s", name, namespace, why)
