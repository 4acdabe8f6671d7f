"""What jobs are searched and reckoned by, kept while the generation stands: ten thousand definitions are not read for a page."""

import threading
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from jobsched.client import Client
from jobsched.model.definition import HANDLER_KINDS, job_from_definition
from jobsched.model.handler import handler_from_definition, handler_text
from jobsched.model.overview import Outline
from jobsched.schedule.week import Timing, timing_of

_WHEN = ("cron", "every", "at", "timezone", "dst", "start_at", "end_at")
_SCHEDULES = ("cron", "every", "at")
#: So that what is no schedule is not read for one.
_NO_HANDLER = {"handler": "none"}


_AT_A_STRETCH, _READ_AT_ONCE = 20, 50


class Entry(NamedTuple):
    """One job. `text`: what a search looks into, without regard to case."""

    name: str
    text: str
    tags: tuple[str, ...]
    owner: str | None
    queue: str
    suspended: bool
    schedule: Mapping[str, Any]  #: of its definition, what says when it runs; empty: only when it is triggered


class JobIndex:
    """Definitions change with a generation, and with nothing else; what one has changed is read alone. Thread-safe."""

    def __init__(self, client: Client) -> None:
        self._client, self._lock = client, threading.Lock()
        self._generation, self._never = 0, threading.Event()
        self._names: tuple[int, list[str]] = (0, [])
        self._entries: dict[str, Entry] = {}
        self._timings: dict[str, tuple[Entry, Timing]] = {}

    def names(self) -> list[str]:
        """Of all jobs, sorted."""
        newest, (generation, names) = self._newest(), self._names
        if newest != generation:
            names = self._client.store.job_names(self._client.namespace)
            self._names = newest, names
        return names

    def entries(self) -> list[Entry]:
        """All jobs, by name."""
        newest = self._newest()
        with self._lock:
            if newest != self._generation:
                after = self._generation if newest > self._generation else 0
                known = {**self._entries, **{entry.name: entry for entry in self._read(after)}}
                self._entries = {name: known[name] for name in self.names() if name in known}
                self._generation = newest
            return list(self._entries.values())

    def _newest(self) -> int:
        """Asked before jobs are read: what is newer than its number is only read once more."""
        return next((generation.number for generation in self._client.generations(1)), 0)

    def _read(self, after: int) -> Iterator[Entry]:
        """Of jobs that later generations have written; a few at a time, so that whoever makes a page meanwhile need not wait."""
        store, namespace, beyond = self._client.store, self._client.namespace, ""
        while outlines := store.outlines(namespace, after, beyond=beyond, limit=_READ_AT_ONCE):
            yield from map(_entry, outlines)
            beyond = outlines[-1].name
            self._never.wait(0.001)

    def timings(self) -> dict[str, Timing]:
        """When each job that is not suspended wants to run; of those that have a schedule."""
        wanted = [entry for entry in self.entries() if entry.schedule and not entry.suspended]
        known, read = self._timings, 0
        found = {}
        for entry in wanted:
            kept = known.get(entry.name)
            if kept is None or kept[0] is not entry:
                kept, read = (entry, _timing(entry)), read + 1
                if read % _AT_A_STRETCH == 0:
                    # Whoever makes a page meanwhile would wait for the interpreter after each question to the database.
                    self._never.wait(0.0005)
            found[entry.name] = kept
        self._timings = found
        return {name: timing for name, (_, timing) in found.items()}


def _entry(outline: Outline) -> Entry:
    given = outline.definition
    kind = next(kind for kind in HANDLER_KINDS if kind in given)
    handler = handler_text(handler_from_definition(kind, given[kind]))
    text = "\n".join((outline.name, given.get("description") or "", handler)).casefold()
    return Entry(
        outline.name,
        text,
        tuple(given.get("tags", ())),
        given.get("owner"),
        given.get("queue", "default"),
        bool(given.get("suspend", False)),
        {field: given[field] for field in _WHEN if field in given} if any(s in given for s in _SCHEDULES) else {},
    )


def _timing(entry: Entry) -> Timing:
    return timing_of(job_from_definition("", entry.name, {**_NO_HANDLER, **entry.schedule}))
