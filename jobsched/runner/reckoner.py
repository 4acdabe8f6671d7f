"""Reckoner: what due jobs fire. For those due soon it is reckoned before, so that at the instant only the writing remains."""

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from itertools import islice, takewhile

from jobsched.model.job import Job
from jobsched.model.state import DueJob, Firing
from jobsched.runner.definitions import Definitions
from jobsched.schedule.fires import MISSED_AFTER, account

log = logging.getLogger("jobsched")

_AT_ONCE = 500


class Reckoner:
    """What was reckoned ahead is fired only for a job that is still as it was seen then, and only while it holds."""

    def __init__(self, definitions: Definitions, prepare: Callable[[Sequence[Firing]], list[Firing]]) -> None:
        self._definitions, self._prepare = definitions, prepare
        self._ahead: dict[DueJob, Firing] = {}
        self._soon: Sequence[DueJob] = ()  #: those of which nothing is reckoned yet
        self._unreckoned: dict[tuple[str, str], int] = {}
        self._reckoning = threading.Lock()

    def reckon_ahead(self, soon: Sequence[DueJob]) -> bool:
        """What these jobs will fire at their next slots; it takes the place of all that was reckoned ahead before.

        Whether more of them are left, for `go_on`: of ten thousand it takes a second or two, in which others wait.
        """
        self._ahead, self._soon = {}, soon
        return self.go_on()

    def go_on(self) -> bool:
        """Reckon some more of those; whether more are left."""
        some, self._soon = self._soon[:_AT_ONCE], self._soon[_AT_ONCE:]
        self.load(some)
        reckoned = [(due, self._firing(due, due.next_at, ahead=True)) for due in some]
        known = {due: firing for due, firing in reckoned if firing is not None}
        self._ahead.update(zip(known, self._prepare(list(known.values())), strict=True))
        return bool(self._soon)

    @property
    def known(self) -> int:
        """Of how many jobs it is reckoned what they will fire."""
        return len(self._ahead)

    def ready(self, now: datetime, most: int) -> list[Firing]:
        """What was reckoned ahead of jobs that are due by now, each once; of a job that has changed the store fires nothing."""
        soon = takewhile(lambda due: due.next_at <= now, islice(self._ahead, most))
        taken = [(due, self._ahead.pop(due)) for due in list(soon)]
        return [firing for due, firing in taken if _holds(due, firing, now)]

    def awaited(self, at: datetime, most: int) -> list[Firing]:
        """What was reckoned ahead of jobs that are due just then, the most urgent first."""
        soon = takewhile(lambda due: due.next_at <= at, self._ahead)
        found = [firing for due in soon if due.next_at == at and (firing := self._ahead[due]).runs]
        return sorted(found, key=lambda firing: firing.runs[0].priority)[:most]

    def drop(self, fired: Iterable[Firing]) -> None:
        """These have been fired."""
        done = {(one.namespace, one.job) for one in fired}
        self._ahead = {due: firing for due, firing in self._ahead.items() if (due.namespace, due.name) not in done}

    def load(self, jobs: Sequence[DueJob]) -> None:
        """Read those of their definitions that are not known, in one query."""
        self._definitions.load((job.namespace, job.name, job.revision) for job in jobs)

    def priority(self, due: DueJob) -> int:
        """That of its job; as of a job that declares none, where it is not known."""
        job = self._definitions.known(due.namespace, due.name, due.revision)
        return 0 if job is None else job.priority

    def firings(self, due: Sequence[DueJob], now: datetime) -> list[Firing]:
        """Of those of these jobs that this node can reckon. Threads that ask at once are served one after the other."""
        with self._reckoning:
            known = [self._ahead.pop(one, None) for one in due]
            self.load([one for one, firing in zip(due, known, strict=True) if firing is None])
            return [
                firing
                for one, reckoned in zip(due, known, strict=True)
                if (firing := reckoned if _holds(one, reckoned, now) else self._firing(one, now)) is not None
            ]

    def _firing(self, due: DueJob, now: datetime, *, ahead: bool = False) -> Firing | None:
        job = self._definitions.job(due.namespace, due.name, due.revision)
        if job is None or (ahead and not _may_be_ahead(job)):
            return None
        try:
            accounted = account(
                job, due.cursor, now, next_at=due.next_at, generation=self._definitions.generations[due.namespace]
            )
        except Exception as error:  # noqa: BLE001 - a job that this node cannot reckon must not stop the others
            self._say_unreckoned(due, error)
            return None
        return Firing(
            namespace=due.namespace,
            job=due.name,
            schedule_revision=due.schedule_revision,
            seen_cursor=due.cursor,
            cursor=accounted.cursor,
            next_at=accounted.next_at,
            runs=accounted.runs,
            revision=due.revision,
        )

    def _say_unreckoned(self, due: DueJob, error: Exception) -> None:
        """Once for each revision: its slots are left to nodes that can, one with a newer time zone database, say."""
        if self._unreckoned.get((due.namespace, due.name)) != due.revision:
            self._unreckoned[due.namespace, due.name] = due.revision
            log.error("%s: this node cannot reckon its slots and leaves them to others: %s", due.name, error)


def _may_be_ahead(job: Job) -> bool:
    """How late such a job is found decides what becomes of its slot; of all others, only whether it is missed."""
    return job.starting_deadline is None


def _holds(due: DueJob, reckoned: Firing | None, now: datetime) -> bool:
    """Whether its first slot is still the only one that has come, and not missed: then reckoning now gives the same."""
    return (
        reckoned is not None
        and now - due.next_at <= MISSED_AFTER
        and (reckoned.next_at is None or now < reckoned.next_at)
    )
