"""The completer: what has ended, written along with something else."""

from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from jobsched.clock import SystemClock
from jobsched.errors import StoreError, StoreUnavailableError
from jobsched.model.run import Became, LogLine, RunState, Transition
from jobsched.observe.events import ResultDropped
from jobsched.observe.listeners import Events
from jobsched.runner.completer import Completer
from jobsched.runner.held import Held, HeldRuns
from jobsched.schedule.retry import after_success

WELL = Became(RunState.SUCCEEDED, None)


class Node:
    """A completer, with what it has finished by itself, and what was said."""

    def __init__(self, a_held: Callable[..., Held]) -> None:
        self.finished: list[list[int]] = []
        self.dropped: list[int] = []
        events = Events()
        events.count(lambda event: self.dropped.append(event.run) if isinstance(event, ResultDropped) else None)
        self.lines: list[str] = []
        store: Any = SimpleNamespace(finish=self._finish, append_log=self._append_log)
        self.held = HeldRuns()
        self.completer = Completer(store, SystemClock(), self.held, lambda _: None, lambda _: None, events)
        self._a_held = a_held

    def _finish(self, transitions: Sequence[Transition]) -> dict[int, Became]:
        self.finished.append([one.id for one in transitions])
        return {one.id: WELL for one in transitions}

    def _append_log(self, lines: Sequence[LogLine]) -> None:
        self.lines += [line.text for line in lines]

    def ended(self, number: int, text: str = "") -> None:
        held = self._a_held(number)
        held.begun = True
        held.log.write("stdout", text)
        self.held.add([held])
        self.completer.put(held, after_success(held.claim, None))


class InTurn(Node):
    """Of a store where one write waits for the other; `claims` is what the dispatcher says, `at_it` whether of this moment."""

    def __init__(self, a_held: Callable[..., Held], claims: Callable[[], bool], *, at_it: bool = False) -> None:
        super().__init__(a_held)
        store: Any = SimpleNamespace(finish=self._finish, append_log=self._append_log, writes_in_turn=True)
        self.clock = Waits()
        self.completer = Completer(
            store,
            self.clock,
            self.held,
            lambda _: None,
            lambda _: None,
            Events(),
            more_to_come=claims,
            is_claiming=lambda: at_it,
        )


class Waits(SystemClock):
    """Counts the waits, and waits for nothing: the time has passed at once."""

    def __init__(self) -> None:
        self.count, self.passed = 0, 0.0

    def monotonic(self) -> float:
        return self.passed

    def wait(self, _event: object, seconds: float | None) -> bool:
        self.count += 1
        self.passed += seconds or 0.0
        return False


@pytest.fixture
def node(a_held: Callable[..., Held]) -> Node:
    return Node(a_held)


def all_ours(transitions: Sequence[Transition]) -> tuple[Mapping[int, Became], str]:
    return {one.id: WELL for one in transitions}, "more"


def refused(_: Sequence[Transition]) -> tuple[Mapping[int, Became], str]:
    raise StoreError("not this one")


def unavailable(_: Sequence[Transition]) -> tuple[Mapping[int, Became], str]:
    raise StoreUnavailableError("away")


def test_what_has_ended_is_written_along_once(node: Node) -> None:
    node.ended(1)
    node.ended(2)

    assert node.completer.written_with(all_ours) == "more"

    assert (node.completer.backlog, len(node.held)) == (0, 0)
    node.completer.flush()
    assert node.finished == []


def test_where_nothing_has_ended_nothing_is_asked(node: Node) -> None:
    assert node.completer.written_with(unavailable) is None


def test_the_lines_of_an_attempt_are_written_before_its_end(node: Node) -> None:
    node.ended(1, "hello\n")

    assert node.completer.written_with(unavailable) is None


def test_what_cannot_be_written_along_is_written_by_itself(node: Node) -> None:
    node.ended(1)

    assert node.completer.written_with(refused) is None

    node.completer.flush()
    assert node.finished == [[1]]


def test_what_may_have_been_written_along_is_no_dropped_result(node: Node) -> None:
    node.ended(1)
    with pytest.raises(StoreUnavailableError):
        node.completer.written_with(unavailable)

    assert node.completer.written_with(lambda _: ({}, "more")) == "more"

    assert (node.dropped, node.completer.backlog) == ([], 0)


def test_a_result_that_was_not_ours_is_said_to_be_dropped(node: Node) -> None:
    node.ended(1)

    node.completer.written_with(lambda _: ({}, "more"))

    assert node.dropped == [1]


