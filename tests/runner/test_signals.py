"""A signal may come at any moment: its handler runs in the main thread, between two steps of whatever that is about."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest

from jobsched.client import Client
from jobsched.clock import SystemClock, Waitable
from jobsched.runner.bell import Bell
from jobsched.runner.runner import Runner
from jobsched.runner.service import Service

Act = Callable[[], object]


@pytest.fixture
def at_signal() -> Iterator[list[Act]]:
    """What is done when SIGUSR1 comes."""
    acts: list[Act] = []
    before = signal.signal(signal.SIGUSR1, lambda *_: [act() for act in acts])
    yield acts
    signal.signal(signal.SIGUSR1, before)


def interrupted(at: int, method: Callable[..., object], act: Act) -> bool:
    """Do `act`, with a signal before the given step of this method; whether there is such a step."""
    steps = 0

    def step(frame: FrameType, what: str, _: Any) -> Any:
        nonlocal steps
        frame.f_trace_opcodes = True
        steps += what == "opcode"
        if what == "opcode" and steps == at:
            signal.raise_signal(signal.SIGUSR1)
        return step

    before = sys.gettrace()
    sys.settrace(lambda frame, what, _: step(frame, what, None) if frame.f_code is method.__code__ else None)
    try:
        act()
    finally:
        sys.settrace(before)
    return steps >= at


class Impatient(SystemClock):
    """Looks again and again, so that a wait has as many steps as are asked for."""

    def wait(self, event: Waitable, seconds: float | None) -> bool:
        return super().wait(event, 0.001)


def test_a_signal_that_stops_a_node_finds_it_however_it_waits(sqlite_url: str, at_signal: list[Act]) -> None:
    """With `threading.Event` they waited for each other: its handler for the lock that what it interrupted held."""
    with Client(sqlite_url) as client:
        for at in range(1, 60):
            runner = Runner(client, clock=Impatient())
            at_signal[:] = [runner.stop]

            assert interrupted(at, Bell.wait, runner.wait)


def test_a_node_heeds_a_signal_that_did_not_end_its_wait(sqlite_url: str, at_signal: list[Act]) -> None:
    """As one that comes in the instant before the main thread blocks. Here another thread is given it, which does the same."""
    main = threading.get_ident()

    def give_another_thread_the_signal() -> None:
        while sys._current_frames()[main].f_code is not Bell.wait.__code__:
            pass
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)

    with Client(sqlite_url) as client:
        runner = Runner(client)
        at_signal[:] = [runner.stop]
        other = threading.Thread(target=give_another_thread_the_signal)
        other.start()

        runner.wait()

        other.join()


@pytest.mark.parametrize("method", [Bell.set, Bell.clear])
def test_a_signal_that_rings_a_bell_does_so_whatever_it_interrupts(
    method: Callable[..., object], at_signal: list[Act]
) -> None:
    at = 1
    service, bell = Service(SystemClock()), Bell()
    at_signal[:] = [service.wake, bell.set]

    while interrupted(at, method, service.stop if method is Bell.set else bell.clear):
        service, bell, at = Service(SystemClock()), Bell(), at + 1
        at_signal[:] = [service.wake, bell.set]

    assert at > 5
