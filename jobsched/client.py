"""Client: everything that a program, the command line and the web ask of a store: enqueue, query, manage."""

import difflib
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self

from jobsched.clock import Clock, SystemClock
from jobsched.errors import UnknownJobError, UnknownRunError
from jobsched.model.instants import as_utc
from jobsched.model.payload import check_payload_size
from jobsched.model.run import Created, LogLine, NewRun, Run, RunFilter, RunState, Source
from jobsched.model.state import Generation, Node, StoredJob
from jobsched.model.stats import Stats
from jobsched.schedule.fires import run_for
from jobsched.store.open import open_store
from jobsched.store.port import Store

_LARGEST_ID = 2**63 - 1
#: How often `wait` and `follow` look, in seconds: it grows from the first to the second.
_FIRST_LOOK, _SLOWEST_LOOK = 0.02, 0.5
_PAGE = 1000
_FINAL = tuple(state for state in RunState if state.final)


class Client:
    """A store and one namespace of it. Thread-safe; close it, or use it as a context manager."""

    def __init__(self, store: Store | str, *, namespace: str = "default", clock: Clock | None = None) -> None:
        """`store`: a database URL, or an open store (which this client does not close)."""
        self._owns = isinstance(store, str)
        self.store: Store = open_store(store, clock=clock) if isinstance(store, str) else store
        self.namespace = namespace
        self._clock = clock or SystemClock()

    def close(self) -> None:
        if self._owns:
            self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- jobs

    def jobs(self) -> list[StoredJob]:
        """All jobs of the namespace, by name."""
        return self.store.jobs(self.namespace)

    def job(self, name: str) -> StoredJob:
        """One job. Raises UnknownJobError, with the nearest name."""
        found = self.store.jobs(self.namespace, [name])
        if found:
            return found[0]
        names = [stored.job.name for stored in self.jobs()]
        nearest = difflib.get_close_matches(name, names, 1)
        raise UnknownJobError(self.namespace, name, nearest[0] if nearest else None)

    def last_runs(self) -> dict[str, Run]:
        """The newest run of each job that has one; skipped ones do not count."""
        return self.store.last_runs(self.namespace)

    def trigger(self, name: str, payload: Mapping[str, Any] | None = None) -> Created:
        """Run a job now, beside its schedule; with a limit it waits its turn. `payload` replaces the job's.

        Raises UnknownJobError, PayloadError.
        """
        stored = self.job(name)
        if payload is not None:
            check_payload_size(payload)
        run = run_for(stored.job, source=Source.TRIGGER, payload=payload, generation=stored.generation)
        return self.store.enqueue([run])[0]

    # -- runs

    def enqueue(
        self,
        handler: str,
        payload: Mapping[str, Any] | None = None,
        *,
        run_at: datetime | None = None,
        delay: timedelta | None = None,
        queue: str = "default",
        priority: int = 0,
        max_attempts: int = 1,
        unique_key: str | None = None,
    ) -> Created:
        """Make a run of a registered handler. Safe to repeat after OutcomeUnknownError if it has a `unique_key`.

        Raises PayloadError; ValueError on a naive `run_at`, or on both `run_at` and `delay`.
        """
        if run_at is not None and delay is not None:
            raise ValueError("give run_at or delay, not both")
        payload = {} if payload is None else payload
        check_payload_size(payload)
        available_at = self.store.now() + delay if delay is not None else as_utc(run_at) if run_at is not None else None
        run = NewRun(
            namespace=self.namespace,
            handler=handler,
            source=Source.ENQUEUE,
            payload=payload,
            available_at=available_at,
            queue=queue,
            priority=priority,
            max_attempts=max_attempts,
            unique_key=unique_key,
        )
        return self.store.enqueue([run])[0]

    def run(self, run_id: int) -> Run:
        """One run. Raises UnknownRunError."""
        found = self.store.run(run_id) if 0 <= run_id <= _LARGEST_ID else None
        if found is None:
            raise UnknownRunError(run_id)
        return found

    def runs(
        self,
        *,
        namespace: str | None = None,
        job: str | None = None,
        states: Sequence[RunState] = (),
        since: datetime | None = None,
        before_id: int | None = None,
        limit: int = 50,
    ) -> list[Run]:
        """Runs, newest first. `before_id` continues a list after its last id."""
        wanted = RunFilter(
            namespace=namespace or self.namespace,
            job=job,
            states=tuple(states),
            since=as_utc(since) if since else None,
            before_id=before_id,
            limit=limit,
        )
        return self.store.runs(wanted)

    def wait(self, run_id: int, timeout: timedelta | None = None) -> Run:
        """Wait until a run is final, and return it. Raises TimeoutError, UnknownRunError."""
        never, pause = threading.Event(), _FIRST_LOOK
        until = None if timeout is None else self._clock.monotonic() + timeout.total_seconds()
        while not (run := self.run(run_id)).state.final:
            if until is not None and self._clock.monotonic() >= until:
                raise TimeoutError(f"run {run_id} is still {run.state} after {timeout}")
            self._clock.wait(never, pause)
            pause = min(pause * 1.5, _SLOWEST_LOOK)
        return run

    def log(
        self, run_id: int, *, attempt: int | None = None, after: tuple[int, int] = (0, -1), limit: int = 10_000
    ) -> list[LogLine]:
        """Lines that a run's attempts wrote, oldest first, after a place (attempt, seq)."""
        return self.store.log(run_id, attempt=attempt, after=after, limit=limit)

    def follow(self, run_id: int, *, attempt: int | None = None) -> Iterator[LogLine]:
        """Lines of a run, those that are there and those that come, until it is final. Raises UnknownRunError."""
        never, pause, after, ended = threading.Event(), _FIRST_LOOK, (0, -1), False
        while True:
            # Asked before its lines are read: what it wrote until then is among them.
            final, lines = self.run(run_id).state.final, self.log(run_id, attempt=attempt, after=after)
            yield from lines
            if lines:
                after, pause = (lines[-1].attempt, lines[-1].seq), _FIRST_LOOK
            elif ended:
                return
            # The last lines of many may be stored a moment after the end is: one more look.
            ended = final
            self._clock.wait(never, pause)
            pause = _FIRST_LOOK if ended else min(pause * 1.5, _SLOWEST_LOOK)

    # -- the whole

    def nodes(self) -> list[Node]:
        """The nodes that have not left, newest first."""
        return self.store.nodes()

    def generations(self, limit: int = 20) -> list[Generation]:
        """The newest applied syncs, newest first."""
        return self.store.generations(self.namespace, limit)

    def counts(self) -> dict[tuple[str, RunState], int]:
        """How many unfinished runs there are, by (queue, state)."""
        return self.store.counts([self.namespace])

    def stats(self, *, since: datetime) -> Stats:
        """Numbers for people; reads each finished run made since then, so ask for a day rather than for ever."""
        finished: Counter[tuple[str | None, RunState]] = Counter()
        before = None
        while page := self.runs(states=_FINAL, since=since, before_id=before, limit=_PAGE):
            finished.update((run.job, run.state) for run in page)
            before = page[-1].id
        return Stats(since=as_utc(since), unfinished=self.counts(), finished=dict(finished))
