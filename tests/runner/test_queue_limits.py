"""Limits of queues, as nodes at work keep them."""

import threading
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from jobsched.model.job import Concurrency, Timeout
from jobsched.model.queue import QueueLimits, Rate
from jobsched.model.run import Reason, RunState

if TYPE_CHECKING:
    from tests.runner.conftest import Bench

PENDING, BLOCKED, RUNNING, SUCCEEDED = RunState.PENDING, RunState.BLOCKED, RunState.RUNNING, RunState.SUCCEEDED
FREE = Concurrency("allow", None)


def other() -> None:
    """Of a queue that nothing limits, or behind one that is stuck."""


def test_a_queue_has_at_most_its_share_of_a_nodes_threads_and_others_the_rest(either_bench: "Bench") -> None:
    let = threading.Event()

    @either_bench.handler
    def slow() -> None:
        let.wait(30)

    either_bench.handler(other)
    mails = [either_bench.client.enqueue("slow", queue="mail").id for _ in range(20)]
    others = [either_bench.client.enqueue("other").id for _ in range(20)]
    node = either_bench.node(threads=3, queue_threads={"mail": 2})

    # They come behind twenty mails, and pass them by.
    assert {either_bench.ended(run_id).state for run_id in others} == {SUCCEEDED}
    of_mails = Counter(either_bench.client.run(run_id).state for run_id in mails)
    assert of_mails == {PENDING: 18, RUNNING: 2}
    assert node.pool.held_of(["mail"]) == {"mail": 2}
    let.set()
    assert {either_bench.ended(run_id).state for run_id in mails} == {SUCCEEDED}


def test_what_is_above_the_share_of_a_node_runs_on_another(bench: "Bench") -> None:
    together = threading.Barrier(2, timeout=30)

    @bench.handler
    def meet() -> None:
        together.wait()

    bench.node(queue_threads={"mail": 1}), bench.node(queue_threads={"mail": 1})

    runs = [bench.client.enqueue("meet", queue="mail").id for _ in range(2)]

    ended = [bench.ended(run_id) for run_id in runs]
    assert {run.state for run in ended} == {SUCCEEDED}
    assert len({run.node for run in ended}) == 2


def test_a_thread_given_up_keeps_its_place_of_the_share(bench: "Bench") -> None:
    let = threading.Event()

    @bench.handler
    def stuck() -> None:
        let.wait(30)

    bench.handler(other)
    soon = Timeout(timedelta(milliseconds=100), kill_after=timedelta(milliseconds=50))
    bench.declare("stuck", queue="mail", timeout=soon, concurrency=FREE)
    node = bench.node(max_abandoned=4, queue_threads={"mail": 1})
    first = bench.trigger("stuck")
    assert bench.ended(first).reason is Reason.TIMEOUT

    waiting = bench.client.enqueue("other", queue="mail").id
    assert bench.ended(bench.client.enqueue("other").id).state is SUCCEEDED

    assert (node.pool.abandoned, bench.client.run(waiting).state) == (1, PENDING)
    let.set()
    assert bench.ended(waiting).state is SUCCEEDED


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


def test_two_nodes_share_a_rate_and_look_when_its_next_place_comes(bench: "Bench") -> None:
    rate = Rate(20, timedelta(seconds=1))
    bench.handler(other)
    bench.limit_queues(mail=QueueLimits(rate=rate))
    # Neither a poll nor a sweep comes in time to help.
    never = timedelta(minutes=1)
    bench.node(poll=never), bench.node(poll=never)

    runs = [bench.client.enqueue("other", queue="mail").id for _ in range(30)]
    begun = sorted(run.started_at for run in map(bench.ended, runs) if run.started_at)

    # Of those let in, no more than a burst may wait for a thread, and start with those of the next moments.
    windows = [sum(at <= one < at + rate.period / 2 for one in begun) for at in begun]
    assert len(begun) == 30
    assert max(windows) <= rate.runs / 2 + 2 * rate.burst


def test_a_rate_that_comes_by_an_edit_is_heeded_by_nodes_at_work(bench: "Bench") -> None:
    bench.handler(other)
    bench.node()
    assert bench.ended(bench.client.enqueue("other", queue="mail").id).state is SUCCEEDED

    bench.limit_queues(mail=QueueLimits(rate=Rate(1, timedelta(hours=1))))
    first, second = [bench.client.enqueue("other", queue="mail").id for _ in range(2)]
    held = bench.ended(first).state, bench.client.run(second).state
    bench.limit_queues(mail=QueueLimits(rate=Rate(20, timedelta(seconds=1))))

    assert held == (SUCCEEDED, BLOCKED)
    assert bench.ended(second).state is SUCCEEDED


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
