"""A backfill: slots of the past that run after all, and the skipped rows that give way to them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from jobsched.model.run import Covers, NewRun, RunState

#: Told how many slots more have been dealt with.
Progress: TypeAlias = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class SlotRow:
    """What is recorded of a slot, or of the range it lies in, as far as it decides whether the slot may run."""

    id: int
    scheduled_at: datetime
    state: RunState
    covers: Covers | None


@dataclass(frozen=True, slots=True)
class Cut:
    """A skipped row gives up slots. `left`: the ranges it still stands for (one slot: first is last); none: it goes."""

    row: SlotRow  #: as it was seen
    left: tuple[Covers, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refill:
    """Slots of one job that shall run: one transaction's worth."""

    namespace: str
    job: str
    schedule_revision: int  #: as it was seen
    runs: tuple[NewRun, ...]
    cuts: tuple[Cut, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfill:
    """The slots of a range, counted by what a backfill makes of them; those of `runs` alone are touched."""

    slots: int = 0
    runs: int = 0  #: get a run: they were skipped, or nothing is recorded of them
    unrecorded: int = 0  #: those of `runs` of which nothing is recorded: they may have run, and been pruned
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    unfinished: int = 0  #: their run is not over
    open: int = 0  #: not accounted for yet: a node will, or did meanwhile

    def __add__(self, other: "Backfill") -> "Backfill":
        return Backfill(
            slots=self.slots + other.slots,
            runs=self.runs + other.runs,
            unrecorded=self.unrecorded + other.unrecorded,
            succeeded=self.succeeded + other.succeeded,
            failed=self.failed + other.failed,
            cancelled=self.cancelled + other.cancelled,
            unfinished=self.unfinished + other.unfinished,
            open=self.open + other.open,
        )
