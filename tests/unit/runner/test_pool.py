"""The pool of daemon threads."""

import threading
from collections import deque
from collections.abc import Callable

import pytest

from jobsched.runner.held import Held, HeldRuns
from jobsched.runner.pool import Pool

MakeHeld = Callable[..., Held]


class Gate:
    """A handler that says when it has begun, and ends when it is let."""

    def __init__(self) -> None:
        self.begun, self.let = threading.Event(), threading.Event()
        self.order: list[int] = []

    def __call__(self, held: Held) -> None:
        self.order.append(held.claim.id)
        self.begun.set()
        self.let.wait(10)


class Watched(deque[Held]):
    """The line of waiting runs; says of each step what it is about to forget or has just got."""

    def __init__(self) -> None:
        super().__init__()
        self.on_taken: Callable[[], object] = lambda: None
        self.on_put_back: Callable[[], object] = lambda: None

    def popleft(self) -> Held:
        held = super().popleft()
        self.on_taken()
        return held

    def appendleft(self, held: Held) -> None:
        super().appendleft(held)
        self.on_put_back()


class Gates:
    """Handlers that are known by their runs' numbers, and end one by one."""

    def __init__(self, count: int) -> None:
        self.begun, self.let = [threading.Event() for _ in range(count)], [threading.Event() for _ in range(count)]

    def __call__(self, held: Held) -> None:
        self.begun[held.claim.id].set()
        self.let[held.claim.id].wait(10)


def test_runs_are_performed_in_the_order_given(a_held: MakeHeld) -> None:
    gate = Gate()
    gate.let.set()
    pool = Pool(1, gate, lambda: None)
    pool.submit([a_held(1), a_held(2), a_held(3)])

    pool.start()

    assert pool.wait_idle(10)
    assert gate.order == [1, 2, 3]


def test_what_no_thread_has_begun_can_be_taken_back(a_held: MakeHeld) -> None:
    gate = Gate()
    pool = Pool(1, gate, lambda: None)
    pool.start()
    pool.submit([a_held(1), a_held(2), a_held(3)])
    gate.begun.wait(10)

    last = pool.take_waiting(keep=1)
    rest = pool.take_waiting()
    gate.let.set()

    assert [held.claim.id for held in last + rest] == [3, 2]
    assert pool.wait_idle(10)
    assert gate.order == [1]


def test_some_of_what_no_thread_has_begun_can_be_taken_back(a_held: MakeHeld) -> None:
    gate = Gate()
    pool = Pool(1, gate, lambda: None)
    pool.submit([a_held(1), a_held(2), a_held(3)])

    taken = pool.take_waiting_if(lambda held: held.claim.id == 2)
    gate.let.set()
    pool.start()

    assert [held.claim.id for held in taken] == [2]
    assert pool.wait_idle(10)
    assert gate.order == [1, 3]


def test_an_abandoned_thread_is_replaced_at_once_and_its_end_frees_nothing(a_held: MakeHeld) -> None:
    gate, freed = Gate(), threading.Event()
    stuck = a_held(1)
    pool = Pool(1, gate, freed.set)
    pool.start()
    pool.submit([stuck])
    gate.begun.wait(10)
    gate.begun.clear()

    given_up = pool.abandon(stuck)
    pool.submit([a_held(2)])

    assert given_up
    assert gate.begun.wait(10)
    assert (pool.abandoned, pool.active) == (1, 1)
    gate.let.set()
    assert pool.wait_idle(10)


def test_what_a_thread_has_taken_after_it_was_given_up_is_performed_by_another(a_held: MakeHeld) -> None:
    begun, let, by = [threading.Event() for _ in range(4)], [threading.Event() for _ in range(4)], dict[int, str]()

    def perform(held: Held) -> None:
        number = held.claim.id
        by[number] = threading.current_thread().name
        begun[number].set()
        let[number].wait(10)

    pool = Pool(1, perform, lambda: None)
    pool.start()
    stuck = a_held(1)
    pool.submit([stuck])
    begun[1].wait(10)
    pool.abandon(stuck)
    pool.submit([a_held(2), a_held(3)])
    begun[2].wait(10)

    let[1].set()
    while pool.abandoned:
        begun[3].wait(0.01)
    let[3].set()
    let[2].set()

    assert pool.wait_idle(10)
    assert by[1] != by[2] == by[3]


