"""The canceller: when it asks the store who is to stop."""

from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from jobsched.observe.listeners import Events
from jobsched.runner.canceller import Canceller
from jobsched.runner.held import Held, HeldRuns
from jobsched.testing.clock import FakeClock

POLL = timedelta(seconds=1)


class Asked:
    """A canceller on a clock moved by hand, and how often it has asked."""

    def __init__(self) -> None:
        self.times, self.clock, self.held = 0, FakeClock(), HeldRuns()
        store: Any = SimpleNamespace(cancel_requests=self._ask)
        node: Any = SimpleNamespace(node=1)
        self.canceller = Canceller(store, self.clock, node, self.held, POLL, Events())

    def _ask(self, _node: int) -> dict[tuple[int, int], Any]:
        self.times += 1
        return {}


@pytest.fixture
def asked() -> Asked:
    return Asked()


def test_a_node_that_holds_nothing_asks_nothing(asked: Asked) -> None:
    assert (asked.canceller.step(), asked.times) == (None, 0)


def test_in_a_burst_it_does_not_ask_each_time_that_a_first_run_is_held(
    asked: Asked, a_held: Callable[..., Held]
) -> None:
    asked.held.add([a_held(1)])
    asked.canceller.step()
    asked.held.drop([(1, 1)])
    asked.held.add([a_held(2)])
    asked.clock.advance(0.25)

    assert (asked.canceller.step(), asked.times) == (0.75, 1)


def test_in_a_stream_of_runs_it_looks_by_itself_and_is_woken_by_none(asked: Asked, a_held: Callable[..., Held]) -> None:
    woken: list[float] = []
    asked.canceller.wake = lambda: woken.append(asked.clock.monotonic())  # type: ignore[method-assign]
    asked.canceller.first_held()
    first = len(woken)
    asked.held.add([a_held(1)])
    asked.canceller.step()
    asked.held.drop([(1, 1)])
    asked.clock.advance(0.25)

    pause = asked.canceller.step()
    asked.canceller.first_held()

    assert (first, pause, len(woken)) == (1, 0.75, 1)


def test_after_a_while_without_runs_the_next_one_wakes_it(asked: Asked, a_held: Callable[..., Held]) -> None:
    woken: list[float] = []
    asked.canceller.wake = lambda: woken.append(asked.clock.monotonic())  # type: ignore[method-assign]
    asked.held.add([a_held(1)])
    asked.canceller.step()
    asked.held.drop([(1, 1)])
    asked.clock.advance(1)

    pause = asked.canceller.step()
    asked.canceller.first_held()

    assert (pause, len(woken)) == (None, 1)


def test_told_that_a_run_is_to_stop_it_asks_at_once(asked: Asked, a_held: Callable[..., Held]) -> None:
    asked.held.add([a_held(1)])
    asked.canceller.step()

    asked.canceller.told()

    assert (asked.canceller.step(), asked.times) == (1.0, 2)


def test_it_asks_again_when_its_time_has_come(asked: Asked, a_held: Callable[..., Held]) -> None:
    asked.held.add([a_held(1)])
    asked.canceller.step()
    asked.clock.advance(1)

    assert (asked.canceller.step(), asked.times) == (1.0, 2)
