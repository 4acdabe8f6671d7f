"""plan: desired against actual."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobsched.errors import SyncRefusedError
from jobsched.model.desired import DesiredState, Settings
from jobsched.model.handler import CommandHandler
from jobsched.model.job import Job, Retries
from jobsched.model.pause import Pause
from jobsched.model.queue import QueueLimits
from jobsched.model.run import NewRun, Reason
from jobsched.model.state import ActualState, Generation, JobWrite, StoredJob
from jobsched.sync.apply import is_stale
from jobsched.sync.plan import Plan, QueuePlan, change_of, plan, summary
from jobsched.testing.builders import a_pause, queue_limits

NOW = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def a_job(name: str = "nightly", **fields: Any) -> Job:
    return replace(
        Job(namespace="default", name=name, handler=CommandHandler(("true",)), cron=("0 * * * *",)), **fields
    )


def stored(job: Job, cursor: datetime = NOON, next_at: datetime | None = NOON + timedelta(hours=1)) -> StoredJob:
    return StoredJob(job=job, revision=3, schedule_revision=2, cursor=cursor, next_at=next_at, generation=7)


def desired(*jobs: Job) -> DesiredState:
    return DesiredState(namespace="default", jobs={job.name: job for job in jobs}, content_hash="h")


def actual(*jobs: StoredJob) -> ActualState:
    return ActualState(namespace="default", jobs={item.job.name: item for item in jobs}, generation=None)


def limiting(**queues: int | QueueLimits) -> DesiredState:
    return replace(desired(), settings=Settings(queues=queue_limits(queues)))


def only_write(planned: Plan) -> JobWrite:
    [write] = change_of(planned, desired(), "somebody").writes
    return write


def a_generation(number: int, content_hash: str, commit: str | None = None) -> Generation:
    return Generation(
        namespace="default",
        number=number,
        content_hash=content_hash,
        commit=commit,
        applied_at=NOW,
        applied_by="x",
        summary={},
    )


def test_a_new_job_begins_now_and_runs_nothing_for_the_past() -> None:
    planned = plan(desired(a_job()), actual(), NOW)

    write = only_write(planned)
    assert [item.action for item in planned.jobs] == ["create"]
    assert (write.cursor, write.next_at, write.slots) == (NOW, NOON + timedelta(hours=1), ())
    assert (write.revision, write.seen_revision) == (1, None)


def test_a_suspended_new_job_has_no_next_slot() -> None:
    planned = plan(desired(a_job(suspend=True)), actual(), NOW)

    assert only_write(planned).next_at is None


def test_equal_states_make_an_empty_plan() -> None:
    planned = plan(desired(a_job()), actual(stored(a_job())), NOW)

    assert planned.empty
    assert planned.unchanged == 1


def test_a_plan_names_the_unchanged_jobs_that_are_paused() -> None:
    both = (a_job("a"), a_job("b"))

    planned = plan(desired(*both), paused(actual(*map(stored, both)), a_pause("job", "b")), NOW)

    assert planned.empty
    assert planned.paused == ("b",)


def test_an_edit_beside_the_schedule_leaves_the_cursor_alone() -> None:
    planned = plan(desired(a_job(retries=Retries(max=4))), actual(stored(a_job())), NOW)

    write = only_write(planned)
    assert [change.field for change in planned.jobs[0].changes] == ["retries"]
    assert write.seen_cursor is None
    assert (write.cursor, write.next_at) == (NOON, NOON + timedelta(hours=1))
    assert (write.revision, write.schedule_revision) == (4, 2)
    assert write.max_attempts == 5
    assert write.slots == ()


EDITS: Mapping[str, Any] = {
    "cron": ("15 * * * *",),
    "timezone": "Europe/Rome",
    "start_at": NOW + timedelta(days=1),
    "suspend": True,
}


@pytest.mark.parametrize("field", EDITS)
def test_an_edit_of_the_schedule_goes_on_from_now_under_a_new_schedule_revision(field: str) -> None:
    planned = plan(desired(a_job(**{field: EDITS[field]})), actual(stored(a_job())), NOW)

    write = only_write(planned)
    assert write.seen_cursor == NOON
    assert write.cursor == NOW
    assert write.schedule_revision == 3


def test_an_edit_of_the_schedule_first_accounts_for_the_old_slots_by_their_policy() -> None:
    old = stored(a_job(), cursor=NOON - timedelta(hours=3), next_at=NOON - timedelta(hours=2))

    write = only_write(plan(desired(a_job(cron=("15 * * * *",))), actual(old), NOW))

    assert covered(write.slots) == [("misfire", 2), (None, 1)]
    assert write.next_at == NOON + timedelta(minutes=15)


def test_resuming_covers_the_slots_of_the_pause_and_begins_now() -> None:
    paused = stored(a_job(suspend=True), cursor=NOON - timedelta(hours=3), next_at=None)

    write = only_write(plan(desired(a_job()), actual(paused), NOW))

    assert covered(write.slots) == [("paused", 3)]
    assert (write.cursor, write.next_at) == (NOW, NOON + timedelta(hours=1))


HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("edited", "next_at"),
    [(a_job(cron=("15 * * * *",)), NOON + timedelta(minutes=15)), (a_job(suspend=True), None)],
    ids=["schedule", "suspend"],
)
def test_an_edit_of_a_paused_job_covers_its_old_slots_as_paused(edited: Job, next_at: datetime | None) -> None:
    old = stored(a_job(), cursor=NOON - 3 * HOUR, next_at=NOON - 2 * HOUR)

    planned = plan(desired(edited), paused(actual(old), a_pause("all")), NOW)

    write = only_write(planned)
    assert covered(write.slots) == [("paused", 3)]
    assert (write.cursor, write.next_at) == (NOW, next_at)
    assert planned.jobs[0].pause == a_pause("all")


def test_an_edit_of_a_job_whose_pause_is_over_deals_with_what_came_after_it_by_the_misfire_policy() -> None:
    old = stored(a_job(), cursor=NOON - 4 * HOUR, next_at=NOON - 3 * HOUR)
    over = a_pause("job", "nightly", until=NOON - 2 * HOUR)

    write = only_write(plan(desired(a_job(cron=("15 * * * *",))), paused(actual(old), over), NOW))

    assert covered(write.slots) == [("paused", 2), ("misfire", 1), (None, 1)]


def test_the_removal_of_a_paused_job_covers_its_slots_as_paused() -> None:
    old = stored(a_job(), cursor=NOON - 3 * HOUR, next_at=NOON - 2 * HOUR)
    planned = plan(desired(), paused(actual(old), a_pause("job", "nightly")), NOW)

    [removal] = change_of(planned, desired(), "somebody").removals

    assert covered(removal.slots) == [("paused", 3)]


def paused(state: ActualState, *pauses: Pause) -> ActualState:
    return replace(state, pauses=pauses)


def test_a_job_that_is_gone_is_removed_and_a_renamed_one_is_both() -> None:
    planned = plan(desired(a_job("new")), actual(stored(a_job("old"))), NOW)

    assert [(item.name, item.action) for item in planned.jobs] == [("new", "create"), ("old", "remove")]
    assert summary(planned) == {"created": ["new"], "updated": {}, "removed": ["old"]}


@pytest.mark.parametrize(
    ("before", "kept", "refused"),
    [
        (1, 0, True),
        (3, 0, True),
        (10, 5, False),
        (10, 4, True),
        (12, 6, False),
        (9, 4, False),
        (6, 1, False),
        (7, 1, True),
    ],
)
def test_the_brake_refuses_to_remove_all_or_more_than_half_and_five(before: int, kept: int, refused: bool) -> None:
    names = [f"job-{number}" for number in range(before)]
    planned = plan(
        desired(*(a_job(name) for name in names[:kept])), actual(*(stored(a_job(name)) for name in names)), NOW
    )

    if refused:
        with pytest.raises(SyncRefusedError, match=f"would remove {before - kept} of {before} jobs"):
            planned.check_brake()
    else:
        planned.check_brake()


def test_a_job_added_again_has_a_revision_that_no_node_knows_of_it() -> None:
    """Each generation raises one by one at most, so what the newest is numbered has never been a revision."""
    empty = replace(actual(), generation=a_generation(8, "h"))
    desired_again = desired(a_job())

    write = only_write(plan(desired_again, empty, NOW))

    assert (write.revision, write.schedule_revision) == (9, 9)


HISTORY = [a_generation(3, "c", "33"), a_generation(2, "b"), a_generation(1, "a", "11")]


@pytest.mark.parametrize(
    ("content_hash", "commit", "stale"),
    [("a", None, True), ("b", None, True), ("new", None, False), ("a", "44", False), ("a", "11", True)],
)
def test_a_file_is_stale_if_it_was_applied_before_and_its_commit_is_not_new(
    content_hash: str, commit: str | None, stale: bool
) -> None:
    file = replace(desired(), content_hash=content_hash, commit=commit)

    assert is_stale(file, HISTORY) is stale


def covered(slots: tuple[NewRun, ...]) -> list[tuple[Reason | None, int | None]]:
    return [(run.skipped, run.covers.count if run.covers else 1) for run in slots]


# -- limits of queues


def test_limits_of_queues_are_compared_one_by_one() -> None:
    before = replace(actual(), queues=queue_limits({"gone": 1, "kept": 2, "raised": 3}))

    planned = plan(limiting(kept=2, raised=4, new=5), before, NOW)

    assert planned.queues == (
        QueuePlan("gone", QueueLimits(limit=1), QueueLimits()),
        QueuePlan("new", QueueLimits(), QueueLimits(limit=5)),
        QueuePlan("raised", QueueLimits(limit=3), QueueLimits(limit=4)),
    )
    assert not planned.empty
    assert {queue: limits["limit"] for queue, limits in summary(planned)["queues"].items()} == {
        "gone": None,
        "new": 5,
        "raised": 4,
    }


def test_limits_that_changed_are_written_whole() -> None:
    wanted = limiting(kept=2, raised=4)

    change = change_of(
        plan(wanted, replace(actual(), queues=queue_limits({"kept": 2, "raised": 3})), NOW), wanted, "somebody"
    )

    assert change.queues == queue_limits({"kept": 2, "raised": 4})


def test_limits_that_did_not_change_are_left_alone() -> None:
    wanted = limiting(kept=2)
    planned = plan(wanted, replace(actual(), queues=queue_limits({"kept": 2})), NOW)

    assert planned.empty
    assert change_of(planned, wanted, "somebody").queues is None
    assert "queues" not in summary(planned)