def test_a_run_on_its_way_to_a_thread_is_counted(a_held: MakeHeld) -> None:
    pool = Pool(1, gates := Gates(3), lambda: None)
    pool._waiting = line = Watched()
    pool.start()
    pool.submit([a_held(1)])
    assert gates.begun[1].wait(10)
    counted: list[tuple[int, int]] = []
    line.on_taken = lambda: counted.append((pool.held_of({"other"})["other"], pool.load))
    other = a_held(2)
    other.claim = other.claim._replace(queue="other")
    pool.submit([other])

    gates.let[1].set()
    gates.let[2].set()

    assert pool.wait_idle(10)
    assert counted == [(1, 2)]


def test_no_thread_is_lost_when_another_takes_what_one_that_was_given_up_puts_back(a_held: MakeHeld) -> None:
    pool = Pool(2, gates := Gates(7), lambda: None)
    pool._waiting = line = Watched()
    pool.start()
    stuck = a_held(1)
    pool.submit([stuck])
    assert gates.begun[1].wait(10)
    pool.abandon(stuck)
    pool.submit([a_held(2), a_held(3)])
    assert gates.begun[2].wait(10)
    assert gates.begun[3].wait(10)

    def another_takes_it() -> None:
        gates.let[2].set()
        gates.begun[4].wait(10)

    line.on_put_back = another_takes_it
    pool.submit([a_held(4)])
    gates.let[1].set()
    assert gates.begun[4].wait(10)
    while pool.abandoned:
        gates.begun[5].wait(0.01)
    gates.let[4].set()
    gates.let[3].set()
    pool.submit([a_held(5), a_held(6)])

    assert gates.begun[5].wait(3)
    assert gates.begun[6].wait(3)
    gates.let[5].set()
    gates.let[6].set()
    assert pool.wait_idle(10)


def test_a_run_that_has_just_ended_is_not_abandoned(a_held: MakeHeld) -> None:
    gate = Gate()
    gate.let.set()
    held = a_held()
    pool = Pool(1, gate, lambda: None)
    pool.start()
    pool.submit([held])
    pool.wait_idle(10)

    assert not pool.abandon(held)
    assert pool.abandoned == 0


def test_a_thread_survives_what_escapes_the_executor(a_held: MakeHeld) -> None:
    performed = []

    def explode(held: Held) -> None:
        performed.append(held.claim.id)
        raise SystemExit("handlers do this")

    pool = Pool(1, explode, lambda: None)
    pool.start()
    pool.submit([a_held(1), a_held(2)])

    assert pool.wait_idle(10)
    assert performed == [1, 2]


def test_held_runs_are_known_by_run_and_claim(a_held: MakeHeld) -> None:
    held = HeldRuns()
    first = a_held(1)
    held.add([first, a_held(2)])

    held.drop([(2, 1), (3, 1)])

    assert held.fences() == {(1, 1)}
    assert held.get((1, 1)) is first
    assert held.get((1, 2)) is None


def test_the_first_run_to_be_held_is_told_of_and_those_beside_it_are_not(a_held: MakeHeld) -> None:
    told: list[int] = []
    held = HeldRuns(lambda: told.append(len(held)))

    held.add([a_held(1), a_held(2)])
    held.add([a_held(3)])
    held.drop([(1, 1), (2, 1), (3, 1)])
    held.add([a_held(4)])

    assert told == [2, 1]


def test_what_has_not_moved_between_two_looks_has_stalled(a_held: MakeHeld) -> None:
    pool = Pool(1, lambda held: None, lambda: None)
    running = a_held(1)
    pool.submit([running, a_held(2)])
    running.started = 100.0

    looks = [pool.stalled(at) for at in (100.5, 100.51, 100.55)]

    # Whoever looks first may have kept the threads from the processor until then.
    assert looks == [0.0, 0.0, pytest.approx(0.55)]


def test_threads_that_begin_runs_between_two_looks_have_not_stalled(a_held: MakeHeld) -> None:
    pool = Pool(1, lambda held: None, lambda: None)
    running = a_held(1)
    pool.submit([running, a_held(2)])

    looks = []
    for begun in (100.0, 100.2, 100.4):
        running.started = begun
        looks.append(pool.stalled(begun + 0.1))

    assert looks == [0.0, 0.0, 0.0]


def test_threads_for_which_nothing_waits_have_not_stalled(a_held: MakeHeld) -> None:
    pool = Pool(1, lambda held: None, lambda: None)
    running = a_held(1)
    pool.submit([running])
    running.started = 100.0
    pool.take_waiting(keep=0)

    assert [pool.stalled(at) for at in (101.0, 102.0)] == [0.0, 0.0]
