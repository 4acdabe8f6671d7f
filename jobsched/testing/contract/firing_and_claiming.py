"""The contract's chapter on firing and claiming at once: as if what was fired had been claimed in the same instant."""

from datetime import timedelta

import pytest

from jobsched.model.handler import handler_text
from jobsched.model.run import Claim, Created, RunState, Source
from jobsched.model.state import Firing
from jobsched.store.port import ClaimWish, Store
from jobsched.testing.builders import (
    LEASE,
    MINUTE,
    NAMESPACE,
    START,
    a_change,
    a_firing,
    a_free_job,
    a_limited_job,
    a_node,
    a_pause,
    a_run,
    a_slot,
    a_transition,
    an_edit,
    claim,
    given_jobs,
    runs,
    the_run,
)
from jobsched.testing.clock import FakeClock
from jobsched.testing.contract.queue_limits import given_limits


class FireAndClaimContract:
    def test_what_is_fired_is_claimed_as_if_it_had_waited(self, store: Store, clock: FakeClock) -> None:
        job = a_limited_job(payload={"a": [1]}, priority=3)
        stored = given_jobs(store, job)["nightly"]
        clock.advance(MINUTE)
        node = a_node(store)

        created, [claimed] = fired(
            store, node, a_firing(stored, a_slot(job, START + MINUTE, max_attempts=4)), generation=7
        )

        run = the_run(store, claimed.id)
        assert [(one.id, one.state) for one in created] == [(claimed.id, RunState.RUNNING)]
        assert (claimed.claim_no, claimed.node, claimed.attempt, claimed.max_attempts) == (1, node, 1, 4)
        assert (claimed.namespace, claimed.job, claimed.job_revision) == (NAMESPACE, "nightly", stored.revision)
        assert (claimed.handler, claimed.source, claimed.queue) == (handler_text(job.handler), Source.SLOT, job.queue)
        assert (claimed.scheduled_at, claimed.available_at, claimed.started_at) == (
            START + MINUTE,
            run.available_at,
            clock.now(),
        )
        assert (claimed.payload, claimed.key, claimed.generation, claimed.losses) == (
            {"a": [1]},
            job.concurrency_key,
            7,
            0,
        )
        assert (run.state, run.node, run.attempt, run.started_at, run.generation) == (
            RunState.RUNNING,
            node,
            1,
            clock.now(),
            7,
        )
        assert store.finish([a_transition(claimed)])[claimed.id].state is RunState.SUCCEEDED

    def test_what_another_node_has_fired_keeps_nothing_from_being_claimed(self, store: Store, clock: FakeClock) -> None:
        jobs = [a_limited_job(name) for name in ("one", "two", "three")]
        stored = given_jobs(store, *jobs)
        clock.advance(MINUTE)
        firings = {job.name: a_firing(stored[job.name], a_slot(job, START + MINUTE)) for job in jobs}
        store.fire([firings["two"]])
        [others] = claim(store, a_node(store))

        created, claims = fired(store, a_node(store), *firings.values())

        assert [one.job for one in created] == ["one", "three"]
        assert [one.job for one in claims] == ["one", "three"]
        assert others.job == "two"

    def test_it_is_the_very_claim_that_would_have_come_after(self, store: Store, clock: FakeClock) -> None:
        jobs = [a_limited_job(name, payload={"name": name}) for name in ("one", "two")]
        stored = given_jobs(store, *jobs)
        clock.advance(MINUTE)
        node = a_node(store)

        _, [at_once] = fired(store, node, a_firing(stored["one"], a_slot(jobs[0], START + MINUTE)))
        store.fire([a_firing(stored["two"], a_slot(jobs[1], START + MINUTE))])
        [after] = claim(store, node, generations={NAMESPACE: 1})

        named = {"id": at_once.id, "job": "one", "key": at_once.key, "payload": at_once.payload}
        assert (after.payload, after.job) == ({"name": "two"}, "two")
        assert after._asdict() | named == at_once._asdict()

    def test_no_more_than_are_asked_for_and_the_most_urgent_first(self, store: Store) -> None:
        jobs = [a_free_job(f"job-{n}", priority=priority) for n, priority in enumerate((5, 0, 1))]
        stored = given_jobs(store, *jobs)
        node = a_node(store)

        created, claims = fired(store, node, *(a_firing(stored[job.name], a_slot(job, START)) for job in jobs), limit=2)

        assert {claimed.job for claimed in claims} == {"job-1", "job-2"}
        assert [one.job for one in created if one.state is RunState.PENDING] == ["job-0"]

    def test_nothing_overtakes_what_waits(self, store: Store) -> None:
        [waiting] = store.enqueue([a_run()])
        stored = given_jobs(store, a_free_job())["nightly"]
        node = a_node(store)

        created, claims = fired(store, node, a_firing(stored, a_slot(stored.job, START)))

        assert (claims, [one.state for one in created]) == ([], [RunState.PENDING])
        assert claim(store, node, 1)[0].id == waiting.id

    def test_nothing_overtakes_what_is_more_urgent_of_all_that_is_fired_with_it(self, store: Store) -> None:
        twice, urgent, plain = (
            a_free_job("twice", priority=1),
            a_free_job("urgent", priority=1),
            a_free_job("plain", priority=2),
        )
        stored = given_jobs(store, twice, urgent, plain)
        node = a_node(store)

        created, claims = fired(
            store,
            node,
            a_firing(stored["plain"], a_slot(plain, START)),
            a_firing(stored["urgent"], a_slot(urgent, START)),
            a_firing(stored["twice"], *(a_slot(twice, START + number * MINUTE) for number in (0, 1))),
        )

        assert [claimed.job for claimed in claims] == ["urgent"]
        assert sorted(one.job or "" for one in created) == ["plain", "twice", "twice", "urgent"]
        assert [claimed.job for claimed in claim(store, node)] == ["twice", "twice", "plain"]

    def test_what_waits_in_another_namespace_keeps_nothing_back(self, store: Store) -> None:
        store.enqueue([a_run(namespace="other")])
        stored = given_jobs(store, a_free_job())["nightly"]

        assert len(fired(store, a_node(store), a_firing(stored, a_slot(stored.job, START)))[1]) == 1

    def test_a_node_without_a_lease_gets_nothing_and_the_slot_waits_for_another(
        self, store: Store, clock: FakeClock
    ) -> None:
        stored = given_jobs(store, a_free_job())["nightly"]
        node = a_node(store)
        clock.advance(LEASE + timedelta(seconds=1))

        created, claims = fired(store, node, a_firing(stored, a_slot(stored.job, START)))

        assert (claims, [one.state for one in created]) == ([], [RunState.PENDING])

    def test_a_handler_that_the_node_lacks_is_left_to_others(self, store: Store) -> None:
        stored = given_jobs(store, a_free_job())["nightly"]
        without = [handler_text(stored.job.handler)]

        created, claims = fired(
            store, a_node(store), a_firing(stored, a_slot(stored.job, START)), without_handlers=without
        )

        assert (claims, [one.state for one in created]) == ([], [RunState.PENDING])

    def test_what_has_to_wait_waits(self, store: Store, clock: FakeClock) -> None:
        later, late, busy = (a_limited_job(name) for name in ("later", "late", "busy"))
        limited = a_free_job("limited", queue="slow")
        stored = given_jobs(store, later, late, busy, limited)
        given_limits(store, {"slow": 1})
        store.enqueue([a_run(queue="slow")])
        node = a_node(store)
        store.fire([a_firing(stored["busy"], a_slot(busy, START))])
        claim(store, node)
        [busy_again] = store.jobs(NAMESPACE, ["busy"])

        created, claims = fired(
            store,
            node,
            a_firing(stored["later"], a_slot(later, START, available_at=clock.now() + MINUTE)),
            a_firing(stored["late"], a_slot(late, START, start_by=clock.now())),
            a_firing(busy_again, a_slot(busy, START + MINUTE)),
            a_firing(stored["limited"], a_slot(limited, START)),
        )

        assert claims == []
        assert {one.job: one.state for one in created} == {
            "later": RunState.SCHEDULED,
            "late": RunState.PENDING,
            "busy": RunState.SKIPPED,
            "limited": RunState.BLOCKED,
        }

    def test_a_slot_is_fired_once_whoever_claims_it(self, store: Store) -> None:
        stored = given_jobs(store, a_free_job())["nightly"]
        firing = a_firing(stored, a_slot(stored.job, START))
        node = a_node(store)

        assert len(fired(store, node, firing)[1]) == 1
        assert fired(store, node, firing) == ([], [])
        assert len(runs(store)) == 1

    def test_an_edit_of_the_definition_is_performed_as_edited(self, store: Store) -> None:
        stored = given_jobs(store, a_free_job())["nightly"]
        store.apply(a_change(an_edit(stored, a_free_job(priority=7)), seen=1))

        [claimed] = fired(store, a_node(store), a_firing(stored, a_slot(stored.job, START)))[1]

        assert claimed.job_revision == store.jobs(NAMESPACE)[0].revision

    @pytest.mark.parametrize("told", [(True, True), (True, False)])
    def test_a_claim_says_which_revision_is_performed_whether_the_firing_did_or_not(
        self, store: Store, told: tuple[bool, bool]
    ) -> None:
        edited, untouched = given_jobs(store, a_free_job("edited"), a_free_job("untouched")).values()
        store.apply(a_change(an_edit(edited, a_free_job("edited", priority=7)), seen=1))
        now = store.jobs(NAMESPACE, ["edited", "untouched"])
        firings = [
            a_firing(job, a_slot(job.job, START), revision=job.revision if tells else None)
            for job, tells in zip(now, told, strict=True)
        ]

        _, claims = fired(store, a_node(store), *firings)

        assert {one.job: one.job_revision for one in claims} == {job.job.name: job.revision for job in now}
        assert now[0].revision > untouched.revision

    def test_nothing_is_fired_of_what_is_paused(self, store: Store) -> None:
        jobs = [a_free_job(name) for name in ("held", "free")]
        stored = given_jobs(store, *jobs)
        store.pause([a_pause("job", "held")])

        created, _ = fired(store, a_node(store), *(a_firing(stored[job.name], a_slot(job, START)) for job in jobs))

        assert [one.job for one in created] == ["free"]
        assert store.jobs(NAMESPACE, ["held"])[0].cursor == stored["held"].cursor


def fired(
    store: Store,
    node: int,
    *firings: Firing,
    limit: int = 10,
    generation: int = 1,
    without_handlers: list[str] | None = None,
) -> tuple[list[Created], list[Claim]]:
    """Fire them, and claim at once."""
    wish = ClaimWish(
        node=node, generations={NAMESPACE: generation}, limit=limit, without_handlers=without_handlers or []
    )
    return store.fire_and_claim(firings, wish)
