"""The contract's chapter on finishing and claiming at once: the same as one after the other."""

from datetime import timedelta
from typing import Any

from jobsched.model.handler import PythonHandler
from jobsched.model.job import OnFailure
from jobsched.model.run import Became, Claim, Reason, RunState
from jobsched.store.port import Store
from jobsched.testing.builders import (
    HANDLER,
    LEASE,
    NAMESPACE,
    a_node,
    a_run,
    a_transition,
    a_wish,
    claim,
    given_back,
    runs,
    states,
    the_run,
)
from jobsched.testing.clock import FakeClock
from jobsched.testing.contract.queue_limits import given_limits

WELL = Became(RunState.SUCCEEDED, None)


class FinishAndClaimContract:
    def test_what_ended_is_finished_and_what_waits_is_claimed(self, store: Store, clock: FakeClock) -> None:
        first, *rest = (created.id for created in store.enqueue([a_run() for _ in range(4)]))
        node = a_node(store)
        ended = claim(store, node, 1)
        clock.advance(1)

        ours, claims = finish_and_claim(store, node, ended, limit=2)

        assert ours == {first: WELL}
        assert [(claimed.id, claimed.node, claimed.claim_no) for claimed in claims] == [
            (id_, node, 1) for id_ in rest[:2]
        ]
        assert (the_run(store, first).finished_at, claims[0].started_at) == (clock.now(), clock.now())

    def test_of_what_ended_only_that_counts_which_is_still_owned(self, store: Store) -> None:
        store.enqueue([a_run() for _ in range(3)])
        node = a_node(store)
        lost, kept = claim(store, node, 2)
        store.finish([given_back(lost)])

        ours, claims = finish_and_claim(store, node, [lost, kept])

        assert ours == {kept.id: WELL}
        assert [claimed.claim_no for claimed in claims if claimed.id == lost.id] == [2]

    def test_nothing_owned_and_nothing_waiting_is_nothing(self, store: Store) -> None:
        store.enqueue([a_run()])
        node = a_node(store)
        ended = claim(store, node)
        store.finish([a_transition(ended[0])])

        assert finish_and_claim(store, node, ended) == ({}, [])

    def test_results_and_failures_are_kept(self, store: Store) -> None:
        store.enqueue([a_run() for _ in range(4)])
        node = a_node(store)
        well, told, failed = claim(store, node, 3)
        error = {"type": "Oh", "message": "no"}
        ended = [
            a_transition(well),
            a_transition(told, result={"sent": True}),
            a_transition(failed, RunState.FAILED, reason=Reason.ERROR, error=error),
        ]

        ours, claims = store.finish_and_claim(ended, a_wish(node, 9))

        assert ours == {well.id: WELL, told.id: WELL, failed.id: Became(RunState.FAILED, Reason.ERROR)}
        assert (the_run(store, told.id).result, the_run(store, failed.id).error) == ({"sent": True}, (error,))
        assert len(claims) == 1

    def test_a_run_that_is_given_back_is_claimed_again(self, store: Store) -> None:
        store.enqueue([a_run()])
        node = a_node(store)
        [held] = claim(store, node)

        ours, [again] = store.finish_and_claim([given_back(held)], a_wish(node, 9))

        assert (list(ours), again.id, again.claim_no) == ([held.id], held.id, 2)

    def test_a_failure_makes_the_run_that_it_asks_for(self, store: Store) -> None:
        store.enqueue([a_run()])
        node = a_node(store)
        [held] = claim(store, node)
        failed = a_transition(
            held, RunState.FAILED, reason=Reason.ERROR, on_failure=OnFailure(PythonHandler("billing:tell"))
        )

        _, [told] = store.finish_and_claim([failed], a_wish(node, 9))

        assert (told.handler, told.payload["id"]) == ("billing:tell", held.id)

    def test_a_node_that_lost_its_lease_finishes_and_claims_nothing(self, store: Store, clock: FakeClock) -> None:
        store.enqueue([a_run(), a_run()])
        node = a_node(store)
        [held] = claim(store, node, 1)
        clock.advance(LEASE + timedelta(microseconds=1))

        assert finish_and_claim(store, node, [held]) == ({held.id: WELL}, [])

    def test_it_is_claimed_as_was_asked(self, store: Store) -> None:
        store.enqueue([a_run(), a_run(queue="mail"), a_run(queue="mail"), a_run(queue="mail", handler="other")])
        node = a_node(store)
        [held] = claim(store, node, 1)

        ours, claims = finish_and_claim(
            store, node, [held], queues=["mail"], shares={"mail": 1}, without_handlers=["other"]
        )

        assert (ours, [(one.queue, one.handler) for one in claims]) == ({held.id: WELL}, [("mail", HANDLER)])

    def test_none_asked_for_none_claimed(self, store: Store) -> None:
        store.enqueue([a_run(), a_run()])
        node = a_node(store)
        [held] = claim(store, node, 1)

        assert finish_and_claim(store, node, [held], limit=0) == ({held.id: WELL}, [])
        assert sorted(run.state for run in runs(store)) == [RunState.PENDING, RunState.SUCCEEDED]

    def test_with_nothing_that_ended_it_is_a_claim(self, store: Store) -> None:
        store.enqueue([a_run()])

        ours, claims = finish_and_claim(store, a_node(store), [])

        assert (ours, len(claims)) == ({}, 1)

    def test_what_waits_for_a_key_goes_on_in_the_same_step_where_the_store_lets_it_in(self, store: Store) -> None:
        node = a_node(store)
        made = store.enqueue([a_run(key="k")] * 3)
        ended = claim(store, node)

        _, claims = finish_and_claim(store, node, ended)

        assert [one.id for one in claims] == ([made[1].id] if store.admits_as_it_finishes else [])

    def test_what_waits_for_a_full_queue_is_not_let_in_with_its_key(self, store: Store) -> None:
        given_limits(store, {"mail": 1})
        node = a_node(store)
        store.enqueue([a_run(key="k"), a_run(queue="mail"), a_run(queue="mail", key="k")])
        first, mail = claim(store, node)

        finish_and_claim(store, node, [first])
        store.admit([NAMESPACE], ["k"])

        assert states(store) == [RunState.SUCCEEDED, RunState.RUNNING, RunState.BLOCKED]
        finish_and_claim(store, node, [mail])
        store.admit([NAMESPACE], ["k"], ["mail"])
        assert states(store)[-1] is RunState.PENDING


def finish_and_claim(
    store: Store, node: int, ended: list[Claim], limit: int = 9, **wanted: Any
) -> tuple[dict[int, Became], list[Claim]]:
    """All of them have succeeded."""
    return store.finish_and_claim([a_transition(one) for one in ended], a_wish(node, limit, **wanted))
