"""The misfire policy: what becomes of each slot in (cursor, now]."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.examples import examples

from jobsched.model.handler import CommandHandler, PythonHandler
from jobsched.model.job import Concurrency, ConcurrencyPolicy, Job, Retries
from jobsched.model.run import Covers, NewRun, Reason, Source
from jobsched.schedule import fires
from jobsched.schedule.fires import Account, account, first_account, jitter, run_for
from jobsched.schedule.schedule import schedule_of, slots_after

START = datetime(2026, 1, 1, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


def a_job(**fields: Any) -> Job:
    defaults: dict[str, Any] = {"handler": PythonHandler("jobs:work"), "cron": ("* * * * *",)}
    return Job(namespace="default", name="nightly", **(defaults | fields))


def ran(found: Account) -> list[datetime | None]:
    return [run.scheduled_at for run in found.runs if run.skipped is None]


def skipped(found: Account) -> list[tuple[Reason, datetime | None, Covers | None]]:
    return [(run.skipped, run.scheduled_at, run.covers) for run in found.runs if run.skipped is not None]


# -- on time


@pytest.mark.parametrize("catch_up", ["skip", "latest", "all"])
@pytest.mark.parametrize("late", [timedelta(0), SECOND, 10 * SECOND])
def test_a_slot_found_within_10_seconds_runs(catch_up: str, late: timedelta) -> None:
    found = account(a_job(catch_up=catch_up), START, START + MINUTE + late)

    assert ran(found) == [START + MINUTE]
    assert skipped(found) == []
    assert found.cursor == START + MINUTE
    assert found.next_at == START + 2 * MINUTE


def test_slots_on_time_all_run() -> None:
    job = a_job(cron=("* * * * * *",), catch_up="skip", concurrency=Concurrency("allow", None))

    found = account(job, START, START + 10 * SECOND)

    assert ran(found) == [START + number * SECOND for number in range(1, 11)]
    assert found.next_at == START + 11 * SECOND


@pytest.mark.parametrize("policy", ["forbid", "replace"])
@pytest.mark.parametrize("limit", [1, 3])
def test_of_slots_found_together_a_job_that_forbids_overlap_or_replaces_runs_the_newest(
    limit: int, policy: ConcurrencyPolicy
) -> None:
    job = a_job(cron=("* * * * * *",), concurrency=Concurrency(policy, limit))

    found = account(job, START, START + 10 * SECOND)

    covering, *_ = found.runs
    newest = [START + number * SECOND for number in range(11 - limit, 11)]
    assert ran(found) == newest
    assert (covering.skipped, covering.covers) == (
        Reason.COALESCED,
        Covers(START + SECOND, newest[0] - SECOND, 10 - limit),
    )
    assert found.cursor == START + 10 * SECOND


def test_before_the_next_slot_nothing_happens() -> None:
    found = account(a_job(), START, START + 59 * SECOND, next_at=START + MINUTE)

    assert found == Account((), START, START + MINUTE)


def test_the_common_case_computes_one_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    class Watched:
        def next_after(self, instant: datetime) -> datetime:
            asked.append(instant)
            return instant + MINUTE

    monkeypatch.setattr(fires, "schedule_of", lambda job: Watched())

    found = account(a_job(), START, START + MINUTE + SECOND, next_at=START + MINUTE)

    assert asked == [START + MINUTE]
    assert ran(found) == [START + MINUTE]
    assert found.next_at == START + 2 * MINUTE


def test_a_clock_set_back_fires_nothing() -> None:
    found = account(a_job(), START, START - HOUR)

    assert found == Account((), START, START + MINUTE)


def test_a_job_without_schedule_has_nothing_to_account_for() -> None:
    assert account(a_job(cron=()), START, START + HOUR) == Account((), START, None)


def test_after_its_last_slot_a_job_has_no_next_one() -> None:
    found = account(a_job(cron=(), at=START + MINUTE), START, START + MINUTE)

    assert ran(found) == [START + MINUTE]
    assert found.next_at is None


# -- missed


def test_a_slot_found_more_than_10_seconds_late_is_missed() -> None:
    found = account(a_job(catch_up="skip"), START, START + MINUTE + 11 * SECOND)

    assert ran(found) == []
    assert skipped(found) == [(Reason.MISFIRE, START + MINUTE, None)]
    assert found.cursor == START + MINUTE
    assert found.next_at == START + 2 * MINUTE


NOW = START + HOUR + 30 * SECOND  # the slot of 01:00 is missed too
NOW_ON_TIME = START + HOUR + 5 * SECOND  # the slot of 01:00 is not


@pytest.mark.parametrize(
    ("catch_up", "most", "now", "run_minutes", "covered_minutes"),
    [
        ("skip", 100, NOW, [], (1, 60, 60)),
        ("skip", 100, NOW_ON_TIME, [60], (1, 59, 59)),
        ("latest", 100, NOW, [60], (1, 59, 59)),
        ("latest", 100, NOW_ON_TIME, [60], (1, 59, 59)),
        ("all", 100, NOW, list(range(1, 61)), None),
        ("all", 100, NOW_ON_TIME, list(range(1, 61)), None),
        ("all", 60, NOW, list(range(1, 61)), None),
        ("all", 59, NOW, list(range(2, 61)), (1, 1, 1)),
        ("all", 3, NOW, [58, 59, 60], (1, 57, 57)),
        ("all", 3, NOW_ON_TIME, [57, 58, 59, 60], (1, 56, 56)),
        ("all", 0, NOW, [], (1, 60, 60)),
    ],
)
def test_an_hour_missed_of_a_job_of_each_minute(
    catch_up: str, most: int, now: datetime, run_minutes: list[int], covered_minutes: tuple[int, int, int] | None
) -> None:
    found = account(a_job(catch_up=catch_up, max_catch_up=most), START, now)

    assert ran(found) == [START + minute * MINUTE for minute in run_minutes]
    if covered_minutes is None:
        assert skipped(found) == []
    else:
        first, last, count = (
            START + covered_minutes[0] * MINUTE,
            START + covered_minutes[1] * MINUTE,
            covered_minutes[2],
        )
        covers = Covers(first, last, count) if count > 1 else None
        assert skipped(found) == [(Reason.MISFIRE, last, covers)]
    assert found.cursor == START + HOUR
    assert found.next_at == START + HOUR + MINUTE


def test_runs_are_oldest_first_and_the_covering_row_stands_before_them() -> None:
    found = account(a_job(catch_up="all", max_catch_up=2), START, NOW)

    slots = [run.scheduled_at for run in found.runs]
    assert slots == sorted(slots, key=str)


@pytest.mark.parametrize("catch_up", ["skip", "latest", "all"])
def test_years_of_missed_seconds_are_not_enumerated(catch_up: str, monkeypatch: pytest.MonkeyPatch) -> None:
    job = a_job(cron=("* * * * * *",), catch_up=catch_up, concurrency=Concurrency("allow", None))
    schedule = schedule_of(job)
    asked = []

    class Watched:
        def next_after(self, instant: datetime) -> datetime | None:
            asked.append(instant)
            assert schedule is not None
            return schedule.next_after(instant)

        def previous(self, instant: datetime) -> datetime | None:
            asked.append(instant)
            assert schedule is not None
            return schedule.previous(instant)

        def count(self, first: datetime, last: datetime, limit: int) -> int | None:
            assert schedule is not None
            return schedule.count(first, last, limit)

    monkeypatch.setattr(fires, "schedule_of", lambda job: Watched())

    found = account(job, START, START + timedelta(days=3650))

    [covering] = [run for run in found.runs if run.skipped]
    assert covering.covers is not None
    assert covering.covers.first == START + SECOND
    assert covering.covers.count is None
    assert len(asked) < 130


# -- paused


def test_a_suspended_job_has_one_row_for_all_its_slots() -> None:
    found = account(a_job(suspend=True), START, NOW_ON_TIME)

    assert ran(found) == []
    assert skipped(found) == [(Reason.PAUSED, START + HOUR, Covers(START + MINUTE, START + HOUR, 60))]
    assert found.cursor == START + HOUR
    assert found.next_at is None


def test_a_suspended_job_whose_slot_has_not_come_has_no_row() -> None:
    assert account(a_job(suspend=True), START, START + SECOND) == Account((), START, None)


def test_a_single_paused_slot_is_a_row_of_its_own() -> None:
    found = account(a_job(suspend=True), START, START + MINUTE)

    assert skipped(found) == [(Reason.PAUSED, START + MINUTE, None)]


# -- where a job begins


def test_a_new_job_begins_now_and_nothing_is_run_for_the_past() -> None:
    job = a_job(start_at=START - 24 * HOUR)

    assert first_account(job, START) == Account((), START, START + MINUTE)
    assert first_account(replace(job, suspend=True), START) == Account((), START, None)
    assert first_account(a_job(cron=()), START) == Account((), START, None)


# -- starting_deadline


def test_a_slot_past_its_starting_deadline_is_skipped() -> None:
    job = a_job(catch_up="all", starting_deadline=10 * MINUTE)

    found = account(job, START, NOW)

    assert ran(found) == [START + minute * MINUTE for minute in range(51, 61)]
    assert skipped(found) == [(Reason.MISFIRE, START + 50 * MINUTE, Covers(START + MINUTE, START + 50 * MINUTE, 50))]


def test_a_starting_deadline_of_seconds_holds_for_slots_that_are_merely_late() -> None:
    job = a_job(starting_deadline=2 * SECOND)

    assert ran(account(job, START, START + MINUTE + 2 * SECOND)) == [START + MINUTE]
    assert skipped(account(job, START, START + MINUTE + 3 * SECOND)) == [(Reason.MISFIRE, START + MINUTE, None)]


@pytest.mark.parametrize("source", list(Source))
def test_slots_alone_have_a_starting_deadline_in_the_store(source: Source) -> None:
    job = a_job(starting_deadline=2 * MINUTE)

    made = run_for(job, source=source, scheduled_at=START, available_at=START + MINUTE)

    assert made.start_by == (START + 3 * MINUTE if source is Source.SLOT else None)


def test_a_starting_deadline_is_reckoned_from_the_jittered_time() -> None:
    job = a_job(cron=("0 * * * *",), jitter=30 * MINUTE, starting_deadline=SECOND)
    start = START + HOUR + jitter(job, START + HOUR)

    assert ran(account(job, START, start + SECOND)) == [START + HOUR]
    assert ran(account(job, START, start + 2 * SECOND)) == []


# -- the run


def test_a_run_freezes_what_the_job_says() -> None:
    job = a_job(
        handler=CommandHandler(("df", "-h")),
        payload={"a": 1},
        queue="mail",
        priority=-3,
        retries=Retries(max=4),
        concurrency=Concurrency(policy="queue", key="shared", max_queued=7),
        tags=("billing",),
    )

    [run] = account(job, START, START + MINUTE, generation=12).runs

    assert run == NewRun(
        namespace="default",
        handler='{"command":["df","-h"]}',
        source=Source.SLOT,
        job="nightly",
        queue="mail",
        priority=-3,
        payload={"a": 1},
        tags=("billing",),
        max_attempts=5,
        scheduled_at=START + MINUTE,
        available_at=START + MINUTE,
        key="shared",
        max_queued=7,
        generation=12,
    )


@pytest.mark.parametrize(
    ("policy", "key", "max_queued"),
    [
        ("allow", None, None),
        ("forbid", "job:nightly", None),
        ("replace", "job:nightly", None),
        ("queue", "job:nightly", 100),
    ],
)
def test_only_the_policy_queue_lets_slots_wait(policy: str, key: str | None, max_queued: int | None) -> None:
    limit = None if policy == "allow" else 1

    run = run_for(a_job(concurrency=Concurrency(policy=policy, limit=limit)), source=Source.SLOT)  # type: ignore[arg-type]

    assert (run.key, run.max_queued) == (key, max_queued)


def test_a_trigger_is_due_at_once_with_its_own_payload() -> None:
    run = run_for(a_job(payload={"a": 1}, jitter=HOUR), source=Source.TRIGGER, payload={"b": 2}, generation=3)

    assert (run.source, run.scheduled_at, run.available_at) == (Source.TRIGGER, None, None)
    assert (run.payload, run.generation) == ({"b": 2}, 3)


def test_an_empty_payload_replaces_the_jobs() -> None:
    assert run_for(a_job(payload={"a": 1}), source=Source.TRIGGER, payload={}).payload == {}


# -- jitter


def test_jitter_moves_the_available_time_alone() -> None:
    job = a_job(jitter=30 * SECOND)

    [run] = account(job, START, START + MINUTE).runs

    assert run.scheduled_at == START + MINUTE
    assert run.available_at == START + MINUTE + timedelta(seconds=7, microseconds=501_072)


def test_jitter_is_spread_evenly_below_its_bound() -> None:
    job = a_job(jitter=10 * SECOND)

    found = [jitter(job, START + number * MINUTE) for number in range(2000)]

    assert all(timedelta(0) <= delay < job.jitter for delay in found)
    tenths = [sum(1 for delay in found if delay // SECOND == second) for second in range(10)]
    assert min(tenths) > 150


def test_jitter_differs_from_job_to_job() -> None:
    job = a_job(jitter=HOUR)

    assert jitter(job, START) != jitter(replace(job, name="other"), START)
    assert jitter(job, START) != jitter(replace(job, namespace="other"), START)


# -- every slot exactly once


@settings(max_examples=examples(100, 1000), deadline=None)
@given(
    cron=st.sampled_from(
        ["* * * * *", "*/7 * * * *", "30 2 * * *", "0,30 1-3 * * *", "* 2 * * * */15", "* * * * * */4"]
    ),
    second_cron=st.sampled_from([None, "13 * * * *", "0 3 29 3 *"]),
    zone=st.sampled_from(["UTC", "Europe/Rome", "Australia/Lord_Howe"]),
    cursor=st.datetimes(datetime(2026, 3, 28), datetime(2026, 4, 6), timezones=st.just(UTC)),
    outage=st.one_of(st.integers(0, 90), st.integers(0, 7200), st.integers(0, 40_000)),
    catch_up=st.sampled_from(["skip", "latest", "all"]),
    most=st.integers(0, 30),
    suspend=st.booleans(),
    deadline=st.sampled_from([None, 5 * SECOND, 20 * MINUTE]),
    jitter_bound=st.sampled_from([timedelta(0), 50 * SECOND]),
)
def test_every_slot_in_the_range_is_in_exactly_one_run(
    cron: str,
    second_cron: str | None,
    zone: str,
    cursor: datetime,
    outage: int,
    catch_up: str,
    most: int,
    suspend: bool,
    deadline: timedelta | None,
    jitter_bound: timedelta,
) -> None:
    job = a_job(
        cron=(cron, second_cron) if second_cron else (cron,),
        timezone=zone,
        catch_up=catch_up,
        max_catch_up=most,
        suspend=suspend,
        starting_deadline=deadline,
        jitter=jitter_bound,
    )
    now = cursor + timedelta(seconds=outage)
    schedule = schedule_of(job)
    assert schedule is not None
    slots = list(slots_after(schedule, cursor, now))

    found = account(job, cursor, now)

    covered: list[datetime] = []
    for run in found.runs:
        assert run.scheduled_at is not None
        if run.covers is None:
            covered.append(run.scheduled_at)
            continue
        within = [slot for slot in slots if run.covers.first <= slot <= run.covers.last]
        assert run.scheduled_at == run.covers.last == within[-1]
        assert run.covers.first == within[0]
        assert run.covers.count == (len(within) if len(within) <= 1000 else None)
        covered += within
    assert covered == slots
    assert found.cursor == (slots[-1] if slots else cursor)
    assert found.next_at == (None if suspend else schedule.next_after(now))
    assert found == account(job, cursor, now, next_at=schedule.next_after(cursor))
