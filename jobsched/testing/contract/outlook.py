"""The contract's chapter on the outlook: what an idle node asks, instead of all that its loops would."""

from datetime import timedelta

from jobsched.model.pause import PauseScope
from jobsched.store.port import Outlook, Store
from jobsched.testing.builders import (
    MINUTE,
    NAMESPACE,
    START,
    a_job,
    a_node,
    a_pause,
    a_run,
    claim,
    given_jobs,
)

HOUR = timedelta(hours=1)
NOTHING = Outlook(next_at=None, pending=False, pauses=())


class OutlookContract:
    def test_an_empty_store_has_nothing_to_do(self, store: Store) -> None:
        assert store.outlook([NAMESPACE]) == NOTHING
        assert store.outlook([]) == NOTHING

    def test_the_next_slot_is_one_that_no_pause_holds(self, store: Store) -> None:
        given_jobs(store, a_job("held"), now=START)
        given_jobs(store, a_job("free"), now=START + HOUR)

        before = store.outlook([NAMESPACE])
        pause = a_pause("job", "held")
        store.pause([pause])

        assert before == Outlook(START + MINUTE, pending=False, pauses=())
        assert store.outlook([NAMESPACE]) == Outlook(START + HOUR + MINUTE, pending=False, pauses=(pause,))

    def test_the_next_scheduled_run_counts_as_well(self, store: Store) -> None:
        given_jobs(store, a_job("later"), now=START + HOUR)
        store.enqueue([a_run(available_at=START + MINUTE)])

        assert store.outlook([NAMESPACE]) == Outlook(START + MINUTE, pending=False, pauses=())

    def test_a_waiting_run_that_is_to_start_in_time_is_looked_at_then(self, store: Store) -> None:
        store.enqueue([a_run(start_by=START + MINUTE)])

        assert store.outlook([NAMESPACE]) == Outlook(START + MINUTE, pending=True, pauses=())

    def test_a_run_is_pending_until_it_is_claimed(self, store: Store) -> None:
        store.enqueue([a_run()])
        before = store.outlook([NAMESPACE]).pending

        claim(store, a_node(store))

        assert before
        assert store.outlook([NAMESPACE]) == NOTHING

    def test_pauses_of_all_kinds_are_told_in_order(self, store: Store) -> None:
        pauses = [a_pause("queue", "mail"), a_pause("all"), a_pause("job", "nightly", until=START + MINUTE)]
        store.pause(pauses)

        assert store.outlook([NAMESPACE]).pauses == tuple(store.pauses([NAMESPACE]))
        assert {pause.scope for pause in store.outlook([NAMESPACE]).pauses} == set(PauseScope)

    def test_each_namespace_is_its_own(self, store: Store) -> None:
        store.enqueue([a_run(namespace="elsewhere"), a_run(namespace="elsewhere", available_at=START + HOUR)])
        store.enqueue([a_run(available_at=START + MINUTE)])

        assert store.outlook([NAMESPACE]) == Outlook(START + MINUTE, pending=False, pauses=())
        assert store.outlook([NAMESPACE, "elsewhere"]) == Outlook(START + MINUTE, pending=True, pauses=())
