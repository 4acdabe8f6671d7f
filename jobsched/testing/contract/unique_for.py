"""The contract's chapter on `unique_for`: a key that its run keeps for a while, though it has finished."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest

from jobsched.errors import UniqueKeyError
from jobsched.model.job import History
from jobsched.model.run import Answer, Created, NewRun, OnConflict, Refusal, RunState
from jobsched.store.port import Retention, Store
from jobsched.testing.builders import (
    MINUTE,
    NAMESPACE,
    START,
    a_node,
    a_run,
    a_transition,
    claim,
    runs,
    states,
    the_run,
)
from jobsched.testing.clock import FakeClock
from jobsched.testing.contract.threads import in_parallel

LIFE = 10 * MINUTE


def keyed(**fields: object) -> NewRun:
    return a_run(**{"unique_key": "u", "unique_for": LIFE, **fields})


class UniqueForContract:
    def test_a_run_says_until_when_it_keeps_its_unique_key(self, store: Store) -> None:
        [keeps, without] = store.enqueue([keyed(), a_run(unique_key="v")])

        assert [(run.unique_key, run.unique_until) for run in runs(store)] == [("u", START + LIFE), ("v", None)]
        assert (keeps.existing, without.existing) == (False, False)

    @pytest.mark.parametrize("state", [RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED])
    def test_a_finished_run_keeps_its_unique_key_until_its_time_is_over(
        self, store: Store, clock: FakeClock, state: RunState
    ) -> None:
        first = over(store, keyed(), state)
        clock.advance(LIFE - timedelta(microseconds=1))
        [within] = store.enqueue([keyed()])
        clock.advance(timedelta(microseconds=1))

        [after, twin] = store.enqueue([keyed(), keyed()])

        assert (within.id, within.existing, within.state) == (first, True, state)
        assert (after.existing, twin.existing, twin.id) == (False, True, after.id)
        assert [run.unique_until for run in runs(store)] == [None, clock.now() + LIFE]

    def test_an_unfinished_run_keeps_its_unique_key_though_its_time_is_over(
        self, store: Store, clock: FakeClock
    ) -> None:
        [first] = store.enqueue([keyed()])
        clock.advance(2 * LIFE)

        [again] = store.enqueue([keyed()])
        over(store, None)
        [after] = store.enqueue([keyed()])

        assert (again.id, again.existing) == (first.id, True)
        assert (after.id == first.id, after.existing) == (False, False)

    def test_whoever_asks_without_a_time_of_its_own_meets_it_too(self, store: Store, clock: FakeClock) -> None:
        first = over(store, keyed())

        [within] = store.enqueue([a_run(unique_key="u")])
        clock.advance(LIFE)
        [after] = store.enqueue([a_run(unique_key="u")])

        assert (within.id, within.existing, after.existing) == (first, True, False)
        assert the_run(store, after.id).unique_until is None

    @pytest.mark.parametrize("on_conflict", [OnConflict.REPLACE, OnConflict.RESCHEDULE])
    def test_on_conflict_a_finished_run_is_left_alone(self, store: Store, on_conflict: OnConflict) -> None:
        over(store, keyed())
        [before] = runs(store)

        [again] = store.enqueue([keyed(on_conflict=on_conflict, payload={"n": 2}, available_at=START + MINUTE)])

        assert (again.id, again.existing, again.state) == (before.id, True, RunState.SUCCEEDED)
        assert runs(store) == [before]

    def test_a_conflict_with_a_finished_run_can_be_an_error_that_says_until_when(self, store: Store) -> None:
        first = over(store, keyed())

        with pytest.raises(UniqueKeyError, match=r"'u' until 2026-01-01T00:10:00\+00:00, as its unique_for says") as no:
            store.enqueue([keyed(on_conflict=OnConflict.ERROR), a_run()])

        assert (no.value.run_id, no.value.until) == (first, START + LIFE)
        assert len(runs(store)) == 1

    def test_a_replaced_run_has_the_time_of_the_new_one_from_now(self, store: Store, clock: FakeClock) -> None:
        replacing = partial(keyed, on_conflict=OnConflict.REPLACE)
        [held, other] = store.enqueue([keyed(available_at=START + MINUTE), keyed(unique_key="v")])
        clock.advance(timedelta(seconds=1))

        store.enqueue([replacing(unique_for=MINUTE), replacing(unique_key="v", unique_for=None)])

        assert the_run(store, held.id).unique_until == clock.now() + MINUTE
        assert the_run(store, other.id).unique_until is None

    def test_of_many_who_find_its_time_over_one_makes_a_run(
        self, store: Store, clock: FakeClock, open_again: Callable[[], Store]
    ) -> None:
        first = over(store, keyed(key="busy"))
        clock.advance(LIFE)
        stores = [open_again() for _ in range(6)]
        acts: list[Callable[[], list[Created]]] = [partial(mine.enqueue, [keyed(key="busy")]) for mine in stores]

        made = [one for [one] in in_parallel(acts, lambda act: act())]

        assert sorted(one.existing for one in made) == [False] + [True] * 5
        assert len({one.id for one in made} - {first}) == 1
        assert len(runs(store)) == 2

    # -- what is done to such a run

    def test_it_is_requeued_though_it_has_its_own_key(self, store: Store) -> None:
        first = over(store, keyed(), RunState.FAILED)

        assert store.requeue([first]) == [Answer(first, RunState.PENDING)]
        assert the_run(store, first).unique_until == START + LIFE

    def test_another_one_is_not_requeued_while_it_has_the_key(self, store: Store, clock: FakeClock) -> None:
        earlier = over(store, a_run(unique_key="u"), RunState.FAILED)
        over(store, keyed())

        within = store.requeue([earlier])
        clock.advance(LIFE)
        after = store.requeue([earlier])

        assert within == [Answer(earlier, RunState.FAILED, Refusal.UNIQUE_KEY)]
        assert after == [Answer(earlier, RunState.PENDING)]

    def test_it_is_not_deleted_before_its_time_is_over(self, store: Store, clock: FakeClock) -> None:
        first = over(store, keyed())

        within = store.delete([first])
        clock.advance(LIFE)
        after = store.delete([first])

        assert within == [Answer(first, RunState.SUCCEEDED, Refusal.UNIQUE_FOR)]
        assert after == [Answer(first, None)]

    def test_it_is_not_pruned_before_its_time_is_over(self, store: Store, clock: FakeClock) -> None:
        over(store, keyed())
        everything = [
            Retention(namespace=NAMESPACE, job=None, history=History(), ad_hoc_ages={RunState.SUCCEEDED: timedelta(0)})
        ]
        clock.advance(MINUTE)

        within = store.prune(everything, 10)
        clock.advance(LIFE)
        after = store.prune(everything, 10)

        assert (within, after, states(store)) == (0, 1, [])


def over(store: Store, run: NewRun | None, state: RunState = RunState.SUCCEEDED) -> int:
    """The id of a new run (or of the one that waits), which has ended so."""
    if run is not None:
        store.enqueue([run])
    node = a_node(store)
    [claimed] = claim(store, node)
    store.finish([a_transition(claimed, state)])
    store.leave(node)
    return claimed.id
