"""The contract's chapter on `inspect`: the facts that `doctor` rests on."""

from datetime import timedelta

from jobsched.model.health import BlockedOnKey, Orphans, WaitingInQueue
from jobsched.model.run import Lack
from jobsched.store.port import Store
from jobsched.testing.builders import (
    LEASE,
    NAMESPACE,
    START,
    a_free_job,
    a_limited_job,
    a_node,
    a_run,
    a_trigger,
    claim,
    given_jobs,
)
from jobsched.testing.clock import FakeClock


class InspectContract:
    def test_of_a_fresh_database_there_is_nothing_to_tell(self, store: Store) -> None:
        seen = store.inspect(NAMESPACE)

        assert (seen.missing, seen.invalid) == ((), ())
        assert (seen.orphans, seen.pending, seen.blocked) == ((), (), ())
        assert seen.database.version

    def test_running_runs_of_a_node_that_is_not_alive_are_orphans(self, store: Store, clock: FakeClock) -> None:
        store.enqueue([a_run()] * 3)
        dead = a_node(store)
        claim(store, dead, limit=2)
        clock.advance(LEASE * 2)
        claim(store, a_node(store))

        assert store.inspect(NAMESPACE).orphans == (Orphans(dead, 2),)
        store.bury()
        assert store.inspect(NAMESPACE).orphans == (Orphans(dead, 2),)

    def test_runs_of_a_living_node_are_nobodys_orphans(self, store: Store) -> None:
        store.enqueue([a_run()])
        claim(store, a_node(store))

        assert store.inspect(NAMESPACE).orphans == ()

    def test_pending_runs_are_counted_by_queue_with_the_oldest(self, store: Store, clock: FakeClock) -> None:
        store.enqueue([a_run(queue="mail"), a_run()])
        clock.advance(60)
        store.enqueue(
            [a_run(queue="mail"), a_run(namespace="elsewhere"), a_run(available_at=START + timedelta(days=1))]
        )

        assert store.inspect(NAMESPACE).pending == (
            WaitingInQueue("default", 1, START),
            WaitingInQueue("mail", 2, START),
        )

    def test_blocked_runs_are_counted_by_key_with_what_the_oldest_waits_for(self, store: Store) -> None:
        job = a_limited_job(limit=1)
        given_jobs(store, job, a_free_job("other"))
        store.enqueue([a_trigger(job)] * 3 + [a_run(key="eu")] * 2)

        assert store.inspect(NAMESPACE).blocked == (
            BlockedOnKey("job:nightly", 2, 2, START, (Lack("key", "job:nightly", 1, 1),)),
            BlockedOnKey("eu", 1, 0, START, (Lack("key", "eu", 1, 1),)),
        )
