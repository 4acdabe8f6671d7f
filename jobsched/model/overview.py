"""What pages ask of a store beside what programs do: all jobs at a glance, how much was done when, what a sync changed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jobsched.model.run import RunState
from jobsched.model.state import Generation, Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """A job with its definition as the store keeps it, not read: ten thousand of them cost a tenth of as many jobs."""

    name: str
    origin: Origin
    generation: int
    definition: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """What ended in a stretch of time."""

    ended: Mapping[RunState, int] = field(default_factory=dict)  #: without skipped ones
    waits: tuple[float, ...] = ()  #: of the newest of them: seconds from when it was due to its (last) start


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A generation, and what it changed value by value. None: that is not kept."""

    generation: Generation
    #: {"jobs": {name: {"action", "fields": [{"field", "old", "new"}]}}, "left_out": jobs that were too many or too large}
    changes: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a file declared a job in the newest generation that files made."""

    file: str
    line: int
    generation: int
