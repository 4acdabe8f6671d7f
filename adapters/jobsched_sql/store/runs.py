"""The port's chapter on runs, until a node claims them."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from jobsched.model.audit import Act
from jobsched.model.once import Once
from jobsched.model.run import Created, NewRun, RunState
from jobsched.store.port import Promoted
from jobsched_sql import auditing, conflicts, due_runs, idempotency, insertion, queues
from jobsched_sql.store.base import OnDialect


class SqlRuns(OnDialect):
    """Runs are made, come due, and are let in."""

    def enqueue(
        self,
        runs: Sequence[NewRun],
        connection: object = None,
        *,
        act: Act | None = None,
        once: Once | None = None,
    ) -> list[Created]:
        then = None if act is None and once is None else self._noting(runs, act, once)
        if connection is not None:
            within = self._dialect.within
            return within(connection, lambda theirs: self._enqueue_within(theirs, runs, then)) if runs else []
        enqueued = insertion.enqueue(self._dialect, runs, then)
        if enqueued.settled:
            if not enqueued.rung:
                later = any(one.state is RunState.SCHEDULED for one in enqueued.made)
                self._dialect.ring("runs" if later else "pending")
            return enqueued.made
        made = self._announced(enqueued.made, runs, rung=enqueued.rung)
        if any(one.existing for one in made):
            moved = [run for run, one in zip(runs, made, strict=True) if conflicts.has_changed(run, one)]
            if moved:
                self._settle(moved)
                self._dialect.ring("runs")
        return made

    def _noting(self, runs: Sequence[NewRun], act: Act | None, once: Once | None) -> insertion.Then:
        def note(connection: Connection, made: Sequence[Created | None]) -> None:
            auditing.record_runs(connection, self._dialect, act, auditing.made(runs, made))
            ids = [[one.id, one.existing] for one in made if one is not None]
            idempotency.claim(connection, self._dialect, once, {"runs": ids})

        return note

    def _enqueue_within(self, theirs: Connection, runs: Sequence[NewRun], then: insertion.Then | None) -> list[Created]:
        made = insertion.enqueue_within(theirs, self._dialect, runs)
        if then is not None:
            then(theirs, made)
        if any(not one.existing or conflicts.has_changed(run, one) for run, one in zip(runs, made, strict=True)):
            self._dialect.ring_within(theirs, "runs")
        return made

    def promote(self, namespaces: Sequence[str], limit: int) -> Promoted:
        promoted = due_runs.promote(self._dialect, namespaces, limit)
        self._ring_if(promoted.count + len(promoted.missed))
        return promoted

    def admit(self, namespaces: Sequence[str], keys: Sequence[str] | None = None, queues: Sequence[str] = ()) -> int:
        return self._admit(namespaces, keys, queues).runs

    def next_places(self, namespaces: Sequence[str]) -> dict[str, datetime | None]:
        return self._dialect.read(lambda connection: queues.next_places(connection, self._dialect, namespaces))
