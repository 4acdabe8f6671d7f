"""The contract's chapter on idempotency keys: what is made under one is made once, whoever asks at the same time."""

from collections.abc import Callable, Sequence

import pytest

from jobsched.errors import MadeBeforeError, QueueFull
from jobsched.model.once import KEY_KEPT, MadeOnce, Once
from jobsched.model.queue import QueueLimits
from jobsched.model.run import Created
from jobsched.store.port import Store
from jobsched.testing.builders import (
    NAMESPACE,
    a_change,
    a_free_job,
    a_run,
    newest_number,
    queue_limits,
    runs,
)
from jobsched.testing.clock import FakeClock
from jobsched.testing.contract.threads import in_parallel

ONCE = Once(namespace=NAMESPACE, key="ci:1", request="digest")


class OnceContract:
    def test_what_is_made_under_a_key_is_noted_with_it(self, store: Store) -> None:
        [there] = store.enqueue([a_run(unique_key="k")])

        found, made = store.enqueue([a_run(unique_key="k"), a_run()], once=ONCE)

        ids = [[there.id, True], [made.id, False]]
        assert found.id == there.id
        assert store.made_once(NAMESPACE, "ci:1") == MadeOnce(request="digest", made={"runs": ids})
        assert store.made_once(NAMESPACE, "ci:2") is None
        assert store.made_once("elsewhere", "ci:1") is None

    def test_under_a_key_that_was_used_nothing_is_made(self, store: Store) -> None:
        store.enqueue([a_run()], once=ONCE)

        with pytest.raises(MadeBeforeError):
            store.enqueue([a_run()], once=ONCE)
        with pytest.raises(MadeBeforeError):
            store.apply(a_change(a_free_job()), once=ONCE)

        assert len(runs(store)) == 1
        assert newest_number(store) is None

    def test_a_job_is_made_once(self, store: Store) -> None:
        store.apply(a_change(a_free_job()), once=ONCE)

        noted = store.made_once(NAMESPACE, "ci:1")

        assert noted is not None
        assert noted.made == {"job": "nightly"}

    def test_what_failed_leaves_its_key_free(self, store: Store) -> None:
        store.apply(a_change(a_free_job(), queues=queue_limits({"small": QueueLimits(max_queued=1)})))
        store.enqueue([a_run(queue="small")])

        with pytest.raises(QueueFull):
            store.enqueue([a_run(queue="small")], once=ONCE)

        assert len(store.enqueue([a_run()], once=ONCE)) == 1

    def test_of_two_at_once_one_makes_it(self, store: Store, open_again: Callable[[], Store]) -> None:
        stores = [store, open_again(), open_again()]

        def make(one: Store) -> Sequence[Created]:
            try:
                return one.enqueue([a_run()], once=ONCE)
            except MadeBeforeError:
                return ()

        made = in_parallel(stores, make)

        assert sorted(len(each) for each in made) == [0, 0, 1]
        assert len(runs(store)) == 1

    def test_the_first_answer_kept_stands(self, store: Store) -> None:
        store.enqueue([a_run()], once=ONCE)

        first = store.keep_answer(ONCE, {"status": 201})
        second = store.keep_answer(ONCE, {"status": 500})

        noted = store.made_once(NAMESPACE, "ci:1")
        assert first == second == {"status": 201}
        assert noted is not None
        assert noted.answer == {"status": 201}

    def test_after_a_day_a_key_is_free_again(self, store: Store, clock: FakeClock) -> None:
        store.enqueue([a_run()], once=ONCE)
        clock.advance(KEY_KEPT)

        before = store.made_once(NAMESPACE, "ci:1")
        store.enqueue([a_run()], once=ONCE)

        assert before is None
        assert store.made_once(NAMESPACE, "ci:1") is not None
        assert len(runs(store)) == 2

    def test_keys_whose_time_is_over_go(self, store: Store, clock: FakeClock) -> None:
        store.enqueue([a_run()], once=ONCE)
        clock.advance(KEY_KEPT)

        store.tidy()

        # Nothing tells them apart from one that is over but there, except that no answer can be kept.
        assert store.keep_answer(ONCE, "late") == "late"
        assert store.made_once(NAMESPACE, "ci:1") is None
