"""The contract's chapter on wake-ups: a ring soon after another process committed work."""

import threading
from collections.abc import Callable
from contextlib import ExitStack, closing

from jobsched.model.state import Resumption
from jobsched.store.port import Store, Topic
from jobsched.testing.builders import (
    MINUTE,
    START,
    a_change,
    a_job,
    a_node,
    a_pause,
    a_retry,
    a_run,
    a_transition,
    claim,
)

#: Far beyond any ring; a test that waits so long has failed.
LONG_SECONDS = 10.0


class Bell:
    """Remembers what it was rung about."""

    def __init__(self, *topics: Topic) -> None:
        self._topics = topics
        self._rung = threading.Event()

    def ring(self, topic: Topic) -> None:
        if topic in self._topics:
            self._rung.set()

    def rang(self) -> bool:
        return self._rung.wait(LONG_SECONDS)


class WakeUpContract:
    def test_an_enqueue_of_another_process_rings_for_runs(self, store: Store, open_again: Callable[[], Store]) -> None:
        bell, other = Bell("pending", "runs"), open_again()

        with closing(store.listen(bell.ring)):
            other.enqueue([a_run()])

            assert bell.rang()

    def test_a_run_for_later_rings_for_whoever_minds_the_time(
        self, store: Store, open_again: Callable[[], Store]
    ) -> None:
        bell, other = Bell("runs"), open_again()

        with closing(store.listen(bell.ring)):
            other.enqueue([a_run(available_at=START + MINUTE)])

            assert bell.rang()

    def test_a_retry_rings_for_whoever_minds_the_time(self, store: Store, open_again: Callable[[], Store]) -> None:
        store.enqueue([a_run()])
        [owned] = claim(store, a_node(store))
        bell, other = Bell("runs"), open_again()

        with closing(store.listen(bell.ring)):
            other.finish([a_retry(owned, START + MINUTE)])

            assert bell.rang()

    def test_a_run_that_is_put_off_rings_for_whoever_minds_the_time(
        self, store: Store, open_again: Callable[[], Store]
    ) -> None:
        [made] = store.enqueue([a_run(available_at=START + MINUTE)])
        bell, other = Bell("runs"), open_again()

        with closing(store.listen(bell.ring)):
            other.reschedule([made.id], START + MINUTE / 2)

            assert bell.rang()

    def test_a_sync_of_another_process_rings_for_jobs(self, store: Store, open_again: Callable[[], Store]) -> None:
        bell, other = Bell("jobs"), open_again()

        with closing(store.listen(bell.ring)):
            other.apply(a_change(a_job()))

            assert bell.rang()

    def test_a_pause_and_its_end_ring_for_jobs(self, store: Store, open_again: Callable[[], Store]) -> None:
        first, second, other = Bell("jobs"), Bell("jobs"), open_again()

        with closing(store.listen(first.ring)):
            other.pause([a_pause("all")])
            assert first.rang()
        with closing(store.listen(second.ring)):
            other.resume(Resumption(namespace="default", seen=(), ended=(a_pause("all"),), firings=()))
            assert second.rang()

    def test_a_run_admitted_by_another_process_rings_for_runs(
        self, store: Store, open_again: Callable[[], Store]
    ) -> None:
        store.enqueue([a_run(key="k")] * 2)
        ended = [a_transition(one) for one in claim(store, a_node(store))]
        bell, other = Bell("pending", "runs"), open_again()

        with closing(store.listen(bell.ring)):
            other.finish(ended)
            other.admit(["default"])

            assert bell.rang()

    def test_every_listener_is_rung(self, store: Store, open_again: Callable[[], Store]) -> None:
        bells, other = [Bell("pending", "runs") for _ in range(3)], open_again()

        with ExitStack() as listening:
            for listener, bell in zip((store, store, open_again()), bells, strict=True):
                listening.enter_context(closing(listener.listen(bell.ring)))
            other.enqueue([a_run()])

            assert [bell.rang() for bell in bells] == [True] * 3

    def test_a_closed_bell_may_be_closed_again_and_another_made(
        self, store: Store, open_again: Callable[[], Store]
    ) -> None:
        first, second, other = Bell("pending", "runs"), Bell("pending", "runs"), open_again()
        closed = store.listen(first.ring)
        closed.close()
        closed.close()

        with closing(store.listen(second.ring)):
            other.enqueue([a_run()])

            assert second.rang()

    def test_a_listener_does_not_keep_the_store_from_working(self, store: Store) -> None:
        with closing(store.listen(Bell("pending", "runs").ring)):
            store.enqueue([a_run(), a_run(available_at=START + MINUTE)])

            assert len(claim(store, a_node(store))) == 1
