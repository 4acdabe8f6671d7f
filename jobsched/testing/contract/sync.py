"""The contract's chapter on syncs: all or nothing, fenced by what was seen."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobsched.errors import SyncConflictError
from jobsched.model.handler import CommandHandler, Handler, HttpHandler, PythonHandler, ShellHandler
from jobsched.model.job import CalendarUse, Concurrency, Dst, History, Job, OnFailure, Retries, Timeout
from jobsched.model.run import Reason, RunState
from jobsched.model.state import JobRemoval, Origin
from jobsched.store.port import Store
from jobsched.testing.builders import (
    MINUTE,
    START,
    a_change,
    a_firing,
    a_free_job,
    a_job,
    a_limited_job,
    a_node,
    a_run,
    a_skipped_slot,
    a_slot,
    a_transition,
    a_trigger,
    a_write,
    an_edit,
    claim,
    given_jobs,
    given_removed,
    runs,
    states,
    the_run,
)
from jobsched.testing.clock import FakeClock

EVERY_FIELD: dict[str, Any] = {
    "cron": ("*/5 8-19 * * mon-fri", "0 * * * sat,sun"),
    "timezone": "Europe/Rome",
    "dst": Dst(gap="skip", overlap="both"),
    "start_at": datetime(2026, 3, 1, 0, 0, 0, 1, tzinfo=UTC),
    "end_at": datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    "jitter": timedelta(seconds=1.5),
    "calendar": CalendarUse(exclude=("holidays",), only=("weekdays", "month ends"), on_excluded="next_day"),
    "payload": {"text": "ünïcödé 🎉 \"quoted\" 'too' %s :name", "deep": [{"a": [1, 2.5, None, True]}], "": {}},
    "queue": "mail",
    "priority": -5,
    "concurrency": Concurrency(policy="queue", limit=3, key="gpu", max_queued=7),
    "starting_deadline": timedelta(milliseconds=200),
    "catch_up": "all",
    "max_catch_up": 5,
    "retries": Retries(max=4, backoff="linear", delay=MINUTE, factor=1.5, max_delay=timedelta(days=2), jitter=0.25),
    "timeout": Timeout(after=timedelta(hours=1), kill_after=timedelta(seconds=3)),
    "executor": "process",
    "on_crash": "fail",
    "suspend": True,
    "history": History(success=1, failed=2, skipped=3, max_age=timedelta(days=4)),
    "on_failure": OnFailure(ShellHandler("echo failed"), retries=5),
    "env": {"TOKEN": "${TOKEN}"},
    "cwd": "/srv",
    "tags": ("billing", "nightly"),
    "owner": "ops",
    "description": "Close the day",
}
HANDLERS: list[Handler] = [
    PythonHandler("billing.jobs:send"),
    CommandHandler(("curl", "-fsS", "http://localhost/refresh")),
    ShellHandler("echo $HOME | wc"),
    HttpHandler("https://example.org", method="PUT", headers={"X-A": "b"}, json={"a": [1]}, expect=(200, 204)),
]


class SyncContract:
    def test_a_new_database_has_nothing(self, store: Store) -> None:
        actual = store.actual("default")

        assert (actual.namespace, dict(actual.jobs), actual.generation) == ("default", {}, None)
        assert (store.namespaces(), store.generations("default"), store.jobs("default")) == ([], [], [])

    @pytest.mark.parametrize("whole", [False, True], ids=["definition alone", "cursor too"])
    def test_a_job_has_the_origin_that_it_was_last_written_with(self, store: Store, *, whole: bool) -> None:
        store.apply(a_change(a_write(a_job(), origin=Origin.API), a_job("other")))
        before = {stored.job.name: stored for stored in store.jobs("default")}
        [stored, _] = before.values()

        moved = {"seen_cursor": stored.cursor} if whole else {}
        store.apply(a_change(an_edit(stored, a_job(priority=2), origin=Origin.FILE, **moved), seen=1))

        assert {name: stored.origin for name, stored in before.items()} == {"nightly": "api", "other": "file"}
        assert [stored.origin for stored in store.actual("default").jobs.values()] == [Origin.FILE, Origin.FILE]

    def test_a_job_comes_back_with_every_field(self, store: Store) -> None:
        job = a_job(**EVERY_FIELD)

        store.apply(a_change(job))

        assert store.actual("default").jobs["nightly"].job == job
        assert [stored.job for stored in store.jobs("default")] == [job]

    @pytest.mark.parametrize("handler", HANDLERS, ids=lambda handler: type(handler).__name__)
    def test_a_job_comes_back_with_its_handler(self, store: Store, handler: Handler) -> None:
        store.apply(a_change(a_job(handler=handler, on_failure=OnFailure(handler))))

        [stored] = store.jobs("default")
        assert (stored.job.handler, stored.job.on_failure) == (handler, OnFailure(handler))

    @pytest.mark.parametrize(
        "schedule",
        [{"cron": ()}, {"cron": (), "every": timedelta(milliseconds=1500)}, {"cron": (), "at": START + MINUTE}],
        ids=["none", "every", "at"],
    )
    def test_a_job_comes_back_with_its_schedule(self, store: Store, schedule: dict[str, Any]) -> None:
        job = a_job(**schedule)

        store.apply(a_change(job))

        assert store.actual("default").jobs["nightly"].job == job

    def test_a_job_is_stored_as_it_was_written(self, store: Store) -> None:
        cursor = START + timedelta(microseconds=1)
        write = a_write(a_job(), revision=3, schedule_revision=2, cursor=cursor, next_at=None)

        generation = store.apply(a_change(write))

        [stored] = store.jobs("default")
        assert (stored.revision, stored.schedule_revision) == (3, 2)
        assert (stored.cursor, stored.next_at, stored.generation) == (cursor, None, generation.number)

    def test_an_applied_sync_is_a_generation(self, store: Store, clock: FakeClock) -> None:
        summary = {"created": ["nightly"], "updated": {"other": ["cron"]}, "removed": []}
        clock.advance(1)

        made = store.apply(
            a_change(a_job(), content_hash="ab" * 32, commit="c0ffee", applied_by="anna@host", summary=summary)
        )

        assert (made.namespace, made.number, made.content_hash) == ("default", 1, "ab" * 32)
        assert (made.commit, made.applied_by, made.summary) == ("c0ffee", "anna@host", summary)
        assert made.applied_at == clock.now()
        assert store.actual("default").generation == made
        assert store.generations("default") == [made]

    def test_generations_are_numbered_per_namespace_and_listed_newest_first(self, store: Store) -> None:
        for seen in (None, 1, 2):
            store.apply(a_change(seen=seen))

        elsewhere = store.apply(a_change(namespace="elsewhere"))

        assert elsewhere.number == 1
        assert [made.number for made in store.generations("default")] == [3, 2, 1]
        assert [made.number for made in store.generations("default", limit=2)] == [3, 2]
        assert store.namespaces() == ["default", "elsewhere"]

    def test_jobs_are_found_by_namespace_and_name(self, store: Store) -> None:
        given_jobs(store, a_job("b"), a_job("a"), a_job("c"))
        given_jobs(store, a_job("a", namespace="elsewhere"))

        assert [stored.job.name for stored in store.jobs("default")] == ["a", "b", "c"]
        assert [stored.job.name for stored in store.jobs("default", ["c", "missing", "a"])] == ["a", "c"]
        assert store.jobs("default", []) == []
        assert list(store.actual("elsewhere").jobs) == ["a"]

    def test_a_thousand_jobs_are_one_sync(self, store: Store) -> None:
        names = [f"job-{number:04}" for number in range(1000)]

        store.apply(a_change(*(a_limited_job(name) for name in names)))

        assert [stored.job.name for stored in store.jobs("default")] == names

    # -- conflicts

    @pytest.mark.parametrize("seen", [None, 2], ids=["none was seen", "another was seen"])
    def test_a_sync_planned_on_another_generation_writes_nothing(self, store: Store, seen: int | None) -> None:
        given_jobs(store, a_job("kept"))

        with pytest.raises(SyncConflictError):
            store.apply(a_change(a_job("new"), removals=["kept"], seen=seen))

        assert list(store.actual("default").jobs) == ["kept"]
        assert len(store.generations("default")) == 1

    def test_a_first_sync_that_believes_it_is_not_the_first_writes_nothing(self, store: Store) -> None:
        with pytest.raises(SyncConflictError):
            store.apply(a_change(a_job(), seen=1))

        assert (store.namespaces(), store.jobs("default")) == ([], [])

    def test_a_sync_that_saw_another_cursor_writes_nothing(self, store: Store) -> None:
        stored = given_jobs(store, a_free_job())["nightly"]
        slot = a_slot(stored.job, START + MINUTE)
        store.fire([a_firing(stored, slot)])
        edit = an_edit(
            stored,
            a_free_job(cron=("0 * * * *",)),
            schedule_revision=2,
            seen_cursor=stored.cursor,
            slots=(a_skipped_slot(stored.job, START + 2 * MINUTE),),
        )

        with pytest.raises(SyncConflictError):
            store.apply(a_change(a_job("new"), edit, seen=1))

        actual = store.actual("default")
        assert list(actual.jobs) == ["nightly"]
        assert actual.jobs["nightly"].job == stored.job
        assert actual.jobs["nightly"].cursor == START + MINUTE
        assert actual.generation is not None
        assert actual.generation.number == 1
        assert [run.scheduled_at for run in runs(store)] == [START + MINUTE]

    # -- edits

    def test_an_edit_of_the_definition_leaves_the_cursor_alone(self, store: Store) -> None:
        stored = given_jobs(store, a_free_job())["nightly"]
        store.fire([a_firing(stored, a_slot(stored.job, START + MINUTE))])

        # Planned before the fire: the cursor that it carries is old, and must not be written.
        generation = store.apply(a_change(an_edit(stored, a_free_job(priority=7)), seen=1))

        [edited] = store.jobs("default")
        assert (edited.job.priority, edited.revision, edited.schedule_revision) == (7, 2, 1)
        assert (edited.cursor, edited.next_at) == (START + MINUTE, START + 2 * MINUTE)
        assert edited.generation == generation.number

    def test_an_edit_of_the_schedule_moves_the_cursor_and_accounts_for_the_old_slots(self, store: Store) -> None:
        stored = given_jobs(store, a_free_job())["nightly"]
        edit = an_edit(
            stored,
            a_free_job(cron=("0 * * * *",)),
            schedule_revision=2,
            seen_cursor=stored.cursor,
            cursor=START + 3 * MINUTE,
            next_at=START + 60 * MINUTE,
            slots=(a_skipped_slot(stored.job, START + MINUTE), a_slot(stored.job, START + 2 * MINUTE)),
        )

        store.apply(a_change(edit, seen=1))

        [edited] = store.jobs("default")
        assert (edited.job.cron, edited.schedule_revision) == (("0 * * * *",), 2)
        assert (edited.cursor, edited.next_at) == (START + 3 * MINUTE, START + 60 * MINUTE)
        assert states(store) == [RunState.SKIPPED, RunState.PENDING]

    def test_slots_of_a_sync_obey_the_overlap_rule(self, store: Store) -> None:
        stored = given_jobs(store, a_limited_job())["nightly"]
        edit = an_edit(
            stored,
            a_limited_job(cron=("0 * * * *",)),
            schedule_revision=2,
            seen_cursor=stored.cursor,
            slots=(a_slot(stored.job, START + MINUTE), a_slot(stored.job, START + 2 * MINUTE)),
        )

        store.apply(a_change(edit, seen=1))

        assert [(run.state, run.reason) for run in runs(store)] == [
            (RunState.PENDING, None),
            (RunState.SKIPPED, Reason.OVERLAP),
        ]

    def test_a_slot_of_a_sync_that_has_a_row_already_gets_none(self, store: Store) -> None:
        stored = given_jobs(store, a_free_job())["nightly"]
        store.fire([a_firing(stored, a_slot(stored.job, START + MINUTE))])
        slots = (a_skipped_slot(stored.job, START + MINUTE), a_skipped_slot(stored.job, START + 2 * MINUTE))
        edit = an_edit(
            stored, a_free_job(cron=("0 * * * *",)), schedule_revision=2, seen_cursor=START + MINUTE, slots=slots
        )

        store.apply(a_change(edit, seen=1))

        assert states(store) == [RunState.PENDING, RunState.SKIPPED]

    def test_more_retries_are_granted_to_unfinished_runs_alone(self, store: Store) -> None:
        stored = given_jobs(store, a_free_job())["nightly"]
        finished, running, waiting = store.enqueue([a_trigger(stored.job)] * 3)
        [future, of_another] = store.enqueue([a_trigger(stored.job, available_at=START + MINUTE), a_run()])
        node = a_node(store)
        store.finish([a_transition(claim(store, node, limit=1)[0])])
        claim(store, node, limit=1)

        store.apply(a_change(an_edit(stored, stored.job, max_attempts=5), seen=1))

        ids = (finished.id, running.id, waiting.id, future.id, of_another.id)
        assert [the_run(store, run_id).max_attempts for run_id in ids] == [1, 5, 5, 5, 1]

    # -- removals

    def test_a_removed_job_is_gone_and_its_waiting_runs_are_cancelled(self, store: Store, clock: FakeClock) -> None:
        stored = given_jobs(store, a_limited_job(), a_free_job("other"))["nightly"]
        store.enqueue(
            [a_trigger(stored.job), a_trigger(stored.job), a_trigger(stored.job, available_at=START + MINUTE)]
        )
        [of_another, ad_hoc] = store.enqueue([a_trigger(a_free_job("other")), a_run()])
        assert states(store, job="nightly") == [RunState.PENDING, RunState.BLOCKED, RunState.SCHEDULED]
        clock.advance(1)

        given_removed(store, "nightly")

        assert list(store.actual("default").jobs) == ["other"]
        cancelled = [(run.state, run.reason, run.finished_at) for run in runs(store, job="nightly")]
        assert cancelled == [(RunState.CANCELLED, Reason.JOB_REMOVED, clock.now())] * 3
        assert the_run(store, of_another.id).state == the_run(store, ad_hoc.id).state == RunState.PENDING

    def test_a_removal_leaves_running_runs_and_history(self, store: Store) -> None:
        job = a_free_job()
        given_jobs(store, job)
        [finished, running] = store.enqueue([a_trigger(job)] * 2)
        node = a_node(store)
        [first, second] = claim(store, node)
        store.finish([a_transition(first)])

        given_removed(store, "nightly")

        assert the_run(store, finished.id).state == RunState.SUCCEEDED
        assert the_run(store, running.id).state == RunState.RUNNING
        assert store.finish([a_transition(second)]).keys() == {running.id}

    def test_a_removal_accounts_for_slots(self, store: Store) -> None:
        job = a_free_job()
        given_jobs(store, job)
        slots = (a_skipped_slot(job, START + MINUTE, Reason.JOB_REMOVED),)

        store.apply(a_change(removals=[JobRemoval(name="nightly", slots=slots)], seen=1))

        [row] = runs(store)
        assert (row.state, row.reason, row.scheduled_at) == (RunState.SKIPPED, Reason.JOB_REMOVED, START + MINUTE)

    def test_a_removal_stays_in_its_namespace(self, store: Store) -> None:
        elsewhere = a_free_job(namespace="elsewhere")
        given_jobs(store, a_free_job())
        given_jobs(store, elsewhere)
        [kept] = store.enqueue([a_trigger(elsewhere)])

        given_removed(store, "nightly")

        assert list(store.actual("elsewhere").jobs) == ["nightly"]
        assert the_run(store, kept.id).state == RunState.PENDING

    def test_a_job_can_be_removed_and_added_in_turn(self, store: Store) -> None:
        job: Job = a_job()
        given_jobs(store, job)
        given_removed(store, "nightly")

        again = given_jobs(store, job, now=START + MINUTE)["nightly"]

        assert (again.job, again.cursor, again.generation) == (job, START + MINUTE, 3)
