"""The contract's chapter on claims: which runs, in which order, to whom."""

from datetime import timedelta

from jobsched.model.handler import CommandHandler, handler_text
from jobsched.model.run import NewRun, OnConflict, RunState, Source
from jobsched.store.port import Store
from jobsched.testing.builders import (
    HANDLER,
    LEASE,
    MINUTE,
    NAMESPACE,
    START,
    a_change,
    a_firing,
    a_free_job,
    a_limited_job,
    a_node,
    a_retry,
    a_run,
    a_slot,
    a_transition,
    a_trigger,
    a_write,
    an_edit,
    claim,
    given_back,
    given_jobs,
    given_removed,
    states,
    the_run,
)
from jobsched.testing.clock import FakeClock

MOMENT = timedelta(microseconds=1)


class ClaimContract:
    def test_a_run_goes_on_in_the_trace_that_it_was_enqueued_in(self, store: Store) -> None:
        trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        store.enqueue([a_run(trace=trace), a_run(), a_run(queue="mail", trace=trace)])
        node = a_node(store)

        claims = claim(store, node, queues=["mail"]) + claim(store, node)

        assert [claimed.trace for claimed in claims] == [trace, trace, None]

    def test_a_run_that_is_replaced_goes_on_in_the_trace_of_who_replaced_it(self, store: Store) -> None:
        trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        store.enqueue([a_run(unique_key="u", available_at=START + MINUTE)])
        store.enqueue([a_run(unique_key="u", on_conflict=OnConflict.REPLACE, trace=trace)])
        store.promote([NAMESPACE], 10)

        assert [claimed.trace for claimed in claim(store, a_node(store))] == [trace]

    def test_a_claim_brings_all_that_is_needed_to_perform_a_run(self, store: Store, clock: FakeClock) -> None:
        [created] = store.enqueue([a_run(queue="mail", payload={"to": ["a@b.c"]}, max_attempts=3)])
        node = a_node(store)
        clock.advance(1)

        [claimed] = claim(store, node, generations={NAMESPACE: 7})

        assert (claimed.id, claimed.claim_no, claimed.node) == (created.id, 1, node)
        assert (claimed.namespace, claimed.job, claimed.job_revision) == ("default", None, None)
        assert (claimed.handler, claimed.source, claimed.queue) == (HANDLER, Source.ENQUEUE, "mail")
        assert (claimed.attempt, claimed.max_attempts, claimed.losses) == (1, 3, 0)
        assert (claimed.scheduled_at, claimed.available_at, claimed.started_at) == (None, START, clock.now())
        assert (claimed.generation, claimed.payload, claimed.key) == (7, {"to": ["a@b.c"]}, None)

    def test_of_many_runs_that_differ_in_their_payload_alone_each_has_its_own(
        self, store: Store, clock: FakeClock
    ) -> None:
        payloads = [{"n": n, "text": 'x","y', "in": [{"ü": None}], "real": n / 8} for n in range(60)]
        made = store.enqueue([a_run(payload=payload, max_attempts=2) for payload in payloads[:30]])
        clock.advance(1)
        made += store.enqueue([a_run(payload=payload, max_attempts=2) for payload in payloads[30:]])
        node = a_node(store)

        claims = claim(store, node, generations={NAMESPACE: 7})

        assert [(one.id, one.payload) for one in claims] == list(zip([run.id for run in made], payloads, strict=True))
        assert {one.available_at for one in claims} == {START, clock.now()}
        assert {(one.claim_no, one.node, one.attempt, one.max_attempts) for one in claims} == {(1, node, 1, 2)}
        alike = {(one.handler, one.queue, one.source, one.generation, one.started_at) for one in claims}
        assert alike == {(HANDLER, "default", Source.ENQUEUE, 7, clock.now())}

    def test_runs_that_stand_before_and_among_many_that_are_alike_are_claimed_in_order(self, store: Store) -> None:
        def some() -> list[NewRun]:
            return [a_run(payload={"n": n}) for n in range(30)]

        first = [a_run(handler="other", payload={"first": True}), a_run(key="k", payload={"key": 1})]
        made = store.enqueue([*first, *some(), a_run(key="l", payload={"key": 2}), *some()])

        claims = claim(store, a_node(store), limit=60)

        assert [one.id for one in claims] == [run.id for run in made[:60]]
        assert [(one.handler, one.key, one.payload) for one in (claims[0], claims[1], claims[2], claims[32])] == [
            ("other", None, {"first": True}),
            (HANDLER, "k", {"key": 1}),
            (HANDLER, None, {"n": 0}),
            (HANDLER, "l", {"key": 2}),
        ]

    def test_among_many_runs_that_are_alike_another_is_claimed_as_it_is(self, store: Store) -> None:
        trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        alike = [a_run(payload={"n": n}) for n in range(60)]
        others = [
            a_run(handler="other"),
            a_run(queue="mail"),
            a_run(priority=1),
            a_run(max_attempts=9),
            a_run(timeout=MINUTE),
            a_run(trace=trace),
            a_run(key="k"),
        ]
        store.enqueue([*alike, others[0]])
        assert [one.handler for one in claim(store, a_node(store))][-2:] == [HANDLER, "other"]

        store.enqueue([*alike, *others])
        claims = claim(store, a_node(store))

        found = [(one.handler, one.queue, one.max_attempts, one.timeout, one.trace, one.key) for one in claims[60:]]
        plain = (HANDLER, "default", 1, None, None, None)
        assert found == [
            ("other", *plain[1:]),
            (HANDLER, "mail", *plain[2:]),
            (HANDLER, "default", 9, *plain[3:]),
            (HANDLER, "default", 1, MINUTE, None, None),
            (HANDLER, "default", 1, None, trace, None),
            (HANDLER, "default", 1, None, None, "k"),
            plain,
        ]

    def test_a_claimed_run_is_running_and_names_its_node(self, store: Store, clock: FakeClock) -> None:
        [created] = store.enqueue([a_run()])
        node = a_node(store)
        clock.advance(1)

        claim(store, node, generations={NAMESPACE: 7})

        run = the_run(store, created.id)
        assert (run.state, run.node, run.attempt, run.generation) == (RunState.RUNNING, node, 1, 7)
        assert (run.started_at, run.finished_at) == (clock.now(), None)

    def test_a_claim_of_a_job_names_its_revision_and_slot(self, store: Store) -> None:
        job = a_free_job()
        store.apply(a_change(a_write(job, revision=4)))
        [stored] = store.jobs("default")
        store.fire([a_firing(stored, a_slot(job, START + MINUTE))])

        [claimed] = claim(store, a_node(store))

        assert (claimed.job, claimed.job_revision, claimed.source) == ("nightly", 4, Source.SLOT)
        assert claimed.scheduled_at == START + MINUTE

    def test_the_revision_is_the_one_at_claim(self, store: Store) -> None:
        stored = given_jobs(store, a_free_job())["nightly"]
        store.enqueue([a_trigger(stored.job)])
        store.apply(a_change(an_edit(stored, a_free_job(priority=3)), seen=1))

        [claimed] = claim(store, a_node(store))

        assert claimed.job_revision == 2

    def test_runs_are_claimed_by_priority_then_instant_then_id(self, store: Store) -> None:
        made = store.enqueue(
            [
                a_run(priority=1, available_at=START - 9 * MINUTE),
                a_run(),
                a_run(),
                a_run(available_at=START - MOMENT),
                a_run(priority=-1),
            ]
        )
        node = a_node(store)

        order = [claimed.id for _ in range(3) for claimed in claim(store, node, limit=2)]

        assert order == [made[place].id for place in (4, 3, 1, 2, 0)]

    def test_one_claim_is_in_order_too(self, store: Store) -> None:
        made = store.enqueue([a_run(priority=priority) for priority in (5, 3, 4, 1, 2)])

        assert [claimed.id for claimed in claim(store, a_node(store))] == [made[place].id for place in (3, 4, 1, 2, 0)]

    def test_at_most_limit_are_claimed(self, store: Store) -> None:
        store.enqueue([a_run()] * 5)
        node = a_node(store)

        assert [len(claim(store, node, limit=limit)) for limit in (0, 2, 10)] == [0, 2, 3]
        assert claim(store, node) == []

    def test_a_thousand_are_claimed_at_once(self, store: Store) -> None:
        store.enqueue([a_run()] * 1000)

        assert len({claimed.id for claimed in claim(store, a_node(store), limit=1000)}) == 1000

    def test_only_the_named_namespaces_are_claimed_under_their_generations(self, store: Store) -> None:
        store.enqueue([a_run(namespace=name) for name in ("a", "b", "c")])

        claimed = claim(store, a_node(store), generations={"a": 3, "c": 9})

        assert sorted((one.namespace, one.generation) for one in claimed) == [("a", 3), ("c", 9)]
        assert [the_run(store, one.id).generation for one in claimed] == [one.generation for one in claimed]
        assert claim(store, a_node(store), generations={}) == []

    def test_of_several_namespaces_the_most_urgent_runs_are_claimed(self, store: Store) -> None:
        made = store.enqueue(
            [a_run(namespace=name, priority=priority) for name, priority in [("a", 3), ("b", 1), ("a", 2)]]
        )
        node = a_node(store)

        first = claim(store, node, limit=2, generations={"a": None, "b": None})

        assert [one.id for one in first] == [made[1].id, made[2].id]
        assert [one.id for one in claim(store, node, generations={"a": None, "b": None})] == [made[0].id]

    def test_only_the_named_queues_are_claimed(self, store: Store) -> None:
        store.enqueue([a_run(queue=name) for name in ("default", "mail", "slow")])
        node = a_node(store)

        assert [one.queue for one in claim(store, node, queues=["mail", "unknown"])] == ["mail"]
        assert claim(store, node, queues=[]) == []
        assert [one.queue for one in claim(store, node, queues=None)] == ["default", "slow"]

    def test_a_share_is_not_passed_and_keeps_nothing_behind_it(self, store: Store) -> None:
        store.enqueue([a_run(queue=queue) for queue in ["mail"] * 5 + ["default", "slow", "mail", "default"]])
        node = a_node(store)

        first = claim(store, node, shares={"mail": 2, "slow": 0, "unknown": 3})
        then = claim(store, node, shares={"mail": 9})

        assert [one.queue for one in first] == ["mail", "mail", "default", "default"]
        assert [one.queue for one in then] == ["mail", "mail", "mail", "slow", "mail"]

    def test_within_a_share_the_order_is_that_of_all_runs(self, store: Store) -> None:
        store.enqueue([a_run(queue="mail", priority=2), a_run(), a_run(queue="mail", priority=-1), a_run(priority=-2)])

        claimed = claim(store, a_node(store), limit=3, shares={"mail": 1})

        assert [one.id for one in claimed] == [4, 3, 2]

    def test_a_share_is_one_of_all_namespaces_together(self, store: Store) -> None:
        store.enqueue([a_run(namespace=name, queue="mail") for name in ("a", "b", "a", "b")])
        node = a_node(store)

        claimed = claim(store, node, generations={"a": None, "b": None}, shares={"mail": 3})

        assert [one.namespace for one in claimed] == ["a", "b", "a"]

    def test_shares_are_of_the_named_queues(self, store: Store) -> None:
        store.enqueue([a_run(queue=queue) for queue in ("mail", "mail", "default", "slow")])
        node = a_node(store)

        assert [one.queue for one in claim(store, node, queues=["mail", "slow"], shares={"mail": 1})] == [
            "mail",
            "slow",
        ]
        assert claim(store, node, queues=["mail"], shares={"mail": 0}) == []

    def test_runs_of_some_handlers_are_left_to_others(self, store: Store) -> None:
        command = handler_text(CommandHandler(("df", "-h")))
        store.enqueue([a_run(handler="here:known"), a_run(handler="there:known"), a_run(handler=command)])
        node, other = a_node(store), a_node(store)

        mine = claim(store, node, without_handlers=["there:known", "unknown"])
        others = claim(store, other)

        assert [one.handler for one in mine] == ["here:known", command]
        assert [one.handler for one in others] == ["there:known"]

    # -- attempts and fences

    def test_each_claim_raises_the_attempt_and_the_fence(self, store: Store, clock: FakeClock) -> None:
        store.enqueue([a_run(max_attempts=3)])
        node = a_node(store)

        seen = []
        for _ in range(3):
            [claimed] = claim(store, node)
            seen.append((claimed.attempt, claimed.claim_no))
            clock.advance(1)
            store.finish([a_retry(claimed, clock.now())])
            store.promote(["default"], 10)

        assert seen == [(1, 1), (2, 2), (3, 3)]

    def test_giving_back_lowers_the_attempt_and_never_the_fence(self, store: Store) -> None:
        store.enqueue([a_run()])
        node = a_node(store)
        [first] = claim(store, node)
        store.finish([given_back(first)])

        [second] = claim(store, node)

        assert (first.attempt, second.attempt) == (1, 1)
        assert second.claim_no > first.claim_no

    # -- who may claim

    def test_an_unknown_node_gets_nothing(self, store: Store) -> None:
        store.enqueue([a_run()])

        assert claim(store, a_node(store) + 1000) == []

    def test_a_node_whose_lease_has_run_out_gets_nothing(self, store: Store, clock: FakeClock) -> None:
        store.enqueue([a_run()])
        node = a_node(store)
        clock.advance(LEASE + timedelta(seconds=1))

        assert claim(store, node) == []
        assert states(store) == [RunState.PENDING]

    def test_a_node_declared_dead_gets_nothing_though_it_beats(self, store: Store, clock: FakeClock) -> None:
        store.enqueue([a_run()])
        node = a_node(store)
        clock.advance(LEASE + timedelta(seconds=1))
        store.bury()
        store.heartbeat(node, {})

        assert claim(store, node) == []

    def test_a_node_that_has_left_gets_nothing(self, store: Store) -> None:
        store.enqueue([a_run()])
        node = a_node(store)
        store.leave(node)

        assert claim(store, node) == []

    def test_a_heartbeat_in_time_keeps_the_right_to_claim(self, store: Store, clock: FakeClock) -> None:
        store.enqueue([a_run()])
        node = a_node(store)
        for _ in range(10):
            clock.advance(LEASE * 0.9)
            store.heartbeat(node, {})

        assert len(claim(store, node)) == 1

    # -- what a node owns

    def test_a_node_owns_what_it_claimed_until_it_has_finished(self, store: Store) -> None:
        job = a_limited_job()
        given_jobs(store, job)
        store.enqueue([a_trigger(job, max_attempts=5), a_run()])
        node, other = a_node(store), a_node(store)
        [first, second] = claim(store, node)

        before = sorted(store.owned(node), key=lambda one: one.id)
        store.finish([a_transition(second)])

        assert [(one.id, one.claim_no, one.node) for one in before] == [
            (one.id, one.claim_no, node) for one in (first, second)
        ]
        assert (before[0].namespace, before[0].job, before[1].job) == ("default", "nightly", None)
        assert (before[0].attempt, before[0].max_attempts, before[0].losses) == (1, 5, 0)
        assert [one.id for one in store.owned(node)] == [first.id]
        assert store.owned(other) == []

    def test_a_running_run_of_a_removed_job_is_still_owned(self, store: Store) -> None:
        job = a_free_job()
        given_jobs(store, job)
        store.enqueue([a_trigger(job)])
        node = a_node(store)
        claim(store, node)

        given_removed(store, "nightly")

        assert [one.job for one in store.owned(node)] == ["nightly"]
