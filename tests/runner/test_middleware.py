"""What a program puts around the attempts of its node."""

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from jobsched import Runner
from jobsched.errors import Retry
from jobsched.handlers.call import Call
from jobsched.model.run import RunState

if TYPE_CHECKING:
    from tests.runner.conftest import Bench


@pytest.fixture
def bench(either_bench: "Bench") -> "Bench":
    return either_bench


def test_middleware_is_around_each_attempt_the_first_outermost(bench: "Bench") -> None:
    seen: list[object] = []

    def outer(call: Call, perform: Callable[[], Any]) -> Any:
        seen.append(("outer", call.run_id, call.attempt, dict(call.payload)))
        result = perform()
        seen.append("outer again")
        return result

    def inner(_: Call, perform: Callable[[], Any]) -> Any:
        seen.append("inner")
        return perform()

    bench.registry.handler("double")(lambda number: 2 * number)
    node = bench.node()
    node.use(outer)
    node.use(inner)

    run = bench.ended(bench.client.enqueue("double", {"number": 4}).id)

    assert run.result == 8
    assert seen == [("outer", run.id, 1, {"number": 4}), "inner", "outer again"]


def test_middleware_may_change_the_result(bench: "Bench") -> None:
    bench.registry.handler("work")(lambda: 1)
    bench.node().use(lambda _, perform: {"took": timedelta(seconds=perform())})

    assert bench.ended(bench.client.enqueue("work").id).result == {"took": "PT1S"}


def test_what_middleware_raises_the_attempt_has_raised(bench: "Bench") -> None:
    def impatient(call: Call, perform: Callable[[], Any]) -> Any:
        if call.attempt == 1:
            raise Retry(after=0)
        return perform()

    bench.registry.handler("work")(lambda: "done")
    bench.node().use(impatient)

    run = bench.ended(bench.client.enqueue("work", max_attempts=2).id)

    assert (run.state, run.attempt, run.result) == (RunState.SUCCEEDED, 2, "done")


def test_what_is_used_before_the_start_is_around_the_first_attempt(bench: "Bench") -> None:
    bench.registry.handler("work")(lambda: 1)
    made = bench.client.enqueue("work")
    node = Runner(bench.client, registry=bench.registry)
    node.use(lambda _, perform: perform() + 1)

    with node:
        assert bench.ended(made.id).result == 2