def test_what_is_being_written_is_not_written_along(node: Node) -> None:
    node.ended(1)

    def write(transitions: Sequence[Transition]) -> tuple[Mapping[int, Became], str]:
        assert node.completer.written_with(unavailable) is None
        return all_ours(transitions)

    assert node.completer.written_with(write) == "more"


def test_the_first_run_that_is_held_wakes_a_completer_that_would_not_look_by_itself(
    node: Node, a_held: Callable[..., Held]
) -> None:
    assert node.completer.step() is None

    node.held.add([a_held(1)])
    node.completer.first_held()

    assert node.completer._bell.is_set()


def test_a_completer_that_looks_by_itself_is_not_woken_for_each_first_run(
    node: Node, a_held: Callable[..., Held]
) -> None:
    node.held.add([a_held(1)])

    assert node.completer.step() is not None
    node.completer.first_held()

    assert not node.completer._bell.is_set()


def test_a_run_that_comes_while_results_are_written_is_looked_at(
    node: Node, a_held: Callable[..., Held], monkeypatch: pytest.MonkeyPatch
) -> None:
    node.ended(1)
    finish = node._finish

    def while_writing(transitions: Sequence[Transition]) -> dict[int, Became]:
        node.held.add([a_held(2)])
        node.completer.first_held()
        return finish(transitions)

    monkeypatch.setattr(node.completer._store, "finish", while_writing)

    assert node.completer.step() is not None or node.completer._bell.is_set()


def test_what_has_ended_waits_for_the_claim_that_it_will_be_written_with(a_held: Callable[..., Held]) -> None:
    node = InTurn(a_held, lambda: True)
    node.ended(1)

    assert node.completer.step() == 0.0

    assert (node.finished, node.completer.backlog) == ([], 1)
    assert node.completer.written_with(all_ours) == "more"


def test_what_has_ended_does_not_wait_for_a_claim_for_long(a_held: Callable[..., Held]) -> None:
    node = InTurn(a_held, lambda: True)
    node.ended(1)

    while node.completer.backlog:
        node.completer.step()

    assert (node.finished, node.clock.count) == ([[1]], 5)


def test_what_has_ended_is_written_at_once_where_no_claim_is_near(a_held: Callable[..., Held]) -> None:
    node = InTurn(a_held, lambda: False)
    node.ended(1)

    node.completer.step()

    assert (node.finished, node.clock.count) == ([[1]], 0)


def test_an_end_does_not_wait_for_claims_that_come_and_do_not_take_it_along(a_held: Callable[..., Held]) -> None:
    node = InTurn(a_held, lambda: True, at_it=True)
    node.ended(1)

    while node.completer.backlog and node.clock.passed < 10:
        assert node.completer.written_with(refused) is None
        node.completer.step()

    assert node.finished == [[1]]
    assert node.clock.passed < 1


def test_an_end_whose_lines_no_claim_takes_along_does_not_wait_for_one(a_held: Callable[..., Held]) -> None:
    node = InTurn(a_held, lambda: True, at_it=True)
    node.ended(1, "hello\n")

    node.completer.step()

    assert (node.lines, node.finished) == (["hello"], [[1]])


def test_the_lines_of_what_goes_on_are_written_though_each_claim_takes_along_what_has_ended(
    a_held: Callable[..., Held],
) -> None:
    node = InTurn(a_held, lambda: True)
    slow = a_held(1)
    slow.log.write("stdout", "half of it\n")
    node.held.add([slow])

    for number in range(2, 102):
        node.ended(number)
        node.completer.step()
        node.completer.written_with(all_ours)

    assert node.lines == ["half of it"]
    assert len(node.finished) < 10


@pytest.mark.parametrize(("firing", "seconds"), [(True, 0.05), (False, 0.005)])
def test_while_slots_are_fired_what_has_ended_waits_longer_for_what_will(
    a_held: Callable[..., Held], firing: bool, seconds: float
) -> None:
    node, clock = Node(a_held), Waits()
    store: Any = SimpleNamespace(finish=node._finish, append_log=node._append_log, writes_in_turn=False)
    node.completer = Completer(
        store,
        clock,
        node.held,
        lambda _: None,
        lambda _: None,
        Events(),
        more_to_come=lambda: True,
        is_firing=lambda: firing,
    )
    node.ended(1)

    node.completer.step()

    assert (clock.passed, node.finished) == (seconds, [[1]])
