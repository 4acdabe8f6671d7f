"""What becomes of slots: downtime and catch-up, suspension, edits, removal; a node whose store was last touched long ago."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

import pytest

from jobsched import Context
from jobsched.client import Client
from jobsched.model.desired import DesiredState
from jobsched.model.handler import CommandHandler, PythonHandler
from jobsched.model.job import CatchUp, Concurrency, ConcurrencyPolicy, Job, Retries, Timeout
from jobsched.model.run import Reason, Run, RunState
from jobsched.store.open import open_store
from jobsched.sync.apply import sync
from jobsched.testing.clock import FakeClock

if TYPE_CHECKING:
    from tests.runner.conftest import Bench

HOURS_OFF = 5


def hourly(**fields: object) -> Job:
    job = Job(namespace="default", name="hourly", handler=CommandHandler(("true",)), cron=("0 * * * *",))
    return replace(job, **fields)  # type: ignore[arg-type]


def synced_before_the_outage(url: str, job: Job) -> datetime:
    """The job was declared, and the machine went off, half past an hour five slots ago; the instant."""
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    then = hour - timedelta(hours=HOURS_OFF - 1, minutes=30)
    store = open_store(url, clock=FakeClock(then))
    desired = DesiredState(namespace="default", jobs={job.name: job}, content_hash="before")
    sync(store, desired, applied_by="test")
    store.close()
    return then


def account_of(client: Client, job: str) -> list[Run]:
    """Rows of the job, oldest slot first, once each slot of the outage has one."""
    never = threading.Event()
    for _ in range(400):
        rows = client.runs(job=job, limit=1000)
        if covered(rows) >= HOURS_OFF and all(run.state.final for run in rows):
            return sorted(rows, key=lambda run: run.scheduled_at or run.created_at)
        never.wait(0.05)
    raise AssertionError(f"not accounted for: {rows}")


def covered(rows: list[Run]) -> int:
    return sum((run.covers.count or 0) if run.covers else 1 for run in rows)


def shape(rows: list[Run]) -> list[tuple[str, str | None, int]]:
    return [(run.state, run.reason, (run.covers.count or 0) if run.covers else 1) for run in rows]


Found = TypeVar("Found")
SOON = timedelta(milliseconds=100)
RAN, MISSED = RunState.SUCCEEDED, (RunState.SKIPPED, Reason.MISFIRE)


@pytest.mark.parametrize(
    ("catch_up", "policy", "expected"),
    [
        ("skip", "forbid", [(*MISSED, 5)]),
        ("latest", "forbid", [(*MISSED, 4), (RAN, None, 1)]),
        ("all", "allow", [(RAN, None, 1)] * 5),
        ("all", "queue", [(RAN, None, 1)] * 5),
    ],
)
def test_after_downtime_missed_slots_are_run_or_covered_as_catch_up_says(
    bench: "Bench",
    sqlite_url: str,
    catch_up: CatchUp,
    policy: ConcurrencyPolicy,
    expected: list[tuple[str, str | None, int]],
) -> None:
    concurrency = Concurrency(policy, None if policy == "allow" else 1)
    synced_before_the_outage(sqlite_url, hourly(catch_up=catch_up, concurrency=concurrency))

    bench.node()

    assert shape(account_of(bench.client, "hourly")) == expected


def test_max_catch_up_runs_the_newest_and_covers_the_rest(bench: "Bench", sqlite_url: str) -> None:
    job = hourly(catch_up="all", max_catch_up=2, concurrency=Concurrency("allow", None))
    synced_before_the_outage(sqlite_url, job)

    bench.node()

    rows = account_of(bench.client, "hourly")
    assert shape(rows) == [(*MISSED, 3), (RAN, None, 1), (RAN, None, 1)]
    assert rows[0].covers
    assert (rows[0].covers.last - rows[0].covers.first) == timedelta(hours=2)


def test_a_new_job_runs_nothing_for_the_past(bench: "Bench") -> None:
    bench.declare("hourly", performs=CommandHandler(("true",)), cron=("0 * * * *",), catch_up="latest")

    node = bench.node()
    node.scheduler.step()

    assert bench.client.runs(job="hourly") == []


def test_a_suspended_job_fires_nothing_and_resuming_covers_the_pause(bench: "Bench", sqlite_url: str) -> None:
    suspended = hourly(suspend=True)
    synced_before_the_outage(sqlite_url, suspended)
    node = bench.node()
    node.scheduler.step()
    during = bench.client.runs(job="hourly")

    resumed = DesiredState(namespace="default", jobs={"hourly": hourly()}, content_hash="after")
    sync(bench.client.store, resumed, applied_by="test")

    assert during == []
    assert shape(account_of(bench.client, "hourly")) == [(RunState.SKIPPED, Reason.PAUSED, 5)]


def test_an_edit_of_the_schedule_accounts_for_the_old_slots_first(bench: "Bench", sqlite_url: str) -> None:
    synced_before_the_outage(sqlite_url, hourly(catch_up="latest"))

    edited = DesiredState(namespace="default", jobs={"hourly": hourly(cron=("59 23 31 12 *",))}, content_hash="after")
    sync(bench.client.store, edited, applied_by="test")
    bench.node()

    assert shape(account_of(bench.client, "hourly")) == [(*MISSED, 4), (RAN, None, 1)]


def test_the_waiting_runs_of_a_removed_job_are_cancelled_and_a_running_one_is_not_retried(bench: "Bench") -> None:
    begun, let = threading.Event(), threading.Event()

    @bench.handler
    def held() -> None:
        begun.set()
        let.wait(20)
        raise ValueError("fails")

    bench.declare("held", concurrency=Concurrency("forbid", 1), retries=Retries(max=3, delay=timedelta(0)))
    bench.node()
    running, waiting = bench.trigger("held"), bench.trigger("held")
    begun.wait(20)

    bench.undeclare("held")
    cancelled = bench.client.run(waiting)
    let.set()
    ended = bench.ended(running)

    assert (cancelled.state, cancelled.reason) == (RunState.CANCELLED, Reason.JOB_REMOVED)
    assert (ended.state, ended.reason, ended.attempt) == (RunState.FAILED, Reason.ERROR, 1)


def test_until_idle_fires_what_is_due_waits_for_its_retries_and_fires_nothing_more(
    bench: "Bench", sqlite_url: str
) -> None:
    seen = []

    @bench.handler
    def second_time() -> None:
        seen.append(1)
        if len(seen) == 1:
            raise ValueError("once")

    job = hourly(handler=PythonHandler("second_time"), retries=Retries(max=1, delay=timedelta(milliseconds=50)))
    synced_before_the_outage(sqlite_url, job)
    node = bench.node(once=True)

    failed = node.wait_until_idle()

    assert failed == []
    assert shape(account_of(bench.client, "hourly")) == [(*MISSED, 4), (RAN, None, 1)]
    assert len(seen) == 2


def test_until_idle_tells_which_runs_failed(bench: "Bench") -> None:
    bench.declare("bad", performs=CommandHandler(("false",)))
    run_id = bench.trigger("bad")
    node = bench.node(once=True)

    assert node.wait_until_idle() == [run_id]


def test_runs_claimed_ahead_are_given_back_when_handlers_turn_out_slow(bench: "Bench") -> None:
    let = threading.Event()

    @bench.handler
    def quick() -> None: ...

    @bench.handler
    def slow() -> None:
        let.wait(20)

    for _ in range(3000):
        bench.client.enqueue("quick", queue="default")
    node = bench.node(threads=2)
    never = threading.Event()
    while bench.client.counts():
        never.wait(0.02)
    grown = node.dispatcher.buffer.room

    for _ in range(200):
        bench.client.enqueue("slow")
    for _ in range(400):
        counts = bench.client.counts()
        if counts.get(("default", RunState.PENDING)) == 198 and counts.get(("default", RunState.RUNNING)) == 2:
            break
        never.wait(0.02)
    let.set()

    assert grown > 2
    assert counts == {("default", RunState.PENDING): 198, ("default", RunState.RUNNING): 2}


def test_a_slot_that_finds_no_thread_until_its_starting_deadline_is_skipped_and_said_to_be(
    bench: "Bench", caplog: pytest.LogCaptureFixture
) -> None:
    begun, let = threading.Event(), threading.Event()

    @bench.handler
    def held() -> None:
        begun.set()
        let.wait(30)

    bench.declare("held")
    bench.trigger("held")
    bench.node(threads=1)
    assert begun.wait(20)

    bench.declare("ticks", performs=CommandHandler(("true",)), every=timedelta(seconds=1), starting_deadline=SOON)
    # On a machine that is held up, slots found together are one run: of those that were made, none begins in time.
    missed = eventually(lambda: [run for run in bench.client.runs(job="ticks") if run.reason is Reason.MISFIRE])[-1]
    let.set()

    assert (missed.state, missed.attempt) == (RunState.SKIPPED, 0)
    # It is said a moment after it is so.
    said = f"ticks: slot {missed.scheduled_at} skipped: misfire"
    assert eventually(lambda: [text for text in caplog.messages if text == said])
    assert eventually(lambda: bench.client.runs(job="ticks", states=[RunState.SUCCEEDED]))


def test_a_slot_replaces_the_run_before_it_whose_handler_obeys(bench: "Bench") -> None:
    @bench.handler
    def ticks(ctx: Context) -> None:
        assert ctx.scheduled_at is not None
        never = threading.Event()
        while ctx.job == "ticks":
            ctx.check()
            never.wait(0.01)

    bench.declare("ticks", every=timedelta(seconds=1), concurrency=Concurrency("replace"), retries=Retries(max=3))
    bench.node()

    replaced = eventually(lambda: bench.client.runs(job="ticks", states=[RunState.CANCELLED]))[-1]

    assert (replaced.reason, replaced.attempt) == (Reason.REPLACED, 1)
    assert [error["message"] for error in replaced.error] == ["stopped: a newer run replaced it"]
    newer = [run.id for run in bench.client.runs(job="ticks") if run.id > replaced.id]
    assert bench.eventually(newer[-1], RunState.RUNNING).started_at >= replaced.finished_at  # type: ignore[operator]


def eventually(look: Callable[[], list[Found]]) -> list[Found]:
    never = threading.Event()
    for _ in range(400):
        if found := look():
            return found
        never.wait(0.05)
    raise AssertionError("it never came")


def test_a_job_that_was_removed_and_is_added_again_is_what_its_file_says_now(either_bench: "Bench") -> None:
    bench, told, ticked = either_bench, [], threading.Event()

    @bench.handler
    def old() -> None:
        told.append("old")

    @bench.handler
    def new() -> None:
        told.append("new")
        ticked.set()

    bench.declare("tick", "old", timeout=Timeout(timedelta(seconds=9)))
    node = bench.node()
    bench.ended(bench.trigger("tick"))
    bench.undeclare("tick")

    job = bench.declare("tick", "new", every=timedelta(seconds=1))
    came = ticked.wait(20)

    assert came
    assert told[:2] == ["old", "new"]
    assert node.definitions.job("default", "tick", bench.client.job("tick").revision) == job
