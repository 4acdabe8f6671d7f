"""A store that errs, blocks or goes away under a node: nothing is lost, nothing stays running, nothing is blocked by one."""

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jobsched.config.load import load
from jobsched.errors import OutcomeUnknownError, StoreBrokenError, StoreError, StoreLostError, StoreUnavailableError
from jobsched.model.handler import CommandHandler
from jobsched.model.job import Concurrency
from jobsched.model.run import RunState, Transition
from jobsched.runner.heartbeat import Heartbeat
from jobsched.runner.runner import Runner

if TYPE_CHECKING:
    from tests.runner.conftest import Bench

AWAY = StoreUnavailableError("away")


def test_a_node_that_is_held_up_while_it_starts_works_all_the_same(
    bench: "Bench", monkeypatch: pytest.MonkeyPatch
) -> None:
    fit, held_up = vars(Heartbeat)["fit"].fget, [True]
    # At its first look its lease is no longer fresh.
    monkeypatch.setattr(Heartbeat, "fit", property(lambda node: fit(node) if not held_up else not held_up.pop()))

    @bench.handler
    def work() -> str:
        return "done"

    bench.declare("work")
    bench.node()

    assert not held_up
    assert bench.ended(bench.trigger("work")).state is RunState.SUCCEEDED


@pytest.mark.parametrize("error", [AWAY, StoreError("broken")])
def test_an_error_between_claim_and_start_loses_nothing(bench: "Bench", error: Exception) -> None:
    @bench.handler
    def work() -> str:
        return "done"

    bench.declare("work")
    run_id = bench.trigger("work")
    bench.store.fail("jobs", error)

    bench.node()

    assert bench.ended(run_id).result == "done"


def test_a_handlers_own_database_being_away_is_its_failure(bench: "Bench") -> None:
    @bench.handler
    def asks_elsewhere() -> None:
        raise AWAY

    bench.declare("asks_elsewhere")
    bench.node()

    run = bench.ended(bench.trigger("asks_elsewhere"))

    assert (run.state, run.attempt, run.error[0]["type"]) == (RunState.FAILED, 1, "StoreUnavailableError")


def test_one_result_that_the_store_refuses_blocks_no_other(bench: "Bench") -> None:
    @bench.handler
    def work(number: int) -> int:
        return number

    def refuse_seven(finish: Callable[..., Any], transitions: list[Transition]) -> Any:
        if any(one.result == 7 for one in transitions):
            raise StoreError("not that one")
        return finish(transitions)

    bench.declare("work", concurrency=Concurrency("allow", None))
    bench.store.on("finish", refuse_seven)
    runs = [bench.trigger("work", number=number) for number in range(20)]

    bench.node()

    ended = [bench.ended(run) for run in runs]
    assert [run.result for run in ended if run.state is RunState.SUCCEEDED] == [n for n in range(20) if n != 7]
    [refused] = [run for run in ended if run.state is RunState.FAILED]
    assert "could not be stored" in refused.error[0]["message"]


def test_results_are_written_while_log_lines_cannot_be_kept(bench: "Bench") -> None:
    @bench.handler
    def talk() -> str:
        print("a line")
        return "done"

    bench.declare("talk")
    bench.store.fail("append_log", *[StoreError("disk full")] * 3)
    bench.node()

    assert bench.ended(bench.trigger("talk")).result == "done"


@pytest.mark.parametrize("error", [AWAY, StoreBrokenError("disk full")])
def test_results_wait_for_a_store_that_is_away_and_are_then_written_once(bench: "Bench", error: StoreError) -> None:
    @bench.handler
    def work() -> str:
        return "done"

    bench.declare("work")
    bench.store.fail("finish", *[error] * 4)
    bench.node()

    run = bench.ended(bench.trigger("work"))

    assert (run.state, run.attempt) == (RunState.SUCCEEDED, 1)


def test_a_node_whose_database_others_no_longer_find_ends_and_says_so(
    bench: "Bench", caplog: pytest.LogCaptureFixture
) -> None:
    bench.store.fail("heartbeat", *[StoreLostError("the log is another one")] * 20)
    node = bench.node()

    node.wait()

    assert "this node ends, and has to be started anew: the log is another one" in caplog.text


def test_a_commit_whose_answer_was_lost_is_not_called_a_lost_run(
    bench: "Bench", caplog: pytest.LogCaptureFixture
) -> None:
    @bench.handler
    def work() -> str:
        return "done"

    lost: list[Any] = []

    def commit_and_lose_the_answer(finish: Callable[..., Any], transitions: list[Transition]) -> Any:
        answer = finish(transitions)
        if not lost:
            lost.append(answer)
            raise OutcomeUnknownError("the answer was lost")
        return answer

    bench.declare("work")
    bench.store.on("finish", commit_and_lose_the_answer)
    node = bench.node()

    run = bench.ended(bench.trigger("work"))
    never = threading.Event()
    while len(node.held):
        never.wait(0.01)

    assert run.result == "done"
    assert "is dropped" not in caplog.text


