"""The contract's chapter on slots: each is covered by one row, whoever fires it and how often."""

from dataclasses import replace
from datetime import datetime, timedelta

from jobsched.model.run import Covers, Reason, RunState, Source
from jobsched.store.port import Store
from jobsched.testing.builders import (
    MINUTE,
    START,
    a_change,
    a_firing,
    a_free_job,
    a_job,
    a_limited_job,
    a_pause,
    a_skipped_slot,
    a_slot,
    a_trigger,
    a_write,
    an_edit,
    given_jobs,
    given_removed,
    runs,
    the_run,
)
from jobsched.testing.clock import FakeClock


class SlotContract:
    def test_a_fire_records_slots_and_moves_the_cursor(self, store: Store, clock: FakeClock) -> None:
        job = a_free_job(queue="mail", priority=3, payload={"a": [1]})
        stored = given_jobs(store, job)["nightly"]
        clock.advance(MINUTE)

        [created] = store.fire(
            [a_firing(stored, a_slot(job, START + MINUTE, generation=1, max_attempts=4), next_at=START + 5 * MINUTE)]
        )

        run = the_run(store, created.id)
        assert (created.namespace, created.job, created.scheduled_at) == ("default", "nightly", START + MINUTE)
        assert (created.state, created.reason, created.existing) == (RunState.PENDING, None, False)
        assert (run.namespace, run.job, run.source, run.scheduled_at) == (
            "default",
            "nightly",
            Source.SLOT,
            START + MINUTE,
        )
        assert (run.state, run.queue, run.priority, run.payload) == (RunState.PENDING, "mail", 3, {"a": [1]})
        assert (run.generation, run.max_attempts, run.created_at) == (1, 4, clock.now())
        [moved] = store.jobs("default")
        assert (moved.cursor, moved.next_at) == (START + MINUTE, START + 5 * MINUTE)

    def test_a_fire_made_again_inserts_nothing(self, store: Store) -> None:
        stored = given_jobs(store, a_free_job())["nightly"]
        firing = a_firing(stored, a_slot(stored.job, START + MINUTE))
        store.fire([firing])

        assert store.fire([firing]) == []
        assert len(runs(store)) == 1

    def test_a_fire_that_saw_an_older_cursor_changes_nothing(self, store: Store) -> None:
        stored = given_jobs(store, a_free_job())["nightly"]
        store.fire([a_firing(stored, a_slot(stored.job, START + 2 * MINUTE))])

        assert store.fire([a_firing(stored, a_slot(stored.job, START + MINUTE))]) == []
        assert [run.scheduled_at for run in runs(store)] == [START + 2 * MINUTE]
        assert store.jobs("default")[0].cursor == START + 2 * MINUTE

    def test_a_fire_by_another_schedule_changes_nothing(self, store: Store) -> None:
        stored = given_jobs(store, a_free_job())["nightly"]
        edit = an_edit(stored, a_free_job(cron=("0 * * * *",)), schedule_revision=2, seen_cursor=stored.cursor)
        store.apply(a_change(edit, seen=1))

        assert store.fire([a_firing(stored, a_slot(stored.job, START + MINUTE))]) == []
        assert runs(store) == []
        assert store.jobs("default")[0].cursor == START

    def test_a_fire_after_an_edit_of_the_definition_counts(self, store: Store) -> None:
        stored = given_jobs(store, a_free_job())["nightly"]
        store.apply(a_change(an_edit(stored, a_free_job(priority=7)), seen=1))

        assert len(store.fire([a_firing(stored, a_slot(stored.job, START + MINUTE))])) == 1

    def test_a_fire_reckoned_by_an_older_revision_changes_nothing(self, store: Store) -> None:
        stored = given_jobs(store, a_free_job())["nightly"]
        by_it = a_firing(stored, a_slot(stored.job, START + MINUTE), revision=stored.revision)
        store.apply(a_change(an_edit(stored, a_free_job(priority=7)), seen=1))

        assert store.fire([by_it]) == []
        [edited] = store.jobs("default")
        assert (edited.cursor, runs(store)) == (START, [])
        assert len(store.fire([replace(by_it, revision=edited.revision)])) == 1

    def test_nothing_is_fired_of_a_job_that_a_pause_holds(self, store: Store) -> None:
        stored = given_jobs(store, a_free_job("held"), a_free_job("free"))
        firings = [a_firing(one, a_slot(one.job, START + MINUTE)) for one in stored.values()]
        store.pause([a_pause("job", "held"), a_pause("queue", "default")])

        assert [one.job for one in store.fire(firings)] == ["free"]
        assert store.jobs("default", ["held"])[0].cursor == START

    def test_nothing_is_fired_while_a_pause_holds_all_jobs_of_the_namespace(self, store: Store) -> None:
        other = a_free_job(namespace="other")
        stored = given_jobs(store, a_free_job())["nightly"]
        elsewhere = given_jobs(store, other)["nightly"]
        store.pause([a_pause("all")])

        fired = store.fire([a_firing(one, a_slot(one.job, START + MINUTE)) for one in (stored, elsewhere)])

        assert [one.namespace for one in fired] == ["other"]

    def test_a_fire_of_a_removed_job_inserts_nothing(self, store: Store) -> None:
        stored = given_jobs(store, a_free_job())["nightly"]
        given_removed(store, "nightly")

        assert store.fire([a_firing(stored, a_slot(stored.job, START + MINUTE))]) == []
        assert runs(store) == []

    def test_a_late_firing_does_not_hold_up_the_others(self, store: Store) -> None:
        stored = given_jobs(store, a_free_job("late"), a_free_job("fresh"))
        late = a_firing(stored["late"], a_slot(stored["late"].job, START + MINUTE))
        store.fire([late])

        created = store.fire([late, a_firing(stored["fresh"], a_slot(stored["fresh"].job, START + MINUTE))])

        assert [one.job for one in created] == ["fresh"]

    def test_a_slot_that_has_a_row_gets_no_other_and_its_neighbours_go_in(self, store: Store) -> None:
        job = a_free_job()
        first = given_jobs(store, job)["nightly"]
        store.fire([a_firing(first, a_slot(job, START + 2 * MINUTE))])
        given_removed(store, "nightly")
        again = given_jobs(store, job)["nightly"]

        created = store.fire([a_firing(again, *(a_slot(job, START + number * MINUTE) for number in (1, 2, 3)))])

        assert [one.scheduled_at for one in created] == [START + MINUTE, START + 3 * MINUTE]
        slots = sorted(run.scheduled_at for run in runs(store) if run.scheduled_at)
        assert slots == [START + number * MINUTE for number in (1, 2, 3)]
        assert store.jobs("default")[0].cursor == START + 3 * MINUTE

    def test_slots_a_microsecond_apart_are_two(self, store: Store) -> None:
        stored = given_jobs(store, a_free_job())["nightly"]
        slots = [START + timedelta(microseconds=number) for number in (1, 2)]

        store.fire([a_firing(stored, *(a_slot(stored.job, slot) for slot in slots))])

        assert [run.scheduled_at for run in runs(store)] == slots

    def test_the_same_instant_in_two_jobs_and_two_namespaces_is_three_slots(self, store: Store) -> None:
        here = given_jobs(store, a_free_job("a"), a_free_job("b"))
        elsewhere = given_jobs(store, a_free_job("a", namespace="elsewhere"))

        created = store.fire(
            [a_firing(stored, a_slot(stored.job, START + MINUTE)) for stored in (here["a"], here["b"], elsewhere["a"])]
        )

        assert {(one.namespace, one.job) for one in created} == {
            ("default", "a"),
            ("default", "b"),
            ("elsewhere", "a"),
        }

    def test_a_skipped_row_covers_a_range(self, store: Store, clock: FakeClock) -> None:
        stored = given_jobs(store, a_job())["nightly"]
        covers = [
            Covers(START + MINUTE, START + 2 * MINUTE, 2),
            Covers(START + 3 * MINUTE, START + 9999 * MINUTE, None),
        ]
        # Such a row stands in the place of the last slot that it covers.
        rows = [a_skipped_slot(stored.job, cover.last, Reason.PAUSED, covers=cover) for cover in covers]

        created = store.fire([a_firing(stored, *rows)])

        assert [(one.state, one.reason) for one in created] == [(RunState.SKIPPED, Reason.PAUSED)] * 2
        assert [run.covers for run in runs(store)] == covers
        assert [run.finished_at for run in runs(store)] == [clock.now()] * 2

    def test_a_fire_without_rows_moves_the_cursor(self, store: Store) -> None:
        stored = given_jobs(store, a_job())["nightly"]

        assert store.fire([a_firing(stored, cursor=START + MINUTE, next_at=None)]) == []

        [moved] = store.jobs("default")
        assert (moved.cursor, moved.next_at) == (START + MINUTE, None)

    def test_what_was_prepared_is_fired_as_what_was_not(self, store: Store) -> None:
        many = {
            "plain": a_free_job("plain", payload={"text": "\0 \ud800 \"'"}, tags=("a", "b"), queue="mail", priority=-3),
            "keyed": a_limited_job("keyed"),
            "twice": a_free_job("twice"),
            "large": a_free_job("large", payload={"text": "x" * 20_000}),
        }
        stored = given_jobs(store, *many.values())
        later = {"available_at": START + 2 * MINUTE, "start_by": START + 9 * MINUTE}
        slots = {
            "plain": [a_slot(many["plain"], START + MINUTE, tags=("a", "b"), **later)],
            "keyed": [a_slot(many["keyed"], START + MINUTE)],
            "twice": [a_slot(many["twice"], START + number * MINUTE) for number in (1, 2)],
            "large": [a_slot(many["large"], START + MINUTE)],
        }
        firings = [a_firing(stored[name], *slots[name]) for name in many]

        prepared = store.prepare(firings)
        made = store.fire(prepared)

        assert prepared == firings
        assert sorted((one.job or "", one.state.value) for one in made) == [
            ("keyed", "pending"),
            ("large", "pending"),
            ("plain", "scheduled"),
            ("twice", "pending"),
            ("twice", "pending"),
        ]
        plain = the_run(store, next(one.id for one in made if one.job == "plain"))
        assert (plain.payload, plain.tags, plain.queue, plain.priority) == (
            many["plain"].payload,
            ("a", "b"),
            "mail",
            -3,
        )
        assert (plain.available_at, plain.scheduled_at) == (START + 2 * MINUTE, START + MINUTE)
        assert [run.id for run in runs(store) if run.job == "large" and run.payload == many["large"].payload]
        assert store.fire(prepared) == []

    def test_of_slots_that_share_a_key_only_the_first_gets_its_place(self, store: Store) -> None:
        jobs = [a_limited_job(name, key="shared") for name in ("a", "b", "c")]
        stored = given_jobs(store, *jobs)

        made = store.fire(store.prepare([a_firing(stored[job.name], a_slot(job, START + MINUTE)) for job in jobs]))

        assert [(one.job, one.state) for one in made] == [
            ("a", RunState.PENDING),
            ("b", RunState.SKIPPED),
            ("c", RunState.SKIPPED),
        ]

    def test_a_slot_waits_or_is_skipped_for_what_is_unfinished_and_its_neighbours_are_not(self, store: Store) -> None:
        jobs = [a_limited_job(name) for name in ("a", "b", "c")]
        stored = given_jobs(store, *jobs)
        store.fire([a_firing(stored["b"], a_slot(stored["b"].job, START + MINUTE))])
        seen = {one.job.name: one for one in store.jobs("default")}

        made = store.fire(store.prepare([a_firing(seen[job.name], a_slot(job, START + 2 * MINUTE)) for job in jobs]))

        assert {(one.job, one.state) for one in made} == {
            ("a", RunState.PENDING),
            ("b", RunState.SKIPPED),
            ("c", RunState.PENDING),
        }

    def test_firing_nothing_is_nothing(self, store: Store) -> None:
        assert store.fire([]) == []

    # -- what is due

    def test_next_due_is_the_earliest_next_slot_of_the_namespaces(self, store: Store) -> None:
        first, second = START + MINUTE, START + 2 * MINUTE
        store.apply(
            a_change(
                a_write(a_job("a"), next_at=second),
                a_write(a_job("b"), next_at=first),
                a_write(a_job("c"), next_at=None),
            )
        )
        store.apply(a_change(a_write(a_job(namespace="elsewhere"), next_at=START), namespace="elsewhere"))

        assert store.next_due(["default"]) == first
        assert store.next_due(["default", "elsewhere"]) == START
        assert store.next_due(["nowhere"]) is None
        assert store.next_due([]) is None

    def test_due_are_jobs_whose_next_slot_has_come_the_earliest_first(self, store: Store) -> None:
        times = {"now": 2, "earlier": 1, "later": 3}
        store.apply(
            a_change(
                *(a_write(a_job(name), next_at=START + minute * MINUTE) for name, minute in times.items()),
                a_write(a_job("never"), next_at=None),
            )
        )

        due = store.due(["default", "nowhere"], START + 2 * MINUTE, 10)

        assert [one.name for one in due] == ["earlier", "now"]
        assert [one.name for one in store.due(["default"], START + 2 * MINUTE, 1)] == ["earlier"]
        assert store.due(["nowhere"], START + 2 * MINUTE, 10) == []

    def test_a_due_job_says_what_its_firing_must_have_seen(self, store: Store) -> None:
        store.apply(a_change(a_write(a_job(), revision=5, schedule_revision=4)))

        [due] = store.due(["default"], START + MINUTE, 10)

        assert (due.namespace, due.name, due.revision, due.schedule_revision) == ("default", "nightly", 5, 4)
        assert (due.cursor, due.next_at, due.generation) == (START, START + MINUTE, 1)

    def test_a_removed_job_is_not_due(self, store: Store) -> None:
        given_jobs(store, a_job())

        given_removed(store, "nightly")

        assert store.due(["default"], START + MINUTE, 10) == []
        assert store.next_due(["default"]) is None

    # -- looking back

    def test_rows_of_slots_are_listed_by_slot_the_newest_first(self, store: Store) -> None:
        job = a_free_job()
        stored = given_jobs(store, job)["nightly"]
        slots = [START + minute * MINUTE for minute in (3, 1, 2)]
        store.fire([a_firing(stored, *(a_slot(job, slot) for slot in slots))])
        store.enqueue([a_trigger(job)])

        def listed(first: datetime | None, last: datetime, limit: int = 10) -> list[datetime | None]:
            return [row.scheduled_at for row in store.slot_rows("default", "nightly", first, last, limit)]

        assert listed(None, START + 9 * MINUTE) == sorted(slots, reverse=True)
        assert listed(None, START + 9 * MINUTE, limit=1) == [START + 3 * MINUTE]
        assert listed(START + 2 * MINUTE, START + 2 * MINUTE) == [START + 2 * MINUTE]
        assert listed(START + 4 * MINUTE, START + 9 * MINUTE) == []
        assert store.slot_rows("default", "hourly", None, START + 9 * MINUTE, 10) == []
        assert store.slot_rows("elsewhere", "nightly", None, START + 9 * MINUTE, 10) == []

    def test_a_row_that_covers_a_range_is_found_by_each_instant_in_it(self, store: Store) -> None:
        job = a_free_job()
        stored = given_jobs(store, job)["nightly"]
        covers = Covers(first=START + 2 * MINUTE, last=START + 4 * MINUTE, count=3)
        [made] = store.fire([a_firing(stored, a_skipped_slot(job, covers.last, covers=covers))])

        found = [
            [row.id for row in store.slot_rows("default", "nightly", instant, instant, 10)]
            for instant in (START + minute * MINUTE for minute in range(1, 6))
        ]

        assert found == [[], [made.id], [made.id], [made.id], []]
