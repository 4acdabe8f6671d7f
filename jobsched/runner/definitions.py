"""The definitions and generations that this node works with: read from the store, kept while their revision holds."""

import threading
from collections.abc import Iterable, Sequence

from jobsched.model.handler import PythonHandler
from jobsched.model.job import Job
from jobsched.store.port import Store


class Definitions:
    """Jobs by (namespace, name, revision); thread-safe."""

    def __init__(self, store: Store, namespaces: Sequence[str]) -> None:
        self._store = store
        self.namespaces = tuple(namespaces)
        self._lock = threading.Lock()
        self._jobs: dict[tuple[str, str], tuple[int, Job]] = {}
        self._generations: dict[str, int | None] = dict.fromkeys(namespaces)
        self._declared: set[str] = set()
        self._all_read_at: dict[str, int | None] = {}

    @property
    def generations(self) -> dict[str, int | None]:
        """The generation that each namespace stands at, as last read."""
        return dict(self._generations)

    def refresh(self) -> None:
        """Read which generation each namespace stands at."""
        for namespace in self.namespaces:
            newest = self._store.generations(namespace, 1)
            self._generations[namespace] = newest[0].number if newest else None

    def job(self, namespace: str, name: str, revision: int) -> Job | None:
        """The job at this revision; the newest if the store has moved on; None if it is gone."""
        known = self._jobs.get((namespace, name))
        if known is None or known[0] != revision:
            self.load([(namespace, name, revision)])
            known = self._jobs.get((namespace, name))
        return known[1] if known else None

    def declare(self, path: str) -> None:
        """A run of a job names this import path: it may be imported."""
        self._declared.add(path)

    def declares(self, path: str) -> bool:
        """Whether a job in the store names this import path; reads all jobs at most once a generation."""
        if path not in self._declared and self._all_read_at != self._generations:
            reading = self.generations
            for namespace in self.namespaces:
                for stored in self._store.jobs(namespace):
                    if isinstance(stored.job.handler, PythonHandler):
                        self._declared.add(stored.job.handler.name)
            self._all_read_at = reading
        return path in self._declared

    def load(self, wanted: Iterable[tuple[str, str, int]]) -> None:
        """Read, in one query a namespace, those that are not known at their revision."""
        missing: dict[str, list[str]] = {}
        for namespace, name, revision in wanted:
            known = self._jobs.get((namespace, name))
            if known is None or known[0] != revision:
                missing.setdefault(namespace, []).append(name)
        for namespace, names in missing.items():
            found = {stored.job.name: stored for stored in self._store.jobs(namespace, names)}
            with self._lock:
                for name in names:
                    if name in found:
                        self._jobs[namespace, name] = (found[name].revision, found[name].job)
                    else:
                        self._jobs.pop((namespace, name), None)
