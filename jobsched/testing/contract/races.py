"""The contract's chapter on races: several nodes, each with a Store object of its own, on one database."""

from collections import Counter
from collections.abc import Callable

import pytest

from jobsched.errors import SyncConflictError
from jobsched.model.run import RunState
from jobsched.model.state import StoredJob, SyncChange
from jobsched.store.port import Store
from jobsched.testing.builders import (
    MINUTE,
    NAMESPACE,
    START,
    a_change,
    a_firing,
    a_free_job,
    a_job,
    a_limited_job,
    a_node,
    a_run,
    a_slot,
    a_transition,
    a_trigger,
    an_edit,
    claim,
    fire_at_last,
    given_jobs,
    runs,
    states,
)
from jobsched.testing.contract.threads import in_parallel

HOLDERS = (RunState.PENDING, RunState.RUNNING)


class RaceContract:
    def test_eight_claimers_get_every_run_once(self, store: Store, open_again: Callable[[], Store]) -> None:
        made = [created.id for created in store.enqueue([a_run(priority=number % 3) for number in range(400)])]

        def claim_until_nothing_is_left(mine: Store) -> list[int]:
            node = a_node(mine)
            got: list[int] = []
            while claimed := claim(mine, node, limit=7):
                got += [one.id for one in claimed]
            return got

        shares = in_parallel([open_again() for _ in range(8)], claim_until_nothing_is_left)

        # A claimer may see nothing while another's claim is under way, but together they leave nothing.
        assert sorted(run_id for share in shares for run_id in share) == made
        assert set(states(store)) == {RunState.RUNNING}

    def test_the_same_slots_fired_from_four_stores_are_inserted_once(
        self, store: Store, open_again: Callable[[], Store]
    ) -> None:
        names = [f"job-{number}" for number in range(10)]
        stored = given_jobs(store, *(a_free_job(name) for name in names))
        firings = [
            a_firing(stored[name], *(a_slot(stored[name].job, START + number * MINUTE) for number in (1, 2, 3)))
            for name in names
        ]

        def fire_in_another_order(place: int) -> list[tuple[str | None, object]]:
            turned = firings[place:] + firings[:place]
            return [(one.job, one.scheduled_at) for one in stores[place].fire(turned)]

        stores = [open_again() for _ in range(4)]
        created = in_parallel(range(4), fire_in_another_order)

        expected = [(name, START + number * MINUTE) for name in names for number in (1, 2, 3)]
        assert Counter(slot for share in created for slot in share) == Counter(expected)
        assert Counter((run.job, run.scheduled_at) for run in runs(store)) == Counter(expected)

    def test_a_limit_of_three_holds_under_eight_that_enqueue_and_work(
        self, store: Store, open_again: Callable[[], Store]
    ) -> None:
        job = a_limited_job(limit=3)
        given_jobs(store, job)
        most_seen: list[int] = []

        def enqueue_and_work(mine: Store) -> None:
            node = a_node(mine)
            for _ in range(6):
                mine.enqueue([a_trigger(job), a_trigger(job)])
                mine.admit([NAMESPACE])
                most_seen.append(len(runs(mine, states=HOLDERS)))
                mine.finish([a_transition(one) for one in claim(mine, node, limit=1)])
                mine.admit([NAMESPACE], [str(job.concurrency_key)])
                most_seen.append(len(runs(mine, states=HOLDERS)))

        in_parallel([open_again() for _ in range(8)], enqueue_and_work)

        assert max(most_seen) == 3
        assert len(runs(store)) == 8 * 6 * 2
        assert drained(store) == {RunState.SUCCEEDED}

    def test_forbid_holds_when_slots_and_triggers_meet(self, store: Store, open_again: Callable[[], Store]) -> None:
        names = ["one", "other"]
        jobs = given_jobs(store, *(a_limited_job(name, key="shared", limit=2) for name in names))

        def make_runs(place: int) -> None:
            stored = jobs[names[place % 2]]
            if place < 2:
                slots = (a_slot(stored.job, START + number * MINUTE) for number in range(1, 6))
                fire_at_last(stores[place], a_firing(stored, *slots))
            else:
                stores[place].enqueue([a_trigger(stored.job)])

        stores = [open_again() for _ in range(8)]
        in_parallel(range(8), make_runs)

        assert len(runs(store, states=HOLDERS)) == 2
        assert len(runs(store)) == 2 * 5 + 6

    @pytest.mark.parametrize("keys", [None, ["job:nightly"]])
    def test_places_that_are_free_at_once_are_filled_once(
        self, store: Store, open_again: Callable[[], Store], keys: list[str] | None
    ) -> None:
        store.enqueue([a_trigger(a_limited_job())] * 20)
        given_jobs(store, a_limited_job(limit=4))

        admitted = in_parallel([open_again() for _ in range(8)], lambda mine: mine.admit([NAMESPACE], keys))

        assert sum(admitted) == 3
        assert len(runs(store, states=HOLDERS)) == 4

    def test_future_runs_are_promoted_once(self, store: Store, open_again: Callable[[], Store]) -> None:
        # In the store's past by now, but made as future ones.
        job = a_limited_job(limit=3)
        given_jobs(store, job)
        store.enqueue([a_trigger(job)] * 3)
        node = a_node(store)
        for one in claim(store, node):
            store.finish([a_transition(one, RunState.SCHEDULED, available_at=START)])
        store.enqueue([a_run() for _ in range(50)])
        for one in claim(store, node):
            store.finish([a_transition(one, RunState.SCHEDULED, available_at=START)])

        promoted = in_parallel([open_again() for _ in range(6)], lambda mine: mine.promote([NAMESPACE], 1000).count)
        promoted.append(store.promote([NAMESPACE], 1000).count)

        assert sum(promoted) == 53
        assert RunState.SCHEDULED not in states(store)

    def test_of_applies_at_once_exactly_one_wins(self, store: Store, open_again: Callable[[], Store]) -> None:
        given_jobs(store, a_job("kept"))

        def apply(place: int) -> int:
            try:
                return stores[place].apply(a_change(a_job(f"job-{place}"), seen=1)).number
            except SyncConflictError:
                return 0

        stores = [open_again() for _ in range(4)]
        numbers = in_parallel(range(4), apply)

        assert sorted(numbers) == [0, 0, 0, 2]
        assert set(store.actual(NAMESPACE).jobs) == {"kept", f"job-{numbers.index(2)}"}

    def test_of_first_applies_at_once_exactly_one_wins(self, store: Store, open_again: Callable[[], Store]) -> None:
        def apply(place: int) -> int:
            try:
                return stores[place].apply(a_change(a_job(f"job-{place}"))).number
            except SyncConflictError:
                return 0

        stores = [open_again() for _ in range(4)]
        numbers = in_parallel(range(4), apply)

        assert sorted(numbers) == [0, 0, 0, 1]
        assert list(store.actual(NAMESPACE).jobs) == [f"job-{numbers.index(1)}"]

    def test_a_unique_key_from_eight_stores_makes_one_run(self, store: Store, open_again: Callable[[], Store]) -> None:
        made = in_parallel(
            [open_again() for _ in range(8)], lambda mine: mine.enqueue([a_run(), a_run(unique_key="k")])[1]
        )

        assert len({created.id for created in made}) == 1
        assert sorted(created.existing for created in made) == [False] + [True] * 7
        assert len(runs(store)) == 9

    def test_a_run_is_finished_by_one_of_those_who_try(self, store: Store, open_again: Callable[[], Store]) -> None:
        store.enqueue([a_run()] * 20)
        claimed = claim(store, a_node(store))

        def finish(place: int) -> set[int]:
            return set(stores[place].finish([a_transition(one, result=place, error={"by": place}) for one in claimed]))

        stores = [open_again() for _ in range(4)]
        owned = in_parallel(range(4), finish)

        assert sorted(run_id for share in owned for run_id in share) == [one.id for one in claimed]
        assert all(run.error == ({"by": run.result},) for run in runs(store))

    def test_one_store_object_serves_many_threads(self, store: Store) -> None:
        def work(number: int) -> int:
            node = a_node(store)
            store.enqueue([a_run(payload={"thread": number})] * 20)
            store.append_log([])
            return sum(len(store.finish([a_transition(one) for one in claim(store, node, limit=9)])) for _ in range(3))

        done = sum(in_parallel(range(8), work))

        assert done + len(runs(store, states=(RunState.PENDING,))) == 160

    def test_a_fire_and_an_edit_of_the_schedule_exclude_each_other(
        self, store: Store, open_again: Callable[[], Store]
    ) -> None:
        stored = given_jobs(store, a_free_job())["nightly"]
        results: dict[str, object] = {}
        other = open_again()

        def fire() -> None:
            results["fired"] = store.fire([a_firing(stored, a_slot(stored.job, START + MINUTE))])

        def edit() -> None:
            try:
                results["edited"] = other.apply(an_edit_of_the_schedule(stored))
            except SyncConflictError:
                results["edited"] = None

        in_parallel([fire, edit], lambda work: work())

        assert bool(results["fired"]) != bool(results["edited"])


def an_edit_of_the_schedule(stored: StoredJob) -> SyncChange:
    edited = an_edit(stored, a_free_job(cron=("0 * * * *",)), schedule_revision=2, seen_cursor=stored.cursor)
    return a_change(edited, seen=1)


def drained(store: Store) -> set[RunState]:
    """The states of all runs after one node has worked off what was left."""
    node = a_node(store)
    while True:
        store.admit([NAMESPACE])
        claimed = claim(store, node)
        if not claimed:
            return set(states(store))
        store.finish([a_transition(one) for one in claimed])
