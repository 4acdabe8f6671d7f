"""Limits of queues, as nodes at work keep them."""

import threading
from datetime import timedelta
from typing import TYPE_CHECKING

from jobsched.model.job import Concurrency, Timeout
from jobsched.model.run import Reason, RunState

if TYPE_CHECKING:
    from tests.runner.conftest import Bench

PENDING, BLOCKED, RUNNING, SUCCEEDED = RunState.PENDING, RunState.BLOCKED, RunState.RUNNING, RunState.SUCCEEDED
FREE = Concurrency("allow", None)


def test_a_limit_holds_over_two_nodes_and_other_queues_go_on(bench: "Bench") -> None:
    busy: list[None] = []
    most: list[int] = []

    @bench.handler
    def work() -> None:
        busy.append(None)
        most.append(len(busy))
        threading.Event().wait(0.01)
        busy.pop()

    @bench.handler
    def other() -> None:
        """Of a queue without a limit."""

    bench.limit_queues(mail=3)
    bench.node(), bench.node()

    limited = [bench.client.enqueue("work", queue="mail").id for _ in range(40)]
    free = [bench.client.enqueue("other").id for _ in range(10)]

    assert {bench.ended(run_id).state for run_id in limited + free} == {SUCCEEDED}
    assert max(most) <= 3


def test_an_edit_of_the_limit_is_heeded_by_nodes_at_work(bench: "Bench") -> None:
    let = threading.Event()

    @bench.handler
    def held() -> None:
        let.wait(30)

    bench.limit_queues(mail=1)
    bench.node()
    first, second, third = [bench.client.enqueue("held", queue="mail").id for _ in range(3)]
    bench.eventually(first, RUNNING)

    bench.limit_queues(mail=2)

    bench.eventually(second, RUNNING)
    assert bench.client.run(third).state is BLOCKED
    let.set()
    assert bench.ended(third).state is SUCCEEDED


def test_a_stuck_thread_keeps_its_place_of_the_queue_until_it_ends(bench: "Bench") -> None:
    let = threading.Event()

    @bench.handler
    def stuck() -> None:
        let.wait(30)

    @bench.handler
    def next_one() -> None:
        """What waits for the place."""

    soon = Timeout(timedelta(milliseconds=100), kill_after=timedelta(milliseconds=100))
    bench.limit_queues(mail=1)
    bench.declare("stuck", queue="mail", timeout=soon, concurrency=FREE)
    bench.declare("next_one", queue="mail", concurrency=FREE)
    bench.node()
    given_up = bench.ended(bench.trigger("stuck"))

    waiting = bench.trigger("next_one")
    beside = bench.client.run(waiting).state
    let.set()

    assert (given_up.reason, beside) == (Reason.TIMEOUT, BLOCKED)
    assert bench.ended(waiting).state is SUCCEEDED
