"""Keys that people and programs give: with the payload of a trigger, or with an ad-hoc run."""

import threading
from typing import TYPE_CHECKING

import pytest

from jobsched.model.handler import CommandHandler
from jobsched.model.job import Concurrency
from jobsched.model.run import RunState

if TYPE_CHECKING:
    from tests.runner.conftest import Bench

PENDING, BLOCKED, SUCCEEDED = RunState.PENDING, RunState.BLOCKED, RunState.SUCCEEDED


def test_triggers_are_counted_by_the_region_of_their_payload(bench: "Bench") -> None:
    bench.declare("work", performs=CommandHandler(("true",)), concurrency=Concurrency(key="payload.region"))

    asked = [bench.client.trigger("work", {"region": region}) for region in ("eu", "us", "eu")]

    assert [made.state for made in asked] == [PENDING, PENDING, BLOCKED]
    bench.node()
    assert [bench.ended(made.id).state for made in asked] == [SUCCEEDED] * 3


def test_of_the_ad_hoc_runs_of_a_key_one_runs_at_a_time(bench: "Bench") -> None:
    busy: list[None] = []
    most: list[int] = []

    @bench.handler
    def work() -> None:
        busy.append(None)
        most.append(len(busy))
        threading.Event().wait(0.01)
        busy.pop()

    node = bench.node()
    made = [bench.client.enqueue("work", concurrency_key="customer-7") for _ in range(10)]

    assert [bench.ended(one.id).state for one in made] == [SUCCEEDED] * 10
    assert (max(most), node.options.threads) == (1, 4)


def test_what_is_no_key_is_refused(bench: "Bench") -> None:
    with pytest.raises(ValueError, match="1 to 200 characters"):
        bench.client.enqueue("work", concurrency_key="")
