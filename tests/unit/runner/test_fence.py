"""The fence: a node that cannot renew its lease stops before others take its runs over."""

from datetime import timedelta
from typing import cast

import pytest

from jobsched.handlers.guard import guard
from jobsched.observe.listeners import Events
from jobsched.runner.heartbeat import Fence, Heartbeat
from jobsched.runner.held import HeldRuns
from jobsched.runner.options import Options
from jobsched.store.port import Beat, Store
from jobsched.testing.clock import FakeClock


class StoreOfBeats:
    """A store that a node can be alive in."""

    def __init__(self, clock: FakeClock) -> None:
        self.now = clock.now

    def heartbeat(self, *_: object) -> Beat:
        return Beat(self.now(), alive=True)

    def owned(self, _node: int) -> list[object]:
        return []


def a_fence() -> tuple[Fence, Heartbeat, FakeClock, list[str]]:
    clock, fenced = FakeClock(), []
    options = Options(heartbeat=timedelta(seconds=10), lease=timedelta(seconds=30))
    heartbeat = Heartbeat(
        cast("Store", StoreOfBeats(clock)),
        clock,
        options,
        ["default"],
        HeldRuns(),
        dict,
        lambda: fenced.append("fenced"),
        lambda _: None,
        Events(),
    )
    return Fence(clock, heartbeat), heartbeat, clock, fenced


def test_it_sleeps_until_two_thirds_of_the_lease_would_have_passed_in_silence() -> None:
    fence, heartbeat, clock, fenced = a_fence()

    heartbeat.step()
    clock.advance(5)

    assert fence.step() == 15
    assert fenced == []


def test_a_node_whose_heartbeats_fail_is_fenced_when_it_wakes_and_only_once() -> None:
    fence, heartbeat, clock, fenced = a_fence()

    clock.advance(fence.step())
    fence.step()
    fence.step()

    assert fenced == ["fenced"]
    assert not heartbeat.fit


def test_a_node_that_beats_again_is_looked_at_before_it_can_be_silent_for_too_long() -> None:
    fence, heartbeat, clock, fenced = a_fence()
    clock.advance(fence.step())
    asleep_for = fence.step()

    clock.advance(1)
    heartbeat.step()

    assert heartbeat.fit
    assert asleep_for <= 1 + heartbeat.longest_silence
    clock.advance(asleep_for - 1)
    clock.advance(fence.step())
    fence.step()
    assert fenced == ["fenced", "fenced"]


def test_each_heartbeat_looks_after_the_guard_over_commands_also_while_the_store_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def away(*_: object) -> Beat:
        raise ConnectionError

    looked: list[str] = []
    monkeypatch.setattr(guard, "look_after", lambda: looked.append("looked"))
    _, heartbeat, _, _ = a_fence()

    heartbeat.step()
    monkeypatch.setattr(StoreOfBeats, "heartbeat", away)
    with pytest.raises(ConnectionError):
        heartbeat.step()

    assert looked == ["looked", "looked"]
