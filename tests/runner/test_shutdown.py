"""Stopping a node: what ends is saved, what does not goes back, and several nodes of a process do not disturb each other."""

import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from jobsched.errors import OutcomeUnknownError, StoreUnavailableError
from jobsched.handlers.registry import Registry
from jobsched.model.handler import CommandHandler, PythonHandler
from jobsched.model.job import Concurrency, Retries, Timeout
from jobsched.model.run import Reason, RunState
from jobsched.runner.runner import Runner

if TYPE_CHECKING:
    from tests.runner.conftest import Bench

SHORT = Timeout(timedelta(milliseconds=100), kill_after=timedelta(milliseconds=100))


def test_what_ends_within_the_grace_is_saved_even_if_the_store_is_away_for_a_while(bench: "Bench") -> None:
    begun, let = threading.Event(), threading.Event()

    @bench.handler
    def work() -> str:
        begun.set()
        let.wait(20)
        return "done"

    bench.declare("work")
    node = bench.node()
    run_id = bench.trigger("work")
    begun.wait(20)
    bench.store.fail("finish", *[StoreUnavailableError("away")] * 3)
    let.set()

    saved = node.shut_down()

    assert saved
    assert bench.client.run(run_id).result == "done"


def test_what_a_run_wrote_before_it_was_given_back_is_kept(bench: "Bench") -> None:
    begun = threading.Event()

    @bench.handler
    def stuck() -> None:
        print("the last words")
        begun.set()
        threading.Event().wait(60)

    bench.declare("stuck")
    node = bench.node(grace=timedelta(0))
    run_id = bench.trigger("stuck")
    begun.wait(20)

    node.shut_down()

    run = bench.client.run(run_id)
    assert (run.state, run.attempt) == (RunState.PENDING, 0)
    assert bench.log(run_id) == ["the last words"]


def test_a_claim_whose_answer_was_lost_goes_back_when_the_node_stops(either_bench: "Bench") -> None:
    bench, lost = either_bench, threading.Event()

    @bench.handler
    def work() -> None: ...

    def claim_and_lose_the_answer(claim: Callable[..., Any], *args: Any) -> Any:
        claims = claim(*args)
        if claims:
            bench.store.fail("claim", *[StoreUnavailableError("away")] * 100)
            lost.set()
            raise OutcomeUnknownError("the answer was lost")
        return claims

    bench.declare("work")
    bench.store.on("claim", claim_and_lose_the_answer)
    node = bench.node()
    run_id = bench.trigger("work")
    assert lost.wait(20)
    assert bench.client.run(run_id).state is RunState.RUNNING

    saved = node.shut_down()

    run = bench.client.run(run_id)
    assert (saved, run.state, run.attempt) == (True, RunState.PENDING, 0)
    assert bench.store.nodes() == []


def test_a_stuck_attempt_whose_time_was_up_counts_when_its_node_stops(bench: "Bench") -> None:
    @bench.handler
    def stuck() -> None:
        threading.Event().wait(60)

    bench.declare("stuck", timeout=SHORT, retries=Retries(max=1, delay=timedelta(hours=1)))
    node = bench.node(grace=timedelta(0))
    run_id = bench.trigger("stuck")
    never = threading.Event()
    while not node.pool.abandoned:
        never.wait(0.01)

    node.shut_down()

    run = bench.client.run(run_id)
    assert (run.state, run.reason, run.attempt, len(run.error)) == (RunState.SCHEDULED, Reason.TIMEOUT, 1, 1)


def test_the_place_of_a_stuck_thread_stays_taken_until_it_ends(bench: "Bench") -> None:
    let, begun = threading.Event(), []

    @bench.handler
    def stuck() -> None:
        begun.append(1)
        if len(begun) == 1:
            let.wait(60)

    bench.declare("stuck", timeout=SHORT, concurrency=Concurrency("forbid", 1))
    node = bench.node()
    first = bench.ended(bench.trigger("stuck"))
    second = bench.trigger("stuck")
    node.admission.sweep()
    node.scheduler.step()

    waiting = bench.client.run(second).state
    let.set()

    assert (first.state, first.reason) == (RunState.FAILED, Reason.TIMEOUT)
    assert waiting is RunState.BLOCKED
    assert bench.ended(second).state is RunState.SUCCEEDED
    assert len(begun) == 2


def test_a_node_that_gave_up_as_many_threads_as_it_may_drains_and_says_so(bench: "Bench") -> None:
    let, slow_began, slow_may_end = threading.Event(), threading.Event(), threading.Event()

    @bench.handler
    def stuck() -> None:
        let.wait(60)

    @bench.handler
    def slow() -> str:
        slow_began.set()
        slow_may_end.wait(60)
        return "saved"

    soon = Timeout(timedelta(milliseconds=50), kill_after=timedelta(milliseconds=50))
    bench.declare("stuck", timeout=soon)
    bench.declare("slow", concurrency=Concurrency(policy="allow", limit=None))
    node = bench.node(threads=2, max_abandoned=1)
    running = bench.trigger("slow")
    assert slow_began.wait(20)

    lost = bench.trigger("stuck")
    node.wait()
    late = bench.trigger("slow")
    slow_may_end.set()
    saved = node.shut_down()
    let.set()

    assert (node.worn_out, saved) == (True, True)
    assert bench.client.run(lost).reason is Reason.TIMEOUT
    assert bench.client.run(running).result == "saved"
    assert bench.client.run(late).state is RunState.PENDING


def test_a_node_whose_heartbeat_hangs_does_not_turn_and_one_whose_store_is_away_does(bench: "Bench") -> None:
    hung, let, away = threading.Event(), threading.Event(), threading.Event()
    node = bench.node(heartbeat=timedelta(milliseconds=20), lease=timedelta(milliseconds=300))

    def fail(real: object, *args: object) -> None:
        away.set()
        raise StoreUnavailableError("away")

    def hang(real: object, *args: object) -> None:
        hung.set()
        let.wait(60)
        raise StoreUnavailableError("away")

    bench.store.on("heartbeat", fail)
    assert away.wait(20)
    while_away = node.turning
    bench.store.on("heartbeat", hang)
    assert hung.wait(20)
    never = threading.Event()
    seen_to_hang = any(not node.turning or never.wait(0.05) for _ in range(400))
    let.set()

    assert while_away
    assert seen_to_hang


def test_a_second_stop_is_harmless(bench: "Bench") -> None:
    node = bench.node()

    node.stop()
    node.stop(hard=True)

    assert node.shut_down()
    assert node.shut_down()
    assert bench.client.nodes() == []


def test_two_nodes_of_a_process_have_their_own_handlers_and_ends(bench: "Bench") -> None:
    bench.declare("long", performs=CommandHandler(("sleep", "1")))
    bench.declare("path", performs=PythonHandler("platform:node"))
    first = bench.node()
    long = bench.trigger("long")
    bench.eventually(long, RunState.RUNNING)
    second = Runner(bench.client, registry=Registry(), options=first.options, namespaces=["elsewhere"])
    second.start()

    second.stop(hard=True)
    second.shut_down()

    assert bench.ended(bench.trigger("path")).state is RunState.SUCCEEDED
    assert bench.ended(long).state is RunState.SUCCEEDED


def test_the_streams_of_the_process_are_given_back_when_the_last_node_has_stopped(bench: "Bench") -> None:
    before = sys.stdout

    first, second = bench.node(), bench.node()
    first.shut_down()
    between = sys.stdout
    second.shut_down()

    assert between is not before
    assert sys.stdout is before
