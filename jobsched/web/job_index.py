"""What jobs are searched by, kept while the generation stands: reading ten thousand definitions takes a second, a page is quick."""

import threading
from collections.abc import Sequence
from typing import NamedTuple

from jobsched.client import Client
from jobsched.model.handler import handler_text
from jobsched.model.state import StoredJob


class Entry(NamedTuple):
    """One job. `text`: what a search looks into, without regard to case."""

    name: str
    text: str
    tags: tuple[str, ...]
    owner: str | None
    queue: str


class JobIndex:
    """Definitions change with a generation, and with nothing else. Thread-safe."""

    def __init__(self, client: Client) -> None:
        self._client, self._lock = client, threading.Lock()
        self._generation: int | None = None
        self._entries: Sequence[Entry] = ()

    def entries(self) -> Sequence[Entry]:
        """All jobs, by name."""
        # Asked before they are read: what is newer than its number is only read once more.
        newest = next((generation.number for generation in self._client.generations(1)), None)
        with self._lock:
            if newest != self._generation:
                self._entries = [_entry(stored) for stored in self._client.jobs()]
                self._generation = newest
            return self._entries


def _entry(stored: StoredJob) -> Entry:
    job = stored.job
    text = "\n".join((job.name, job.description or "", handler_text(job.handler))).casefold()
    return Entry(job.name, text, job.tags, job.owner, job.queue)
