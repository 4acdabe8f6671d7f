"""What a client asks of pauses: of jobs by name, or of a queue, or of all."""

import logging
from collections.abc import Container, Iterable, Sequence
from datetime import timedelta
from typing import Any

from jobsched.client.given import as_time, names_of_jobs
from jobsched.client.jobs import Jobs
from jobsched.errors import StoreUnavailableError
from jobsched.model.audit import Act, Action
from jobsched.model.instants import format_instant
from jobsched.model.pause import Pause, PauseScope
from jobsched.model.state import StoredJob
from jobsched.schedule.resumption import resumption

log = logging.getLogger("jobsched")

#: How often the end of a pause is reckoned anew because something moved meanwhile.
_TRIES = 8


class Pausing(Jobs):
    """The pauses of the namespace."""

    def pauses(self) -> list[Pause]:
        """The pauses that stand in the namespace, by scope and name."""
        return self.store.pauses([self.namespace])

    def pause(
        self,
        *jobs: str,
        queue: str | None = None,
        all: bool = False,  # noqa: A002 - the word of the command line
        duration: timedelta | float | str | None = None,
        reason: str | None = None,
        by: str | None = None,
    ) -> list[Pause]:
        """Hold jobs (no slot of theirs becomes a run), a queue (none of its runs starts) or all, until resumed or for a while.

        `duration`: a timedelta, seconds, or text like `10m`. What stands already gets the new duration and reason.
        `by`: else user@host. Returns the pauses as they stand now.
        Raises UnknownJobError, with the nearest name; then nothing is paused.
        """
        targets = _targets(jobs, queue, all)
        declared = (
            {stored.job.name for stored in self.store.jobs(self.namespace, names_of_jobs(jobs))} if jobs else set()
        )
        for name in jobs:
            if name not in declared:
                raise self._unknown(name)
        lasts = None if duration is None else as_time("duration", duration)
        if lasts is not None and lasts <= timedelta(0):
            raise ValueError("a pause lasts longer than nothing")
        now = self.store.now()
        until = None if lasts is None else now + lasts
        acts = self._acts_on(targets, Action.PAUSE, by, reason=reason, until=until and format_instant(until))
        self.store.pause(
            [
                Pause(
                    namespace=self.namespace,
                    scope=scope,
                    name=name,
                    since=now,
                    by=acts[0].by,
                    reason=reason,
                    until=until,
                )
                for scope, name in targets
            ],
            acts=acts,
        )
        return [pause for pause in self.pauses() if pause.target in targets]

    def resume(
        self,
        *jobs: str,
        queue: str | None = None,
        all: bool = False,  # noqa: A002 - as in `pause`
        reason: str | None = None,
    ) -> list[Pause]:
        """End the pauses of jobs, of a queue, or that of all; those that were ended, which may be none.

        What a job's slots became meanwhile is recorded: one skipped row for all of them. `reason`: why, for the audit.
        Raises UnknownJobError for a job that is neither paused nor declared.
        """
        targets = _targets(jobs, queue, all)
        paused = {pause.target for pause in self.pauses()}
        for scope, name in targets:
            if scope is PauseScope.JOB and (scope, name) not in paused:
                self.job(name)
        return [pause for pause in self._end_pauses(targets, reason) if pause.target in targets]

    def end_expired_pauses(self) -> list[Pause]:
        """End the pauses that are over, as nodes do; those that were ended."""
        return self._end_pauses(())

    def _end_pauses(self, targets: Container[tuple[PauseScope, str]], reason: str | None = None) -> list[Pause]:
        """Those that are over end with any other: the jobs that both held were held up to the later end."""
        for _ in range(_TRIES):
            now, standing = self.store.now(), self.pauses()
            ended = [pause for pause in standing if pause.target in targets or pause.is_over(now)]
            if not ended:
                return []
            change = resumption(self.namespace, standing, ended, self._held_by(ended), now)
            resumed = [pause.target for pause in ended if pause.target in targets]
            acts = self._acts_on(resumed, Action.RESUME, reason=reason)
            if self.store.resume(change, acts=acts):
                for name in change.unreckoned:
                    log.warning("%s: its slots cannot be reckoned here; those missed are left to its catch_up", name)
                return ended
        raise StoreUnavailableError(
            "each time that they were to be resumed, pauses or jobs had been changed, or somebody had the jobs locked;"
            " try again, and if it stays so, look for a node or program that is frozen (jobsched status)"
        )

    def _acts_on(
        self, targets: Iterable[tuple[PauseScope, str]], action: Action, by: str | None = None, **details: Any
    ) -> list[Act]:
        """One for each target, so that what was done to a job is found by its name."""
        fields = {PauseScope.JOB: "job", PauseScope.QUEUE: "queue"}
        return [
            self.act(action, by=by, **({fields[scope]: name} if scope in fields else {}), **details)
            for scope, name in sorted(targets)
        ]

    def _held_by(self, pauses: Sequence[Pause]) -> list[StoredJob]:
        if any(pause.scope is PauseScope.ALL for pause in pauses):
            return self.jobs()
        names = [pause.name for pause in pauses if pause.scope is PauseScope.JOB]
        return self.store.jobs(self.namespace, names) if names else []


def _targets(jobs: Sequence[str], queue: str | None, everything: bool) -> set[tuple[PauseScope, str]]:
    if (bool(jobs), bool(queue), everything).count(True) != 1:
        raise ValueError("name jobs, or a queue, or say all=True: one of the three")
    if jobs:
        return {(PauseScope.JOB, name) for name in jobs}
    return {(PauseScope.QUEUE, queue) if queue else (PauseScope.ALL, "")}
