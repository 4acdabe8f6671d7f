"""Pauses: what they hold on a node at work, and what becomes of slots and runs when they end."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from jobsched.client import Client
from jobsched.errors import StoreUnavailableError, UnknownJobError
from jobsched.model.desired import DesiredState
from jobsched.model.handler import CommandHandler
from jobsched.model.job import Concurrency, Job, Retries
from jobsched.model.pause import PauseScope
from jobsched.model.run import Reason, RunState
from jobsched.schedule.fates import Unrecorded
from jobsched.store.open import open_store
from jobsched.sync.apply import sync
from jobsched.testing.clock import FakeClock

if TYPE_CHECKING:
    from tests.runner.conftest import Bench

HOUR = timedelta(hours=1)
PAUSED, MISSED = (RunState.SKIPPED, Reason.PAUSED), (RunState.SKIPPED, Reason.MISFIRE)
SUCCEEDED = RunState.SUCCEEDED


@pytest.fixture
def clock() -> FakeClock:
    """Half past an hour, five slots ago."""
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    return FakeClock(hour - timedelta(hours=4, minutes=30))


@pytest.fixture
def earlier(sqlite_url: str, clock: FakeClock) -> Iterator[Client]:
    """A client of the time before the machine went off."""
    store = open_store(sqlite_url, clock=clock)
    yield Client(store, clock=clock)
    store.close()


def synced(client: Client, *jobs: Job, content_hash: str = "before") -> None:
    desired = DesiredState(namespace="default", jobs={job.name: job for job in jobs}, content_hash=content_hash)
    sync(client.store, desired, applied_by="test", allow_delete=True)


def hourly(name: str = "hourly", **fields: Any) -> Job:
    fields = {"cron": ("0 * * * *",)} | fields
    return Job(namespace="default", name=name, handler=CommandHandler(("true",)), **fields)


def rows(client: Client, job: str = "hourly") -> list[tuple[RunState, Reason | None, int | None]]:
    """State, reason and number of slots of each row, oldest slot first."""
    found = sorted(client.runs(job=job), key=lambda run: run.scheduled_at or run.created_at)
    return [(run.state, run.reason, run.covers.count if run.covers else 1) for run in found]


def until(check: Callable[[], Any]) -> None:
    never = threading.Event()
    for _ in range(400):
        if check():
            return
        never.wait(0.05)
    raise AssertionError("it never came")


# -- jobs


def test_a_paused_job_fires_nothing_and_resuming_covers_the_pause(bench: "Bench", earlier: Client) -> None:
    synced(earlier, hourly())
    earlier.pause("hourly")
    node = bench.node()
    node.scheduler.step()
    during = rows(bench.client)

    bench.client.resume("hourly")
    node.scheduler.step()

    assert during == []
    assert rows(bench.client) == [(*PAUSED, 5)]
    assert bench.client.job("hourly").next_at == datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + HOUR


def test_what_came_after_a_pause_that_is_over_is_left_to_catch_up(bench: "Bench", earlier: Client) -> None:
    synced(earlier, hourly(catch_up="latest"))
    earlier.pause("hourly", duration=2 * HOUR)

    bench.node()

    until(lambda: rows(bench.client) == [(*PAUSED, 2), (*MISSED, 2), (SUCCEEDED, None, 1)])
    assert bench.client.pauses() == []


def test_a_node_starts_though_a_pause_that_is_over_cannot_be_ended_yet(bench: "Bench", earlier: Client) -> None:
    synced(earlier, hourly(catch_up="latest"))
    earlier.pause("hourly", duration=2 * HOUR)
    # As while another node is frozen with the job's row locked.
    bench.store.fail("resume", StoreUnavailableError("try again"), StoreUnavailableError("try again"))

    bench.node()

    until(lambda: rows(bench.client) == [(*PAUSED, 2), (*MISSED, 2), (SUCCEEDED, None, 1)])
    assert bench.client.pauses() == []


def test_what_was_missed_before_a_pause_is_not_caught_up_after_it(
    bench: "Bench", earlier: Client, clock: FakeClock
) -> None:
    synced(earlier, hourly(catch_up="latest"))
    clock.advance(2 * HOUR)
    earlier.pause("hourly")

    bench.client.resume("hourly")

    assert rows(bench.client) == [(*PAUSED, 5)]


def test_a_pause_ends_at_its_time_though_nobody_polls(bench: "Bench") -> None:
    performed = threading.Event()

    @bench.handler
    def tick() -> None:
        performed.set()

    bench.declare("tick", every=timedelta(seconds=1))
    bench.client.pause(all=True, duration=timedelta(seconds=1))
    bench.node(poll=HOUR)

    assert performed.wait(20)
    assert bench.client.pauses() == []


def test_a_job_goes_on_when_the_last_of_its_pauses_ends(bench: "Bench", earlier: Client, clock: FakeClock) -> None:
    synced(earlier, hourly())
    earlier.pause("hourly")
    earlier.pause(all=True)
    clock.advance(2 * HOUR)

    earlier.resume(all=True)
    between = rows(bench.client)
    bench.client.resume("hourly")

    assert between == []
    assert rows(bench.client) == [(*PAUSED, 5)]


def test_a_job_that_its_file_suspends_is_not_resumed_by_resume(bench: "Bench", earlier: Client) -> None:
    synced(earlier, hourly(suspend=True))
    earlier.pause("hourly")

    bench.client.resume("hourly")
    between = rows(bench.client)
    synced(bench.client, hourly(), content_hash="after")

    assert between == []
    assert rows(bench.client) == [(*PAUSED, 5)]


def test_a_paused_job_that_is_no_longer_suspended_stays_paused(
    bench: "Bench", earlier: Client, clock: FakeClock
) -> None:
    synced(earlier, hourly(suspend=True))
    earlier.pause("hourly")
    clock.advance(2 * HOUR)
    synced(earlier, hourly(), content_hash="after")

    node = bench.node()
    node.scheduler.step()
    between = rows(bench.client)
    bench.client.resume("hourly")

    assert between == [(*PAUSED, 2)]
    assert rows(bench.client) == [(*PAUSED, 2), (*PAUSED, 3)]


def test_an_edited_schedule_of_a_paused_job_waits_for_its_resumption(
    bench: "Bench", earlier: Client, clock: FakeClock
) -> None:
    synced(earlier, hourly())
    earlier.pause("hourly")
    clock.advance(2 * HOUR)
    synced(earlier, hourly(cron=("15 * * * *",)), content_hash="after")

    node = bench.node()
    node.scheduler.step()
    between = rows(bench.client)
    bench.client.resume("hourly")

    assert between == [(*PAUSED, 2)]
    assert [(state, reason) for state, reason, _ in rows(bench.client)] == [PAUSED, PAUSED]
    assert all(run.scheduled_at and run.scheduled_at.minute in {0, 15} for run in bench.client.runs(job="hourly"))


def test_a_renamed_job_is_not_paused_and_its_old_name_stays_so(bench: "Bench", earlier: Client) -> None:
    synced(earlier, hourly("old"))
    earlier.pause("old")

    synced(bench.client, hourly("new"), content_hash="renamed")

    assert rows(bench.client, "old") == [(*PAUSED, 5)]
    assert bench.client.store.next_due(["default"]) == bench.client.job("new").next_at
    assert [pause.name for pause in bench.client.pauses()] == ["old"]
    assert [pause.name for pause in bench.client.resume("old")] == ["old"]


def test_slots_of_a_pause_can_be_backfilled_when_it_has_ended(earlier: Client, clock: FakeClock) -> None:
    synced(earlier, hourly(concurrency=Concurrency("allow", None)))
    earlier.pause("hourly")
    began = clock.now()
    clock.advance(3 * HOUR)

    during = earlier.backfill("hourly", began, clock.now())
    earlier.resume("hourly")
    after = earlier.backfill("hourly", began, began + HOUR)

    assert (during.runs, during.open) == (0, 3)
    assert after.runs == 1
    assert rows(earlier) == [(RunState.PENDING, None, 1), (*PAUSED, 2)]


def test_a_paused_job_runs_when_triggered_and_finishes_its_retries(bench: "Bench") -> None:
    seen = []

    @bench.handler
    def second_time() -> None:
        seen.append(1)
        if len(seen) == 1:
            raise ValueError("once")

    bench.declare("second_time", retries=Retries(max=1, delay=timedelta(0)))
    bench.client.pause("second_time")
    bench.node()

    run = bench.ended(bench.trigger("second_time"))

    assert (run.state, run.attempt) == (SUCCEEDED, 2)


def test_a_running_run_of_a_paused_job_goes_on(bench: "Bench") -> None:
    begun, let = threading.Event(), threading.Event()

    @bench.handler
    def long() -> None:
        begun.set()
        let.wait(20)

    bench.declare("long")
    node = bench.node()
    run_id = bench.trigger("long")
    begun.wait(20)
    bench.client.pause(all=True)
    until(lambda: node.pauses.of_queues)
    let.set()

    assert bench.ended(run_id).state is SUCCEEDED


# -- queues


def test_runs_of_a_paused_queue_wait_and_go_on_when_it_is_resumed(bench: "Bench") -> None:
    @bench.handler
    def work() -> None: ...

    node = bench.node()
    bench.client.pause(queue="mail")
    until(lambda: node.pauses.of_queues)
    mail = bench.client.enqueue("work", queue="mail").id
    other = bench.ended(bench.client.enqueue("work").id)
    during = bench.client.run(mail)

    bench.client.resume(queue="mail")

    assert other.state is SUCCEEDED
    assert (during.state, during.attempt) == (RunState.PENDING, 0)
    assert bench.ended(mail).state is SUCCEEDED


def test_slots_of_a_job_of_a_paused_queue_become_runs_by_their_overlap_rule(bench: "Bench", earlier: Client) -> None:
    synced(earlier, hourly(queue="mail", catch_up="latest"))
    earlier.pause(queue="mail")

    node = bench.node()
    until(lambda: len(rows(bench.client)) == 2)
    node.scheduler.step()

    assert rows(bench.client) == [(*MISSED, 4), (RunState.PENDING, None, 1)]


def test_a_node_that_starts_claims_nothing_of_a_paused_queue(bench: "Bench") -> None:
    @bench.handler
    def work() -> None: ...

    bench.client.pause(queue="mail")
    mail = bench.client.enqueue("work", queue="mail").id
    bench.node()
    bench.ended(bench.client.enqueue("work").id)

    assert bench.client.run(mail).state is RunState.PENDING


def test_until_idle_does_not_wait_for_a_paused_queue(bench: "Bench", earlier: Client) -> None:
    synced(earlier, hourly("mailing", queue="mail"), hourly())
    earlier.pause(queue="mail")
    waiting = bench.trigger("mailing")

    node = bench.node(once=True)

    assert node.wait_until_idle() == []
    assert bench.client.run(waiting).state is RunState.PENDING
    assert rows(bench.client)[-1] == (SUCCEEDED, None, 1)


# -- who and why


def test_a_pause_says_who_and_why_and_pausing_again_replaces_it(
    bench: "Bench", earlier: Client, clock: FakeClock
) -> None:
    synced(earlier, hourly())
    [first] = earlier.pause("hourly", reason="a move", by="ann@desk")
    clock.advance(HOUR)

    [again] = earlier.pause("hourly", duration=HOUR)

    assert (first.since, first.by, first.reason, first.until) == (clock.now() - HOUR, "ann@desk", "a move", None)
    assert (again.since, again.reason, again.until) == (first.since, None, clock.now() + HOUR)
    assert "@" in again.by
    assert bench.client.pauses() == [again]


def test_why_names_the_pause_of_a_slot(earlier: Client, clock: FakeClock) -> None:
    synced(earlier, hourly())
    [pause] = earlier.pause("hourly")
    clock.advance(HOUR)

    [fate] = earlier.why("hourly")

    assert (fate.unrecorded, fate.pause) == (Unrecorded.PAUSED, pause)


def test_an_unknown_job_is_not_paused_and_no_other_with_it(earlier: Client) -> None:
    synced(earlier, hourly())

    with pytest.raises(UnknownJobError, match="did you mean 'hourly'"):
        earlier.pause("hourly", "hurly")
    with pytest.raises(UnknownJobError, match="did you mean 'hourly'"):
        earlier.resume("hurly")

    assert earlier.pauses() == []


def test_what_is_paused_or_resumed_is_one_of_three(earlier: Client) -> None:
    for wrong in ({}, {"queue": "mail", "all": True}, {"queue": ""}):
        with pytest.raises(ValueError, match="one of the three"):
            earlier.pause(**wrong)
    with pytest.raises(ValueError, match="longer than nothing"):
        earlier.pause(all=True, duration=timedelta(0))
    assert earlier.resume(all=True) == []


def test_resuming_one_ends_no_other_pause(earlier: Client) -> None:
    synced(earlier, hourly())
    earlier.pause("hourly")
    earlier.pause(queue="mail")

    [ended] = earlier.resume(queue="mail")

    assert ended.scope is PauseScope.QUEUE
    assert [pause.name for pause in earlier.pauses()] == ["hourly"]


# -- the log


@contextmanager
def messages() -> Iterator[list[str]]:
    """What the node's log says meanwhile."""
    said: list[str] = []
    handler = logging.Handler(logging.INFO)
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("jobsched")
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield said
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def test_a_node_says_what_is_paused_resumed_and_over(bench: "Bench") -> None:
    with messages() as said:
        bench.node()
        bench.client.pause(queue="mail", reason="a move", by="ann@desk")
        until(lambda: "queue mail is paused by ann@desk: a move" in said)
        bench.client.resume(queue="mail")
        until(lambda: "queue mail is resumed" in said)
        bench.client.pause(all=True, duration=timedelta(milliseconds=300))
        until(lambda: "all of default goes on: its pause is over" in said)


def test_of_many_pauses_the_log_says_how_many(bench: "Bench") -> None:
    for number in range(30):
        bench.declare(f"job-{number}")
    with messages() as said:
        bench.node()
        bench.client.pause(*(f"job-{number}" for number in range(30)))
        until(lambda: "30 pauses: paused" in said)
