"""The node's clock: the store's instant, carried on by the monotonic clock."""

from datetime import UTC, datetime, timedelta
from typing import cast

from jobsched.errors import StoreUnavailableError
from jobsched.runner.node_clock import NodeClock
from jobsched.store.port import Store
from jobsched.testing.clock import FakeClock

START = datetime(2026, 1, 1, tzinfo=UTC)


class StoreOfTime:
    """A store that can only tell the time, perhaps slowly."""

    def __init__(self, machine: FakeClock) -> None:
        self.machine, self.ahead = machine, timedelta(0)
        self.takes, self.away = 0.0, False

    def now(self) -> datetime:
        if self.away:
            raise StoreUnavailableError("away")
        self.machine.advance(self.takes)
        # Asked at the very end: the slowest answer says nothing about the whole time before.
        return self.machine.now() + self.ahead


def a_clock(machine: FakeClock) -> tuple[NodeClock, StoreOfTime]:
    store = StoreOfTime(machine)
    return NodeClock(cast("Store", store), machine), store


def test_it_tells_the_stores_time_and_goes_on_by_itself() -> None:
    machine = FakeClock(START)
    clock, store = a_clock(machine)
    store.ahead = timedelta(hours=1)
    clock.measure()
    store.away = True

    machine.advance(7)

    assert clock.now() == START + timedelta(hours=1, seconds=7)
    assert clock.skew == timedelta(hours=1)


def test_setting_this_machines_clock_moves_nothing() -> None:
    machine = FakeClock(START)
    clock, store = a_clock(machine)
    clock.measure()
    store.machine = FakeClock(START)

    machine.jump(START + timedelta(hours=1))

    assert clock.now() == START
    assert clock.skew == -timedelta(hours=1)


def test_a_machine_that_slept_asks_the_store_for_the_time() -> None:
    machine = FakeClock(START)
    clock, _ = a_clock(machine)
    clock.measure()

    # The wall clock of both has gone on, and the monotonic one stood still.
    machine.jump(START + timedelta(hours=1))

    assert clock.now() == START + timedelta(hours=1)


def test_a_jump_while_the_store_is_away_is_not_believed() -> None:
    machine = FakeClock(START)
    clock, store = a_clock(machine)
    clock.measure()
    store.away = True

    machine.jump(START + timedelta(hours=1))

    assert clock.now() == START


def test_a_slow_answer_is_not_believed_when_there_is_a_better_one() -> None:
    machine = FakeClock(START)
    clock, store = a_clock(machine)
    clock.measure()
    store.takes = 6.0

    clock.measure()

    assert clock.now() == START + timedelta(seconds=6)
    assert clock.skew == timedelta(0)


def test_before_the_first_answer_it_is_this_machines_clock() -> None:
    machine = FakeClock(START)
    clock, store = a_clock(machine)
    store.away = True

    assert clock.now() == START
