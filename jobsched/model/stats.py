"""How much there is to do, and what became of what was done."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from jobsched.model.run import RunState

_FINAL = tuple(str(state) for state in RunState if state.final)


@dataclass(frozen=True, slots=True)
class Stats:
    """`finished`: of the runs made since `since` that are kept; a skipped run counts once, however many slots it covers."""

    since: datetime
    unfinished: Mapping[tuple[str, RunState], int]  #: by (queue, state)
    finished: Mapping[tuple[str | None, RunState], int]  #: by (job, state); None: ad hoc

    def by_job(self) -> list[tuple[str | None, dict[str, int]]]:
        """Each job's finished runs by final state, the ad-hoc ones last."""
        found: dict[str | None, dict[str, int]] = {}
        for (job, state), count in self.finished.items():
            found.setdefault(job, dict.fromkeys(_FINAL, 0))[str(state)] = count
        return sorted(found.items(), key=lambda entry: (entry[0] is None, entry[0] or ""))
