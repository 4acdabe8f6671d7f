"""When a node looks whether somebody may go on in a place that was freed."""

from types import SimpleNamespace
from typing import Any

import pytest

from jobsched.runner.admission import Admission
from jobsched.runner.options import Options
from jobsched.testing.clock import FakeClock


class Node:
    """Admission over a store that counts what it is asked, after the sweep that a node begins with."""

    def __init__(self, clock: FakeClock, *, admits_as_it_finishes: bool, limited: frozenset[str] = frozenset()) -> None:
        self.asked: list[tuple[list[str], list[str]]] = []
        store: Any = SimpleNamespace(admits_as_it_finishes=admits_as_it_finishes, admit=self._admit)
        definitions: Any = SimpleNamespace(
            namespaces=("default",), limited_queues=limited, rated_queues=frozenset[str]()
        )
        heartbeat: Any = SimpleNamespace()
        self.store, self.clock = store, clock
        self.admission = Admission(store, clock, Options(), definitions, heartbeat, lambda: None)
        self.admission.step()
        self.asked.clear()

    def _admit(self, _namespaces: object, keys: list[str] | None, queues: list[str]) -> int:
        self.asked.append((keys or [], queues))
        return 0

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


def test_the_place_of_a_thread_that_was_given_up_is_looked_at_at_once(clock: FakeClock) -> None:
    node = Node(clock, admits_as_it_finishes=True)
    node.store.end_abandoned = lambda _ids, _node: None
    claim: Any = SimpleNamespace(id=1, node=1, key="a", queue="default")

    node.admission.thread_ended(claim)
    node.admission.step()

    assert node.asked == [(["a"], [])]
