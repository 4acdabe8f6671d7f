"""The contract's chapter on what can be asked about runs."""

from datetime import timedelta

from jobsched.model.figures import JobFigures
from jobsched.model.run import Claim, Reason, RunFilter, RunState
from jobsched.store.port import Store
from jobsched.testing.builders import (
    MINUTE,
    START,
    a_firing,
    a_free_job,
    a_limited_job,
    a_node,
    a_run,
    a_skipped_slot,
    a_transition,
    a_trigger,
    claim,
    given_jobs,
)
from jobsched.testing.clock import FakeClock


class QuestionContract:
    def test_there_is_no_run_that_was_never_made(self, store: Store) -> None:
        [created] = store.enqueue([a_run()])

        assert store.run(created.id + 1) is None
        assert store.run(0) is None

    def test_runs_are_listed_newest_first(self, store: Store) -> None:
        ids = [created.id for created in store.enqueue([a_run()] * 3)]

        assert [run.id for run in store.runs(RunFilter())] == ids[::-1]

    def test_a_listed_run_is_the_run(self, store: Store) -> None:
        store.enqueue([a_run(payload={"a": [1]})])
        [claimed] = claim(store, a_node(store))
        store.finish([a_transition(claimed, RunState.FAILED, reason=Reason.ERROR, error={"message": "no"})])

        assert store.runs(RunFilter()) == [store.run(claimed.id)]

    def test_runs_are_filtered_by_namespace_and_job(self, store: Store) -> None:
        here, there = a_free_job(), a_free_job(namespace="elsewhere")
        given_jobs(store, here, a_free_job("other"))
        given_jobs(store, there)
        ids = [
            created.id
            for created in store.enqueue([a_trigger(here), a_trigger(a_free_job("other")), a_trigger(there), a_run()])
        ]

        assert listed(store, RunFilter(namespace="default")) == [ids[3], ids[1], ids[0]]
        assert listed(store, RunFilter(namespace="default", job="nightly")) == [ids[0]]
        assert listed(store, RunFilter(job="nightly")) == [ids[2], ids[0]]
        assert listed(store, RunFilter(job="unknown")) == []

    def test_runs_are_filtered_by_their_ids(self, store: Store) -> None:
        ids = [created.id for created in store.enqueue([a_run()] * 1200)]

        assert listed(store, RunFilter(ids=(ids[5], ids[3], ids[-1] + 1))) == [ids[5], ids[3]]
        assert listed(store, RunFilter(ids=())) == []
        assert len(store.runs(RunFilter(ids=tuple(ids), limit=2000))) == 1200

    def test_runs_are_filtered_by_state(self, store: Store) -> None:
        pending, scheduled, skipped = store.enqueue(
            [a_run(), a_run(available_at=START + MINUTE), a_run(skipped=Reason.PAUSED)]
        )

        assert listed(store, RunFilter(states=(RunState.SCHEDULED,))) == [scheduled.id]
        assert listed(store, RunFilter(states=(RunState.SKIPPED, RunState.PENDING))) == [skipped.id, pending.id]
        assert listed(store, RunFilter(states=(RunState.FAILED,))) == []

    def test_runs_are_filtered_by_handler_and_queue(self, store: Store) -> None:
        mail, other, chat = store.enqueue(
            [a_run(handler="send", queue="mail"), a_run(handler="read", queue="mail"), a_run(handler="send")]
        )

        assert listed(store, RunFilter(handler="send")) == [chat.id, mail.id]
        assert listed(store, RunFilter(queue="mail")) == [other.id, mail.id]
        assert listed(store, RunFilter(handler="send", queue="mail")) == [mail.id]

    def test_runs_are_filtered_by_the_instant_they_were_made_at(self, store: Store, clock: FakeClock) -> None:
        store.enqueue([a_run()])
        clock.advance(MINUTE)
        [at, after] = store.enqueue([a_run(), a_run(available_at=START)])

        assert listed(store, RunFilter(since=START + MINUTE)) == [after.id, at.id]

    def test_a_list_of_runs_is_read_page_by_page(self, store: Store) -> None:
        ids = [created.id for created in store.enqueue([a_run()] * 7)]

        pages: list[list[int]] = [listed(store, RunFilter(limit=3))]
        while pages[-1]:
            pages.append(listed(store, RunFilter(limit=3, before_id=pages[-1][-1])))

        assert pages == [ids[:3:-1], ids[3:0:-1], ids[:1], []]

    def test_the_last_run_of_each_job_is_its_newest_that_was_not_skipped(self, store: Store) -> None:
        jobs = [a_free_job("ran"), a_free_job("skipped"), a_free_job("never")]
        stored = given_jobs(store, *jobs)
        _, second, _ = store.enqueue([a_trigger(jobs[0]), a_trigger(jobs[0]), a_run()])
        store.fire(
            [a_firing(stored[name], a_skipped_slot(stored[name].job, START + MINUTE)) for name in ("ran", "skipped")]
        )

        last = store.last_runs("default")

        assert last == {"ran": store.run(second.id)}
        assert store.last_runs("nowhere") == {}

    def test_the_last_runs_are_those_of_the_namespace(self, store: Store) -> None:
        here, there = a_free_job(), a_free_job(namespace="elsewhere")
        given_jobs(store, here)
        given_jobs(store, there)
        [mine, _] = store.enqueue([a_trigger(here), a_trigger(there)])

        assert store.last_runs("default") == {"nightly": store.run(mine.id)}

    def test_the_recent_runs_of_each_job_are_its_newest_ones_with_those_skipped(self, store: Store) -> None:
        jobs = [a_free_job("busy"), a_free_job("skipped"), a_free_job("never"), a_free_job("other")]
        elsewhere = a_free_job("busy", namespace="elsewhere")
        stored = given_jobs(store, *jobs)
        given_jobs(store, elsewhere)
        _, second, third, _, _ = store.enqueue(
            [*[a_trigger(jobs[0])] * 3, a_trigger(jobs[3]), a_trigger(elsewhere)],
        )
        store.fire([a_firing(stored["skipped"], a_skipped_slot(jobs[1], START + MINUTE))])

        recent = store.recent_runs("default", ["busy", "skipped", "never"], 2)

        assert {name: [glance.id for glance in glances] for name, glances in recent.items()} == {
            "busy": [third.id, second.id],
            "skipped": [store.runs(RunFilter(job="skipped"))[0].id],
        }
        assert recent["skipped"][0].state is RunState.SKIPPED
        assert recent["skipped"][0].reason is not None
        assert store.recent_runs("nowhere", ["busy"], 2) == store.recent_runs("default", [], 2) == {}

    def test_counts_are_of_unfinished_runs_by_queue_and_state(self, store: Store) -> None:
        store.enqueue([a_run(queue="mail"), a_run(skipped=Reason.PAUSED), a_run(namespace="elsewhere")])
        finished, _ = claim_of_two(store)
        store.finish([a_transition(finished)])
        store.enqueue([a_run(), a_run(key="k"), a_run(key="k"), a_run(available_at=START + MINUTE)])

        assert counted(store, "default") == {
            ("mail", RunState.PENDING): 1,
            ("default", RunState.RUNNING): 1,
            ("default", RunState.PENDING): 2,
            ("default", RunState.BLOCKED): 1,
            ("default", RunState.SCHEDULED): 1,
        }
        assert counted(store, "elsewhere") == {("default", RunState.PENDING): 1}
        assert counted(store, "default", "elsewhere")["default", RunState.PENDING] == 3
        assert counted(store) == {}

    def test_the_figures_of_a_job_that_never_ran_are_its_next_slot_alone(self, store: Store) -> None:
        stored = given_jobs(store, a_free_job("b"), a_free_job("a"))
        given_jobs(store, a_free_job(namespace="elsewhere"))

        assert store.job_figures("default") == [
            JobFigures(
                name=name,
                next_at=stored[name].next_at,
                last_run_at=None,
                last_success_at=None,
                failing=False,
            )
            for name in ("a", "b")
        ]

    def test_a_job_fails_until_one_of_its_runs_succeeds(self, store: Store, clock: FakeClock) -> None:
        job = a_free_job()
        given_jobs(store, job)

        def ended(state: RunState) -> JobFigures:
            store.enqueue([a_trigger(job)])
            clock.advance(1)
            [claimed] = claim(store, a_node(store))
            store.finish([a_transition(claimed, state, reason=Reason.ERROR if state is RunState.FAILED else None)])
            store.enqueue([a_trigger(job, skipped=Reason.OVERLAP)])
            return store.job_figures("default")[0]

        failed, succeeded, cancelled, again = map(
            ended, (RunState.FAILED, RunState.SUCCEEDED, RunState.CANCELLED, RunState.FAILED)
        )

        second = timedelta(seconds=1)
        assert (failed.failing, failed.last_run_at, failed.last_success_at) == (True, START, None)
        assert (succeeded.failing, succeeded.last_success_at) == (False, START + 2 * second)
        assert (cancelled.failing, cancelled.last_run_at) == (False, START + 2 * second)
        assert (again.failing, again.last_run_at, again.last_success_at) == (
            True,
            START + 3 * second,
            START + 2 * second,
        )

    def test_a_database_knows_how_large_it_is(self, store: Store) -> None:
        sizes = store.sizes()

        assert sizes.bytes > 0
        assert (sizes.wal_bytes is None) == bool(sizes.tables)
        assert not sizes.tables or "jobsched_runs" in {table.name for table in sizes.tables}

    def test_unfinished_are_the_runs_in_no_final_state(self, store: Store) -> None:
        job = a_limited_job()
        given_jobs(store, job)
        finished, running = claim_of_two(store)
        store.finish([a_transition(finished)])
        others = store.enqueue(
            [a_trigger(job), a_trigger(job), a_run(available_at=START + MINUTE), a_run(skipped=Reason.PAUSED)]
        )
        ids = [finished.id, running.id, *(created.id for created in others)]

        assert store.unfinished([*ids, 999_999]) == {running.id, *(created.id for created in others[:3])}
        assert store.unfinished([]) == set()

    def test_many_may_be_asked_for_at_once(self, store: Store) -> None:
        ids = [created.id for created in store.enqueue([a_run()] * 2000)]

        # More than the parameters that an SQLite statement may have.
        assert store.unfinished([*ids, *range(10**6, 10**6 + 40_000)]) == set(ids)

    def test_each_queue_tells_since_when_its_oldest_pending_run_waits(self, store: Store, clock: FakeClock) -> None:
        store.enqueue([a_run(queue="mail", priority=9)])
        clock.advance(MINUTE)
        store.enqueue([a_run(queue="mail"), a_run(), a_run(namespace="elsewhere", queue="far")])
        store.enqueue([a_run(queue="later", available_at=clock.now() + MINUTE)])

        assert store.oldest_pending("default") == {"mail": START, "default": START + MINUTE}


def listed(store: Store, wanted: RunFilter) -> list[int]:
    return [run.id for run in store.runs(wanted)]


def counted(store: Store, *namespaces: str) -> dict[tuple[str, RunState], int]:
    """The counts that are not nought."""
    return {place: count for place, count in store.counts(namespaces).items() if count}


def claim_of_two(store: Store) -> list[Claim]:
    store.enqueue([a_run()] * 2)
    return claim(store, a_node(store), queues=["default"])
