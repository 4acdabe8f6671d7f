"""Deadlines: cancel first, give up later."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from jobsched.model.job import Timeout
from jobsched.runner.deadlines import Deadlines
from jobsched.runner.held import Held
from jobsched.testing.clock import FakeClock

Start = Callable[[FakeClock], Held]


@pytest.fixture
def given_up() -> list[Held]:
    return []


@pytest.fixture
def a_started(a_held: Callable[..., Held]) -> Start:
    def start(clock: FakeClock) -> Held:
        held = a_held(clock=clock)
        held.started = clock.monotonic()
        return held

    return start


def test_an_attempt_is_cancelled_at_its_deadline_and_given_up_after_kill_after(
    given_up: list[Held], a_started: Start
) -> None:
    clock = FakeClock()
    deadlines, held = Deadlines(clock, given_up.append), a_started(clock)
    deadlines.watch(held, Timeout(timedelta(seconds=60), timedelta(seconds=10)), kills=False)

    clock.advance(59)
    pause = deadlines.step()
    before = held.cancel.cancelled
    clock.advance(1)
    deadlines.step()
    at_deadline = (held.cancel.reason, list(given_up))
    clock.advance(10)
    deadlines.step()

    assert (before, pause) == (False, 1)
    assert at_deadline == ("timeout", [])
    assert given_up == [held]


def test_an_attempt_that_has_ended_is_left_alone(given_up: list[Held], a_started: Start) -> None:
    clock = FakeClock()
    deadlines, held = Deadlines(clock, given_up.append), a_started(clock)
    deadlines.watch(held, Timeout(timedelta(seconds=1)), kills=False)
    deadlines.forget(held)

    clock.advance(100)
    pause = deadlines.step()

    assert (held.cancel.cancelled, given_up, pause) == (False, [], None)


def test_a_command_gets_time_to_be_killed_before_its_thread_is_given_up(given_up: list[Held], a_started: Start) -> None:
    clock = FakeClock()
    deadlines, held = Deadlines(clock, given_up.append), a_started(clock)
    deadlines.watch(held, Timeout(timedelta(seconds=1), timedelta(seconds=1)), kills=True)

    clock.advance(1)
    deadlines.step()
    clock.advance(1)
    deadlines.step()
    early = list(given_up)
    clock.advance(10)
    deadlines.step()

    assert (early, given_up) == ([], [held])


def test_attempts_that_end_early_do_not_pile_up(given_up: list[Held], a_held: Callable[..., Held]) -> None:
    clock = FakeClock()
    deadlines = Deadlines(clock, given_up.append)

    for number in range(1000):
        held = a_held(number, clock)
        deadlines.watch(held, Timeout(timedelta(days=1)), kills=False)
        deadlines.forget(held)

    assert len(deadlines._watched) == 0
    assert len(deadlines._heap) < 100
