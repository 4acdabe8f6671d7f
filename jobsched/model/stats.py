"""How much there is to do, and what became of what was done."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from jobsched.model.run import RunState


@dataclass(frozen=True, slots=True)
class Stats:
    """`finished`: of the runs made since `since` that are kept; a skipped run counts once, however many slots it covers."""

    since: datetime
    unfinished: Mapping[tuple[str, RunState], int]  #: by (queue, state)
    finished: Mapping[tuple[str | None, RunState], int]  #: by (job, state); None: ad hoc
