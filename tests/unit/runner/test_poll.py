"""The slow look behind every wake-up: who is woken, and who is not."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from jobsched.model.pause import Pause
from jobsched.runner.options import Options
from jobsched.runner.poll import Poll
from jobsched.store.port import Outlook
from jobsched.testing.builders import NAMESPACE, START, a_pause
from jobsched.testing.clock import FakeClock

SECOND = timedelta(seconds=1)
PAUSE = a_pause("all")


class Loops:
    """The three that are woken, and what the pauses' one has read."""

    def __init__(self, *known: Pause) -> None:
        self.woken: list[str] = []
        self._known = set(known)

    def one(self, name: str) -> Any:
        return SimpleNamespace(wake=lambda: self.woken.append(name), knows=self._knows)

    def _knows(self, standing: Sequence[Pause]) -> bool:
        return set(standing) == self._known


def woken(
    *known: Pause, next_at: datetime | None = None, pending: bool = False, pauses: tuple[Pause, ...] = ()
) -> list[str]:
    """Who, at `START`, with a poll of a second."""
    loops, clock = Loops(*known), FakeClock(START)
    outlook = Outlook(next_at, pending, pauses)
    poll = Poll(
        cast("Any", SimpleNamespace(outlook=lambda _: outlook)),
        clock,
        Options(poll=SECOND),
        cast("Any", SimpleNamespace(namespaces=(NAMESPACE,))),
        cast("Any", SimpleNamespace(now=clock.now)),
        loops.one("scheduler"),
        loops.one("dispatcher"),
        loops.one("pauses"),
    )

    assert poll.step() == 1.0
    return loops.woken


def test_an_idle_node_wakes_nobody() -> None:
    assert woken(PAUSE, next_at=START + 2 * SECOND, pauses=(PAUSE,)) == []


@pytest.mark.parametrize("away", [-SECOND, 0 * SECOND, SECOND])
def test_what_comes_before_the_next_poll_wakes_the_scheduler(away: timedelta) -> None:
    assert woken(next_at=START + away) == ["scheduler"]


def test_a_pending_run_wakes_the_dispatcher() -> None:
    assert woken(pending=True) == ["dispatcher"]


def test_a_pause_that_was_put_or_ended_is_read() -> None:
    assert woken(pauses=(PAUSE,)) == ["pauses"]
    assert woken(PAUSE) == ["pauses"]
