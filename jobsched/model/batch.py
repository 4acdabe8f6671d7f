"""Batches: runs that were enqueued under one name, counted together."""

from collections.abc import Mapping
from dataclasses import dataclass

from jobsched.model.run import RunState


@dataclass(frozen=True, slots=True)
class BatchCounts:
    """`counts`: of the runs that are kept, by the states that any has; a batch without runs is done."""

    name: str
    counts: Mapping[RunState, int]

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def unfinished(self) -> int:
        return sum(count for state, count in self.counts.items() if not state.final)

    @property
    def done(self) -> bool:
        """Whether all its runs are final."""
        return not self.unfinished

    def __str__(self) -> str:
        """`batch import-42: 3 of 5 runs are not over (2 pending, 1 running)`."""
        if self.done:
            return f"batch {self.name} is done"
        waiting = ", ".join(f"{count:,} {state}" for state, count in self.counts.items() if not state.final)
        return f"batch {self.name}: {self.unfinished:,} of {self.total:,} runs are not over ({waiting})"
