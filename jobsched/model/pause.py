"""A pause: jobs or a queue that somebody holds still at run time, apart from what the files say."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

_NEVER = datetime.max.replace(tzinfo=UTC)


class PauseScope(StrEnum):
    """What a pause holds: the slots of one job, the runs of one queue, or both of everything in its namespace."""

    JOB = "job"
    QUEUE = "queue"
    ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """It stands until somebody resumes it, or a node finds that it is over; only then may what it held go on."""

    namespace: str
    scope: PauseScope
    name: str = ""  #: of the job or the queue; empty for all
    since: datetime
    by: str  #: who said so last: user@host
    reason: str | None = None
    until: datetime | None = None  #: None: until it is resumed

    @property
    def target(self) -> tuple[PauseScope, str]:
        """What it holds; there is one pause of it in a namespace at most."""
        return self.scope, self.name

    def is_over(self, now: datetime) -> bool:
        """Whether its time has passed."""
        return self.until is not None and self.until <= now

    def end(self, now: datetime) -> datetime:
        """Up to when it held, if it is ended now."""
        return now if self.until is None else min(self.until, now)


class Pauses:
    """The pauses of one namespace, by what they hold."""

    def __init__(self, standing: Iterable[Pause] = ()) -> None:
        self._by_target = {pause.target: pause for pause in standing}

    def __iter__(self) -> Iterator[Pause]:
        return iter(self._by_target.values())

    def of_job(self, name: str) -> Pause | None:
        """The pause that keeps this job from firing, the one that ends last if there are two."""
        return self._last(PauseScope.JOB, name)

    def of_queue(self, name: str) -> Pause | None:
        """The pause that keeps runs of this queue from being claimed, the one that ends last if there are two."""
        return self._last(PauseScope.QUEUE, name)

    def _last(self, scope: PauseScope, name: str) -> Pause | None:
        found = (self._by_target.get((scope, name)), self._by_target.get((PauseScope.ALL, "")))
        return max(
            (pause for pause in found if pause is not None), key=lambda pause: pause.until or _NEVER, default=None
        )