def test_a_claim_that_comes_back_after_the_lease_is_not_performed(bench: "Bench") -> None:
    started = []

    @bench.handler
    def work() -> None:
        started.append(1)

    held_up, let = threading.Event(), threading.Event()

    def slow_answer(claim: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        claims = claim(*args, **kwargs)
        if claims and not held_up.is_set():
            held_up.set()
            let.wait(20)
        return claims

    bench.declare("work")
    bench.store.on("claim", slow_answer)  # before the node: a claim that is under way already would answer by itself
    node = bench.node()
    run_id = bench.trigger("work")
    held_up.wait(20)
    node.heartbeat.stop()
    assert node.heartbeat.join(20)  # one under way would take the fence away again
    node.heartbeat._fenced = True

    let.set()

    assert bench.eventually(run_id, RunState.PENDING).attempt == 0
    assert started == []


def held_up_claim(bench: "Bench", until: Callable[[], object]) -> None:
    """The first claim that finds something is answered only after `until` has returned."""
    answered: list[Any] = []

    def slow_answer(claim: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        claims = claim(*args, **kwargs)
        if claims and not answered:
            answered.extend(claims)
            until()
        return claims

    bench.store.on("claim", slow_answer)


def test_a_claim_whose_answer_comes_after_it_was_given_back_is_not_performed(bench: "Bench") -> None:
    """The lease is fresh, but meanwhile the node has taken the run for one whose claim had failed."""
    begun: list[int] = []
    bench.registry.handler("counts")(lambda: begun.append(1))
    bench.declare("counts")
    run_id = bench.trigger("counts")
    held_up_claim(bench, lambda: bench.eventually(run_id, RunState.PENDING))

    bench.node()
    run = bench.ended(run_id)

    assert (run.state, run.attempt, begun) == (RunState.SUCCEEDED, 1, [1])


def test_heartbeats_in_quick_succession_do_not_take_a_claim_under_way_for_one_that_failed(bench: "Bench") -> None:
    """A reload makes one out of turn."""
    seen: list[RunState] = []
    bench.registry.handler("work")(lambda: None)
    bench.declare("work")

    def beat() -> None:
        for _ in range(3):
            bench.nodes[0].heartbeat.step()
            seen.extend(run.state for run in bench.client.runs())

    held_up_claim(bench, beat)
    bench.node(heartbeat=timedelta(seconds=60), lease=timedelta(seconds=180))
    bench.ended(bench.trigger("work"))

    assert seen == [RunState.RUNNING] * 3


def test_a_key_freed_while_the_store_is_away_is_not_forgotten(bench: "Bench") -> None:
    begun, let = threading.Event(), threading.Event()

    @bench.handler
    def alone() -> None:
        begun.set()
        let.wait(20)

    bench.declare("alone", concurrency=Concurrency("forbid", 1))
    bench.node()
    first, second = bench.trigger("alone"), bench.trigger("alone")
    begun.wait(20)

    bench.store.fail("admit", AWAY, AWAY)
    let.set()

    assert bench.ended(first).state is RunState.SUCCEEDED
    assert bench.client.wait(second, timedelta(seconds=10)).state is RunState.SUCCEEDED


def test_a_job_that_cannot_be_reckoned_here_stops_no_other(bench: "Bench", monkeypatch: pytest.MonkeyPatch) -> None:
    from jobsched.schedule.fires import account as real

    def fail_for_one(job: Any, *args: Any, **kwargs: Any) -> Any:
        if job.name == "odd":
            raise LookupError("no time zone Mars/Phobos on this machine")
        return real(job, *args, **kwargs)

    monkeypatch.setattr("jobsched.runner.reckoner.account", fail_for_one)
    bench.declare("odd", performs=CommandHandler(("true",)), every=timedelta(seconds=1))
    bench.declare("fine", performs=CommandHandler(("true",)), every=timedelta(seconds=1))
    bench.node()
    never = threading.Event()
    for _ in range(400):
        if bench.client.runs(job="fine", states=[RunState.SUCCEEDED]):
            break
        never.wait(0.05)

    assert bench.client.runs(job="fine", states=[RunState.SUCCEEDED])
    assert bench.client.runs(job="odd") == []


def test_a_node_whose_start_fails_leaves_nothing_behind(bench: "Bench") -> None:
    import sys

    streams = sys.stdout, sys.stderr
    bench.store.fail("listen", AWAY)

    with pytest.raises(StoreUnavailableError):
        bench.node()

    assert (sys.stdout, sys.stderr) == streams
    assert bench.client.nodes() == []


@pytest.mark.parametrize("called", ["register", "apply", "listen"])
def test_a_start_that_failed_may_be_tried_again_with_its_files(bench: "Bench", tmp_path: Path, called: str) -> None:
    file = tmp_path / "jobs.yaml"
    file.write_text("version: 1\njobs: {one: {command: ['true'], cron: '0 0 1 1 *'}}\n", encoding="utf-8")
    runner = Runner(bench.client, registry=bench.registry, desired=load([file]), paths=[file], watch=False)
    bench.nodes.append(runner)
    bench.store.fail(called, AWAY)

    with pytest.raises(StoreUnavailableError):
        runner.start()
    runner.start()

    assert [stored.job.name for stored in bench.client.jobs()] == ["one"]
    assert [node.id for node in bench.client.nodes()] == [runner.heartbeat.node]


def test_until_idle_survives_a_store_that_is_away_for_a_moment(bench: "Bench") -> None:
    bench.declare("work", performs=CommandHandler(("true",)))
    bench.trigger("work")
    node = bench.node(once=True)
    bench.store.fail("unfinished", AWAY)

    assert node.wait_until_idle() == []


def test_until_idle_waits_only_for_the_queues_it_serves(bench: "Bench") -> None:
    bench.declare("other", performs=CommandHandler(("true",)), queue="other")
    bench.declare("mail", performs=CommandHandler(("false",)), queue="mail")
    bench.trigger("other")
    mine = bench.trigger("mail")

    node = bench.node(once=True, queues=("mail",))

    assert node.wait_until_idle() == [mine]
