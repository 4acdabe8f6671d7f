"""How a job does, by its last runs: how many of those that ran succeeded, and how long those took."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from statistics import median
from typing import NamedTuple

from jobsched.model.run import Glance, RunState
from jobsched.web.flows import nearest

_NONE = "\N{EN DASH}"


class Rates(NamedTuple):
    """Of the runs that are looked at; None: none of them says."""

    succeeded: float | None  #: share of those that succeeded or failed
    median: timedelta | None  #: duration of the last attempt, of those that succeeded
    p95: timedelta | None

    @property
    def percent(self) -> str:
        """Never 100 where one has failed, nor 0 where one has not."""
        if self.succeeded is None:
            return _NONE
        percent = round(self.succeeded * 100)
        return f"{percent if self.succeeded in (0, 1) else min(99, max(1, percent))} %"

    def elapsed(self, started_at: datetime | None, now: datetime) -> int | None:
        """How much of its usual time a run has been running for, in percent; None: nobody knows what is usual."""
        if started_at is None or not self.median:
            return None
        return round(100 * (now - started_at) / self.median)


def rates_of(glances: Sequence[Glance]) -> Rates:
    ran = [one.state for one in glances if one.state in (RunState.SUCCEEDED, RunState.FAILED)]
    took = sorted(
        (one.finished_at - one.started_at).total_seconds()
        for one in glances
        if one.state is RunState.SUCCEEDED and one.started_at is not None and one.finished_at is not None
    )
    return Rates(
        ran.count(RunState.SUCCEEDED) / len(ran) if ran else None,
        timedelta(seconds=median(took)) if took else None,
        timedelta(seconds=nearest(took, 0.95)) if took else None,
    )
