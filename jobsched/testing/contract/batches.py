"""The contract's chapter on what runs are found by: tags and batches."""

from collections.abc import Sequence

import pytest

from jobsched.model.run import OnConflict, RunFilter, RunState
from jobsched.store.port import Store
from jobsched.testing.builders import (
    MINUTE,
    NAMESPACE,
    START,
    a_firing,
    a_free_job,
    a_node,
    a_run,
    a_skipped_slot,
    a_transition,
    claim,
    given_jobs,
    runs,
    the_run,
)


class TagContract:
    def test_a_run_has_the_tags_it_was_made_with(self, store: Store) -> None:
        tags = ("imports", "ünï, 'quoted' \"twice\"", "%s")
        store.enqueue([a_run(tags=tags), a_run()])

        assert [run.tags for run in runs(store)] == [tags, ()]

    def test_runs_are_found_by_each_of_their_tags_page_by_page(self, store: Store) -> None:
        made = store.enqueue([a_run(tags=("all", f"n{number % 3}")) for number in range(9)])
        store.enqueue([a_run(tags=("all",), namespace="elsewhere"), a_run(), a_run(tags=("ALL", "al"))])
        ids = [one.id for one in made][::-1]

        assert found(store, tag="all") == ids
        assert found(store, tag="n1") == ids[1::3]
        assert found(store, tag="all", limit=4) == ids[:4]
        assert found(store, tag="all", limit=4, before_id=ids[3]) == ids[4:8]
        assert found(store, tag="none") == []

    def test_a_tag_goes_with_every_other_filter(self, store: Store) -> None:
        store.enqueue([a_run(tags=("t",)), a_run(tags=("t",), queue="mail", batch="b"), a_run(queue="mail", batch="b")])
        [one, other, _] = runs(store)

        assert found(store, tag="t", queue="mail") == [other.id]
        assert found(store, tag="t", batch="b") == [other.id]
        assert found(store, tag="t", states=(RunState.PENDING,)) == [other.id, one.id]
        assert found(store, tag="t", states=(RunState.FAILED, RunState.RUNNING)) == []
        assert found(store, tag="t", namespace=None) == [other.id, one.id]

    def test_slots_have_the_tags_that_are_asked_for_too(self, store: Store) -> None:
        job = a_free_job(tags=("billing",))
        stored = given_jobs(store, job)["nightly"]
        [made] = store.fire([a_firing(stored, a_skipped_slot(job, START + MINUTE, tags=("billing",)))])

        assert found(store, tag="billing") == [made.id]

    def test_a_run_that_is_gone_is_found_by_no_tag(self, store: Store) -> None:
        [gone, stays] = store.enqueue([a_run(tags=("t", "u"))] * 2)
        store.cancel([gone.id])

        store.delete([gone.id])

        assert (found(store, tag="t"), found(store, tag="u")) == ([stays.id], [stays.id])

    def test_a_replaced_run_has_the_tags_batch_and_timeout_of_the_new_one(self, store: Store) -> None:
        [held] = store.enqueue([a_run(unique_key="u", tags=("old", "both"), batch="old", timeout=MINUTE)])
        wanted = a_run(
            unique_key="u", on_conflict=OnConflict.REPLACE, tags=("both", "new"), batch="new", timeout=2 * MINUTE
        )

        store.enqueue([wanted])

        run = the_run(store, held.id)
        assert (run.tags, run.batch, run.timeout) == (("both", "new"), "new", 2 * MINUTE)
        assert [found(store, tag=tag) for tag in ("old", "both", "new")] == [[], [run.id], [run.id]]
        assert (store.batch_counts(NAMESPACE, "old"), store.batch_counts(NAMESPACE, "new")) == (
            {},
            {RunState.SCHEDULED: 1},
        )

    def test_what_was_replaced_by_one_without_them_has_none(self, store: Store) -> None:
        [held] = store.enqueue([a_run(unique_key="u", tags=("old",), batch="old", timeout=MINUTE)])

        store.enqueue([a_run(unique_key="u", on_conflict=OnConflict.REPLACE)])

        run = the_run(store, held.id)
        assert (run.tags, run.batch, run.timeout, found(store, tag="old")) == ((), None, None, [])


class BatchContract:
    def test_a_batch_counts_its_runs_by_state(self, store: Store) -> None:
        store.enqueue([a_run(batch="b", priority=-1)] * 4)
        store.enqueue([a_run(batch="b", available_at=START + MINUTE), a_run(batch="c"), a_run()])
        store.enqueue([a_run(batch="b", namespace="elsewhere")])
        first, second, _ = claim(store, a_node(store), 3)
        store.finish([a_transition(first), a_transition(second, RunState.FAILED)])

        assert store.batch_counts(NAMESPACE, "b") == {
            RunState.SUCCEEDED: 1,
            RunState.FAILED: 1,
            RunState.RUNNING: 1,
            RunState.PENDING: 1,
            RunState.SCHEDULED: 1,
        }
        assert store.batch_counts(NAMESPACE, "none") == {}
        assert the_run(store, first.id).batch == "b"

    @pytest.mark.parametrize("waits", [a_run(batch="b", available_at=START + MINUTE), a_run(batch="b", key="k")])
    def test_a_batch_is_done_when_none_of_its_runs_is_unfinished(self, store: Store, waits: object) -> None:
        none_yet = store.is_batch_done(NAMESPACE, "b")
        store.enqueue([a_run(key="k"), a_run(batch="b", priority=-1), waits])  # type: ignore[list-item]
        [claimed, *_] = claim(store, a_node(store), 1)
        running = store.is_batch_done(NAMESPACE, "b")
        store.finish([a_transition(claimed)])
        waiting = store.is_batch_done(NAMESPACE, "b")

        store.cancel([runs(store)[-1].id])

        assert (none_yet, running, waiting, store.is_batch_done(NAMESPACE, "b")) == (True, False, False, True)
        assert store.is_batch_done("elsewhere", "b")

    def test_the_runs_of_a_batch_are_listed_newest_first_whatever_their_states(self, store: Store) -> None:
        made = store.enqueue([a_run(batch="b", available_at=START + MINUTE if n % 2 else None) for n in range(8)])
        store.enqueue([a_run(batch="c"), a_run(batch="b", namespace="elsewhere")])
        [one, *_] = claim(store, a_node(store), 1)
        store.finish([a_transition(one)])
        ids = [one.id for one in made][::-1]

        assert found(store, batch="b") == ids
        assert found(store, batch="b", limit=3) == ids[:3]
        assert found(store, batch="b", limit=3, before_id=ids[2]) == ids[3:6]
        assert found(store, batch="b", states=(RunState.SCHEDULED,)) == ids[::2]
        assert found(store, batch="b", states=(RunState.SUCCEEDED, RunState.PENDING), limit=2) == ids[1:4:2]
        assert found(store, batch="b", handler="other") == []


def found(store: Store, **wanted: object) -> Sequence[int]:
    return [run.id for run in store.runs(RunFilter(**{"namespace": NAMESPACE, **wanted}))]  # type: ignore[arg-type]
