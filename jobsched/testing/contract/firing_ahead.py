"""The contract's chapter on firing ahead: written before the slot, committed at it, or as if it had never been.

A store that fires nothing ahead answers None; then what is due is fired at its slot, and all of this holds as well.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Literal

import pytest

from jobsched.model.run import Created, NewRun, RunState
from jobsched.model.state import Firing, StoredJob
from jobsched.store.port import FireAhead, Store
from jobsched.testing.builders import (
    MINUTE,
    NAMESPACE,
    START,
    a_change,
    a_firing,
    a_limited_job,
    a_node,
    a_pause,
    a_run,
    a_slot,
    a_transition,
    a_wish,
    an_edit,
    given_jobs,
    runs,
)
from jobsched.testing.clock import FakeClock
from jobsched.testing.contract.queue_limits import given_limits

#: So long before the slot it is written: far longer than a test takes, for the server ends what is held for too long.
EARLY = timedelta(seconds=20)
AT = START + MINUTE
GENERATION = {NAMESPACE: 7}


class FireAheadContract:
    def test_what_is_fired_ahead_is_as_if_it_had_been_fired_and_claimed_at_its_slot(
        self, store: Store, clock: FakeClock
    ) -> None:
        stored = given_jobs(store, a_limited_job(payload={"a": [1]}))["nightly"]
        node = a_node(store)
        ahead = held(store, clock, node, due(stored))

        clock.advance(EARLY)
        fired = commit(ahead) or store.fire_and_claim([due(stored)], a_wish(node, generations=GENERATION))[0]

        [run] = runs(store)
        assert [(one.id, one.state, one.scheduled_at) for one in fired] == [(run.id, RunState.RUNNING, AT)]
        assert (run.state, run.node, run.attempt, run.generation) == (RunState.RUNNING, node, 1, 7)
        assert (run.created_at, run.started_at, run.available_at) == (AT, AT, AT)
        assert store.jobs(NAMESPACE)[0].cursor == AT
        [owned] = store.owned(node)
        assert store.finish([a_transition(owned)])[run.id].state is RunState.SUCCEEDED

    def test_its_claims_are_those_that_the_node_owns_then(self, store: Store, clock: FakeClock) -> None:
        stored = given_jobs(store, a_limited_job(payload={"a": [1]}))["nightly"]
        node = a_node(store)
        ahead = held(store, clock, node, due(stored))

        clock.advance(EARLY)
        if ahead is None or not ahead.commit():
            _, claims = store.fire_and_claim([due(stored)], a_wish(node, generations=GENERATION))
        else:
            claims = list(ahead.claims)

        [claimed] = claims
        assert (claimed.id, claimed.claim_no) in {(one.id, one.claim_no) for one in store.owned(node)}
        assert (claimed.job, claimed.job_revision, claimed.generation) == ("nightly", stored.revision, 7)
        assert (claimed.payload, claimed.scheduled_at, claimed.started_at) == ({"a": [1]}, AT, AT)

    def test_nobody_sees_it_before_and_what_is_dropped_was_never_there(self, store: Store, clock: FakeClock) -> None:
        stored = given_jobs(store, a_limited_job())["nightly"]
        ahead = held(store, clock, a_node(store), due(stored))

        seen = runs(store), store.jobs(NAMESPACE)[0].cursor
        drop(ahead)
        clock.advance(EARLY)
        fired = store.fire([due(stored)])

        assert seen == ([], stored.cursor)
        assert [run.scheduled_at for run in runs(store)] == [AT]
        assert [one.state for one in fired] == [RunState.PENDING]

    def test_others_pass_over_it_and_each_slot_gets_one_run(
        self, store: Store, clock: FakeClock, open_again: Callable[[], Store]
    ) -> None:
        stored = given_jobs(store, a_limited_job())["nightly"]
        ahead = held(store, clock, a_node(store), due(stored))

        clock.advance(EARLY)
        fired = [*open_again().fire([due(stored)]), *(commit(ahead) or []), *store.fire([due(stored)])]

        assert [one.id for one in fired] == [run.id for run in runs(store)]
        assert [run.scheduled_at for run in runs(store)] == [AT]

    @pytest.mark.parametrize("passes", [EARLY / 2, EARLY + timedelta(seconds=1), EARLY + MINUTE])
    def test_it_is_not_committed_before_its_slot_nor_long_after_it(
        self, store: Store, clock: FakeClock, passes: timedelta
    ) -> None:
        stored = given_jobs(store, a_limited_job())["nightly"]
        ahead = held(store, clock, a_node(store), due(stored))

        clock.advance(passes)

        assert commit(ahead) is None
        assert (runs(store), store.jobs(NAMESPACE)[0].cursor) == ([], stored.cursor)

    def test_it_is_not_committed_when_another_slot_has_come(self, store: Store, clock: FakeClock) -> None:
        stored = given_jobs(store, a_limited_job())["nightly"]
        half = timedelta(milliseconds=500)
        ahead = held(store, clock, a_node(store), due(stored, next_at=AT + half))

        clock.advance(EARLY + half)

        assert commit(ahead) is None
        assert runs(store) == []

    @pytest.mark.parametrize("scope", ["job", "queue", "all"])
    def test_a_pause_that_is_put_meanwhile_holds(
        self, store: Store, clock: FakeClock, scope: Literal["job", "queue", "all"]
    ) -> None:
        stored = given_jobs(store, a_limited_job())["nightly"]
        ahead = held(store, clock, a_node(store), due(stored))

        store.pause([a_pause(scope, {"job": "nightly", "queue": "default", "all": ""}[scope])])
        clock.advance(EARLY)

        assert commit(ahead) is None
        assert runs(store) == []

    def test_a_pause_of_something_else_does_not(self, store: Store, clock: FakeClock) -> None:
        stored = given_jobs(store, a_limited_job(), a_limited_job("other"))["nightly"]
        node = a_node(store)
        ahead = held(store, clock, node, due(stored))

        store.pause([a_pause("job", "other"), a_pause("queue", "other"), a_pause("all", namespace="other")])
        clock.advance(EARLY)

        assert commit(ahead) or store.fire_and_claim([due(stored)], a_wish(node, generations=GENERATION))[0]

    def test_nothing_overtakes_what_has_begun_to_wait_meanwhile(self, store: Store, clock: FakeClock) -> None:
        stored = given_jobs(store, a_limited_job())["nightly"]
        node = a_node(store)
        ahead = held(store, clock, node, due(stored))

        store.enqueue([a_run()])
        clock.advance(EARLY)
        committed = commit(ahead)
        fired, claims = store.fire_and_claim([due(stored)], a_wish(node, generations=GENERATION))

        assert (committed, claims) == (None, [])
        assert [one.state for one in fired] == [RunState.PENDING]

    def test_a_limit_that_a_queue_gets_meanwhile_is_heeded(self, store: Store, clock: FakeClock) -> None:
        stored = given_jobs(store, a_limited_job(queue="slow"))["nightly"]
        ahead = held(store, clock, a_node(store), due(stored))

        given_limits(store, {"slow": 1})
        clock.advance(EARLY)

        assert commit(ahead) is None

    @pytest.mark.parametrize("buried", [False, True])
    def test_a_node_that_loses_its_lease_meanwhile_fires_nothing(
        self, store: Store, clock: FakeClock, *, buried: bool
    ) -> None:
        stored = given_jobs(store, a_limited_job())["nightly"]
        moment = timedelta(milliseconds=100)
        ahead = held(store, clock, a_node(store, lease=EARLY + moment), due(stored))

        clock.advance(EARLY + 2 * moment)
        if buried:
            store.bury()

        assert commit(ahead) is None
        assert runs(store) == []

    def test_what_would_have_to_wait_is_left_out(self, store: Store, clock: FakeClock) -> None:
        busy, free, later = (a_limited_job(name) for name in ("busy", "free", "later"))
        shared, limited = (
            a_limited_job("shared", key="both"),
            a_limited_job("limited", queue="slow"),
        )
        stored = given_jobs(store, busy, free, later, shared, limited)
        given_limits(store, {"slow": 1})
        node = a_node(store)
        store.fire_and_claim([a_firing(stored["busy"], a_slot(busy, START))], a_wish(node, generations=GENERATION))
        [busy_again] = store.jobs(NAMESPACE, ["busy"])

        ahead = held(
            store,
            clock,
            node,
            due(busy_again),
            due(stored["free"]),
            due(stored["later"], a_slot(later, AT, available_at=AT + MINUTE)),
            due(stored["shared"]),
            due(stored["limited"]),
        )

        found = ([], []) if ahead is None else ([one.job for one in ahead.firings], [one.job for one in ahead.claims])
        drop(ahead)
        assert found == ((["free"], ["free"]) if store.fires_ahead else ([], []))

    def test_what_is_less_urgent_than_what_cannot_be_held_is_not_held(self, store: Store, clock: FakeClock) -> None:
        shared, plain = a_limited_job("shared", key="both", priority=1), a_limited_job("plain", priority=2)
        stored = given_jobs(store, shared, plain)

        assert held(store, clock, a_node(store), due(stored["shared"]), due(stored["plain"])) is None

    def test_nothing_is_held_of_what_has_changed(self, store: Store, clock: FakeClock) -> None:
        stored = given_jobs(store, a_limited_job())["nightly"]
        store.apply(a_change(an_edit(stored, a_limited_job(priority=7)), seen=1))

        assert held(store, clock, a_node(store), due(stored, revision=stored.revision)) is None

    def test_while_others_wait_it_waits_too(self, store: Store, clock: FakeClock) -> None:
        stored = given_jobs(store, a_limited_job())["nightly"]
        store.enqueue([a_run()])
        node = a_node(store)
        ahead = held(store, clock, node, due(stored))

        clock.advance(EARLY)
        fired = commit(ahead) or store.fire_and_claim([due(stored)], a_wish(node, generations=GENERATION))[0]

        assert [(one.job, one.state) for one in fired] == [("nightly", RunState.PENDING)]
        assert store.owned(node) == []

    def test_of_what_the_node_has_room_for_it_claims_as_much(self, store: Store, clock: FakeClock) -> None:
        jobs = [a_limited_job(name) for name in ("one", "two", "three")]
        stored = given_jobs(store, *jobs)
        node = a_node(store)
        firings = [due(stored[job.name]) for job in jobs]
        ahead = held(store, clock, node, *firings, limit=1)

        clock.advance(EARLY)
        fired = commit(ahead) or store.fire_and_claim(firings, a_wish(node, 1, generations=GENERATION))[0]

        assert sorted(one.state for one in fired) == [RunState.PENDING, RunState.PENDING, RunState.RUNNING]
        assert len(store.owned(node)) == 1

    @pytest.mark.parametrize("wished", [{"queues": ["default"]}, {"shares": {"default": 1}}, {"limit": 0}])
    def test_what_is_chosen_queue_by_queue_is_left_to_a_claim(
        self, store: Store, clock: FakeClock, wished: dict[str, Any]
    ) -> None:
        stored = given_jobs(store, a_limited_job())["nightly"]
        node = a_node(store)
        ahead = held(store, clock, node, due(stored), **wished)

        clock.advance(EARLY)
        fired = commit(ahead) or store.fire([due(stored)])

        assert [one.state for one in fired] == [RunState.PENDING]

    def test_nodes_are_told_of_what_waits(self, store: Store, clock: FakeClock) -> None:
        stored = given_jobs(store, a_limited_job())["nightly"]
        rung: list[str] = []
        ahead = held(store, clock, a_node(store), due(stored), limit=0)
        bell = store.listen(rung.append)

        clock.advance(EARLY)
        assert commit(ahead) or store.fire([due(stored)])
        bell.close()

        assert "pending" in rung

    def test_a_store_that_fires_nothing_ahead_says_so(self, store: Store, clock: FakeClock) -> None:
        stored = given_jobs(store, a_limited_job())["nightly"]

        ahead = held(store, clock, a_node(store), due(stored))

        assert (ahead is None) == (not store.fires_ahead)
        drop(ahead)


def held(
    store: Store, clock: FakeClock, node: int, *firings: Firing, limit: int = 1000, **wished: Any
) -> FireAhead | None:
    """Written a little before the slot."""
    clock.advance(AT - EARLY - clock.now())
    store.heartbeat(node, {})
    return store.fire_ahead(firings, a_wish(node, limit, generations=GENERATION, **wished), AT)


def commit(ahead: FireAhead | None) -> list[Created] | None:
    return None if ahead is None else ahead.commit()


def drop(ahead: FireAhead | None) -> None:
    if ahead is not None:
        ahead.drop()


def due(stored: StoredJob, *slots: NewRun, **fields: Any) -> Firing:
    """At AT."""
    return a_firing(stored, *slots or [a_slot(stored.job, AT)], **fields)
