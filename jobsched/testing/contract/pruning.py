"""The contract's chapter on retention: finished runs go by count and age, unfinished ones never."""

from datetime import timedelta
from typing import Any

import pytest

from jobsched.model.job import History
from jobsched.model.run import LogLine, Reason, RunState, Source
from jobsched.store.port import Retention, Store
from jobsched.testing.builders import (
    NAMESPACE,
    START,
    a_firing,
    a_free_job,
    a_limited_job,
    a_node,
    a_retry,
    a_run,
    a_skipped_slot,
    a_transition,
    a_trigger,
    claim,
    given_jobs,
    given_removed,
    runs,
    states,
)
from jobsched.testing.clock import FakeClock

DAY = timedelta(days=1)
YEARS = timedelta(days=4000)
KEEP_ALL = History(success=1000, failed=1000, skipped=1000, max_age=YEARS)


class PruneContract:
    @pytest.mark.parametrize(
        ("state", "history"),
        [(RunState.SUCCEEDED, {"success": 2}), (RunState.FAILED, {"failed": 2})],
    )
    def test_of_a_job_the_newest_runs_are_kept_by_count(
        self, store: Store, state: RunState, history: dict[str, int]
    ) -> None:
        kept = finished_runs(store, "nightly", state, 5)[-2:]

        pruned = store.prune([of_job("nightly", **history)], 100)

        assert pruned == 3
        assert [run.id for run in runs(store)] == kept

    def test_skipped_runs_are_kept_by_their_own_count(self, store: Store) -> None:
        stored = given_jobs(store, a_free_job())["nightly"]
        rows = [a_skipped_slot(stored.job, START + number * DAY) for number in range(1, 6)]
        created = store.fire([a_firing(stored, *rows)])

        assert store.prune([of_job("nightly", skipped=2)], 100) == 3
        assert [run.id for run in runs(store)] == [one.id for one in created[-2:]]

    def test_backfilled_runs_push_out_no_rows_but_those_of_backfills(self, store: Store) -> None:
        regular = finished_runs(store, "nightly", RunState.SUCCEEDED, 3)
        backfilled = finished_runs(store, "nightly", RunState.SUCCEEDED, 5, source=Source.BACKFILL)

        pruned = store.prune([of_job("nightly", success=2)], 100)

        assert pruned == 4
        assert [run.id for run in runs(store)] == [*regular[-2:], *backfilled[-2:]]

    def test_each_state_has_its_own_count(self, store: Store) -> None:
        finished_runs(store, "nightly", RunState.SUCCEEDED, 3)
        finished_runs(store, "nightly", RunState.FAILED, 3)

        store.prune([of_job("nightly", success=1, failed=2)], 100)

        assert states(store) == [RunState.SUCCEEDED, RunState.FAILED, RunState.FAILED]

    @pytest.mark.parametrize("state", [RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED])
    def test_what_is_older_than_max_age_goes_whatever_the_counts(
        self, store: Store, clock: FakeClock, state: RunState
    ) -> None:
        finished_runs(store, "nightly", state, 2)
        clock.advance(2 * DAY)
        kept = finished_runs(store, "nightly", state, 2)
        clock.advance(2 * DAY)

        assert store.prune([of_job("nightly", max_age=3 * DAY)], 100) == 2
        assert [run.id for run in runs(store)] == kept

    def test_age_counts_from_the_end_of_a_run(self, store: Store, clock: FakeClock) -> None:
        job = a_free_job()
        given_jobs(store, job)
        store.enqueue([a_trigger(job)])
        clock.advance(9 * DAY)
        [claimed] = claim(store, a_node(store))
        store.finish([a_transition(claimed)])

        assert store.prune([of_job("nightly", max_age=DAY)], 100) == 0

    def test_a_job_prunes_no_runs_but_its_own(self, store: Store) -> None:
        given_jobs(store, a_free_job(namespace="elsewhere"))
        for job in ("nightly", "other", None):
            finished_runs(store, job, RunState.SUCCEEDED, 2)
        finished_runs(store, "nightly", RunState.SUCCEEDED, 2, namespace="elsewhere")

        assert store.prune([of_job("nightly", success=0)], 100) == 2
        assert [run.job for run in runs(store)] == ["other", "other", None, None]
        assert len(runs(store, namespace="elsewhere")) == 2

    def test_ad_hoc_runs_go_by_the_age_of_their_state(self, store: Store, clock: FakeClock) -> None:
        finished_runs(store, None, RunState.SUCCEEDED, 2)
        finished_runs(store, None, RunState.FAILED, 2)
        finished_runs(store, "nightly", RunState.SUCCEEDED, 1)
        clock.advance(2 * DAY)
        finished_runs(store, None, RunState.SUCCEEDED, 1)

        pruned = store.prune([ad_hoc(RunState.SUCCEEDED, DAY), ad_hoc(RunState.FAILED, 30 * DAY)], 100)

        assert pruned == 2
        assert states(store) == [RunState.FAILED] * 2 + [RunState.SUCCEEDED] * 2

    def test_several_retentions_are_done_at_once(self, store: Store, clock: FakeClock) -> None:
        finished_runs(store, None, RunState.SUCCEEDED, 2)
        clock.advance(2 * DAY)
        for job in ("a", "b"):
            finished_runs(store, job, RunState.SUCCEEDED, 3)

        pruned = store.prune([of_job("a", success=1), of_job("b", success=2), ad_hoc(RunState.SUCCEEDED, DAY)], 100)

        assert pruned == 5
        assert [run.job for run in runs(store)] == ["a", "b", "b"]

    def test_unfinished_runs_are_never_touched(self, store: Store, clock: FakeClock) -> None:
        job = a_limited_job(limit=3)
        given_jobs(store, job)
        store.enqueue([a_trigger(job)] * 5 + [a_run()] * 2)
        [running, retried] = claim(store, a_node(store), limit=2)
        store.finish([a_retry(retried, START + YEARS)])
        before = runs(store)
        clock.advance(YEARS / 2)

        nothing = History(success=0, failed=0, skipped=0, max_age=timedelta(0))
        ages = dict.fromkeys(RunState, timedelta(0))
        pruned = store.prune(
            [
                Retention(namespace=NAMESPACE, job="nightly", history=nothing),
                Retention(namespace=NAMESPACE, job=None, history=nothing, ad_hoc_ages=ages),
            ],
            100,
        )

        assert pruned == 0
        assert runs(store) == before
        assert {run.state for run in before} == {
            RunState.RUNNING,
            RunState.SCHEDULED,
            RunState.PENDING,
            RunState.BLOCKED,
        }
        assert store.finish([a_transition(running)]).keys() == {running.id}

    def test_logs_go_with_their_runs(self, store: Store) -> None:
        gone, kept = finished_runs(store, "nightly", RunState.SUCCEEDED, 2)
        store.append_log([LogLine(run_id, 1, 0, START, "log", "line") for run_id in (gone, kept)])

        store.prune([of_job("nightly", success=1)], 100)

        assert store.log(gone) == []
        assert len(store.log(kept)) == 1

    def test_pruning_goes_on_where_the_limit_stopped_it(self, store: Store) -> None:
        kept = finished_runs(store, "nightly", RunState.SUCCEEDED, 25)[-1]

        pruned = [store.prune([of_job("nightly", success=1)], 10)]
        assert len(runs(store)) == 25 - pruned[0]
        while pruned[-1]:
            pruned.append(store.prune([of_job("nightly", success=1)], 10))

        assert len(pruned) > 2
        assert sum(pruned) == 24
        assert [run.id for run in runs(store)] == [kept]

    def test_the_history_of_a_removed_job_can_be_pruned(self, store: Store, clock: FakeClock) -> None:
        finished_runs(store, "nightly", RunState.SUCCEEDED, 2)
        given_removed(store, "nightly")
        clock.advance(2 * DAY)

        assert store.prune([of_job("nightly", max_age=DAY)], 100) == 2

    def test_a_pruned_slot_does_not_fire_again(self, store: Store) -> None:
        stored = given_jobs(store, a_free_job())["nightly"]
        firing = a_firing(stored, a_skipped_slot(stored.job, START + DAY, Reason.PAUSED))
        store.fire([firing])
        store.prune([of_job("nightly", skipped=0)], 100)

        assert store.fire([firing]) == []
        assert runs(store) == []

    def test_pruning_nothing_is_nothing(self, store: Store) -> None:
        finished_runs(store, "nightly", RunState.SUCCEEDED, 1)

        assert store.prune([], 100) == 0
        assert store.prune([of_job("nightly")], 100) == 0
        assert len(runs(store)) == 1

    def test_jobs_with_history_are_those_that_have_finished_runs(self, store: Store) -> None:
        stored = given_jobs(store, a_free_job("done"), a_free_job("skipped"), a_free_job("waiting"), a_free_job("new"))
        node = a_node(store)
        store.enqueue([a_trigger(stored["done"].job)])
        store.finish([a_transition(run) for run in claim(store, node)])
        store.fire([a_firing(stored["skipped"], a_skipped_slot(stored["skipped"].job, START))])
        store.enqueue([a_trigger(stored["waiting"].job)])

        assert store.jobs_with_history(NAMESPACE) == ["done", "skipped"]
        assert store.jobs_with_history("elsewhere") == []


def of_job(job: str, **history: Any) -> Retention:
    """Keeps all runs of the job but for what `history` says."""
    kept = {"success": 1000, "failed": 1000, "skipped": 1000, "max_age": YEARS}
    return Retention(namespace=NAMESPACE, job=job, history=History(**{**kept, **history}))


def ad_hoc(state: RunState, age: timedelta) -> Retention:
    return Retention(namespace=NAMESPACE, job=None, history=KEEP_ALL, ad_hoc_ages={state: age})


def finished_runs(
    store: Store,
    job: str | None,
    state: RunState,
    count: int,
    namespace: str = NAMESPACE,
    source: Source = Source.TRIGGER,
) -> list[int]:
    """The ids of new runs that ended so, oldest first."""
    if job is None:
        new = a_run(namespace=namespace)
    else:
        new = a_trigger(a_free_job(job, namespace=namespace), source=source)
        if not store.jobs(namespace, [job]):
            given_jobs(store, a_free_job(job, namespace=namespace))
    store.enqueue([new] * count)
    claimed = claim(store, a_node(store), generations={namespace: None})
    store.finish([a_transition(one, state) for one in claimed])
    return [one.id for one in claimed]
