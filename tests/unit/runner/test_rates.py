"""When a node looks after queues with a rate."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from jobsched.runner.options import Options
from jobsched.runner.rates import LEAST_PAUSE, NextPlaces

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Told:
    """A store that says this of the next places, and counts how often it is asked."""

    def __init__(self, places: dict[str, datetime | None]) -> None:
        self.places, self.asked = places, 0

    def next_places(self, _namespaces: object) -> dict[str, datetime | None]:
        self.asked += 1
        return self.places


def the_places(store: Any, *rated: str) -> NextPlaces:
    definitions: Any = SimpleNamespace(namespaces=("default",), rated_queues=frozenset(rated))
    heartbeat: Any = SimpleNamespace(now=lambda: NOW)
    return NextPlaces(store, Options(), definitions, heartbeat)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_without_a_rate_the_store_is_not_asked() -> None:
    store = Told({})

    assert the_places(store).look() == float("inf")
    assert store.asked == 0


@pytest.mark.parametrize(
    ("places", "pause"),
    [
        ({}, 1.0),
        ({"mail": after(0.5)}, 0.5),
        ({"mail": after(0.5), "sms": after(0.25), "video": None}, 0.25),
        ({"mail": after(3600)}, 1.0),
        ({"mail": None}, 1.0),
        ({"mail": after(0.001)}, LEAST_PAUSE),
        # Taken by nobody: something else is in the way.
        ({"mail": NOW}, LEAST_PAUSE),
        ({"mail": after(-0.2)}, 0.2),
        ({"mail": after(-3600)}, 1.0),
    ],
)
def test_a_node_looks_when_the_next_place_comes_and_rests_until_then(
    places: dict[str, datetime | None], pause: float
) -> None:
    assert the_places(Told(places), "mail", "sms", "video").look() == pytest.approx(pause)


def test_queues_whose_place_has_come_are_looked_after_and_no_others() -> None:
    known = the_places(Told({"mail": NOW, "sms": after(1), "video": None}), "mail", "sms", "video")
    known.look()

    assert known.come() == {"mail"}
    assert known.want_a_thread == {"video"}
