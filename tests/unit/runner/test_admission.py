"""When a node looks whether somebody may go on in a place that was freed."""

from types import SimpleNamespace
from typing import Any

import pytest

from jobsched.errors import StoreUnavailableError
from jobsched.runner.admission import Admission
from jobsched.runner.options import Options
from jobsched.testing.clock import FakeClock


class Node:
    """Admission over a store that counts what it is asked, after the sweep that a node begins with."""

    def __init__(
        self,
        clock: FakeClock,
        *,
        admits_as_it_finishes: bool,
        limited: frozenset[str] = frozenset(),
        rated: frozenset[str] = frozenset(),
    ) -> None:
        self.asked: list[tuple[list[str], list[str]]] = []
        self.told, self.fails = 0, False
        store: Any = SimpleNamespace(
            admits_as_it_finishes=admits_as_it_finishes, admit=self._admit, next_places=lambda _: {}
        )
        definitions: Any = SimpleNamespace(namespaces=("default",), limited_queues=limited, rated_queues=rated)
        heartbeat: Any = SimpleNamespace(now=clock.now)
        self.store, self.clock = store, clock
        self.admission = Admission(store, clock, Options(), definitions, heartbeat, self._tell)
        self.admission.step()
        self.asked.clear()

    def _admit(self, _namespaces: object, keys: list[str] | None, queues: list[str]) -> int:
        self.asked.append((keys or [], queues))
        if self.fails:
            raise StoreUnavailableError("held")
        return 0

    def _tell(self) -> None:
        self.told += 1

    def ended(self, *keys: str | None, queue: str = "default") -> None:
        claims: Any = [SimpleNamespace(key=key, queue=queue) for key in keys]
        self.admission.places_freed(claims)


def test_a_freed_place_is_looked_at_at_once(clock: FakeClock) -> None:
    node = Node(clock, admits_as_it_finishes=False)

    node.ended("a", None, "b")
    node.admission.step()

    assert node.asked == [(["a", "b"], [])]


def test_where_the_store_has_filled_it_a_moment_later_is_enough_for_all_of_that_moment(clock: FakeClock) -> None:
    node = Node(clock, admits_as_it_finishes=True)

    node.ended("a")
    first = node.admission.step()
    clock.advance(first / 2)
    node.ended("b")
    second = node.admission.step()
    assert second == pytest.approx(first / 2)
    assert node.asked == []
    clock.advance(second)
    node.admission.step()

    assert node.asked == [(["a", "b"], [])]


def test_a_place_of_a_queue_with_a_limit_is_looked_at_at_once_and_the_keys_with_it(clock: FakeClock) -> None:
    node = Node(clock, admits_as_it_finishes=True, limited=frozenset({"mail"}))

    node.ended("a")
    node.ended("b", queue="mail")
    node.admission.step()

    assert node.asked == [(["a", "b"], ["mail"])]


def test_where_a_queue_has_a_rate_the_store_fills_nothing_and_a_freed_place_is_looked_at_at_once(
    clock: FakeClock,
) -> None:
    node = Node(clock, admits_as_it_finishes=True, rated=frozenset({"mail"}))

    node.ended("a")
    node.admission.step()

    assert node.asked == [(["a"], [])]


def test_the_place_of_a_thread_that_was_given_up_is_looked_at_at_once(clock: FakeClock) -> None:
    node = Node(clock, admits_as_it_finishes=True)
    node.store.end_abandoned = lambda _ids, _node: None
    claim: Any = SimpleNamespace(id=1, node=1, key="a", queue="default")

    node.admission.thread_ended(claim)
    node.admission.step()

    assert node.asked == [(["a"], [])]


def test_what_was_let_in_before_a_key_that_somebody_holds_is_told_of_and_that_one_is_looked_at_again(
    clock: FakeClock,
) -> None:
    node = Node(clock, admits_as_it_finishes=False)
    node.ended("a", "b")

    node.fails = True
    with pytest.raises(StoreUnavailableError):
        node.admission.step()
    node.fails = False
    node.admission.step()

    assert node.told == 1
    assert node.asked == [(["a", "b"], [])] * 2
