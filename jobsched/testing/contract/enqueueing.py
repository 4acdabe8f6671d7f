"""The contract's chapter on making runs, and on what makes future ones due."""

import sys
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from jobsched.errors import JobschedError, UniqueKeyError
from jobsched.model.run import NewRun, OnConflict, Reason, Refusal, RunFilter, RunState, Source
from jobsched.store.port import Promoted, Store
from jobsched.testing.builders import (
    MINUTE,
    START,
    a_firing,
    a_free_job,
    a_limited_job,
    a_node,
    a_retry,
    a_run,
    a_slot,
    a_transition,
    claim,
    given_back,
    given_jobs,
    runs,
    runs_alike,
    states,
    the_run,
)
from jobsched.testing.clock import FakeClock

MEBIBYTE = 1 << 20

PAYLOADS: dict[str, dict[str, Any]] = {
    "empty": {},
    "every kind": {
        "null": None,
        "true": True,
        "int": -7,
        "float": 0.1,
        "text": "x",
        "list": [1, [2, {}]],
        "map": {"": 0},
    },
    "unicode": {"ключ": "ünïcödé 🎉 \u2028", "quotes": "'\"\\ %s :name ${X} {}"},
    "wide numbers": {"int": 2**63 - 1, "negative": -(2**63), "float": 1.7976931348623157e308, "small": 5e-324},
    "nested": {"deep": [[[[[[[[[[[[{"end": True}]]]]]]]]]]]]},
    "a mebibyte": {"text": "x" * (MEBIBYTE - 100)},
}


def _debounced(**fields: Any) -> NewRun:
    return a_run(unique_key="u", on_conflict=OnConflict.RESCHEDULE, **fields)


class EnqueueContract:
    def test_a_run_due_now_is_pending(self, store: Store, clock: FakeClock) -> None:
        clock.advance(timedelta(seconds=1, microseconds=7))

        [created] = store.enqueue(
            [a_run(queue="mail", priority=-2, payload={"to": "a@b.c"}, max_attempts=6, handler="email.send")]
        )

        run = the_run(store, created.id)
        assert (created.namespace, created.job, created.scheduled_at) == ("default", None, None)
        assert (created.state, created.reason, created.existing) == (RunState.PENDING, None, False)
        assert (run.id, run.namespace, run.job, run.handler) == (created.id, "default", None, "email.send")
        assert (run.source, run.queue, run.priority) == (Source.ENQUEUE, "mail", -2)
        assert (run.state, run.reason, run.attempt, run.max_attempts) == (RunState.PENDING, None, 0, 6)
        assert (run.payload, run.result, run.error, run.covers) == ({"to": "a@b.c"}, None, (), None)
        assert run.available_at == run.created_at == clock.now()
        assert (run.scheduled_at, run.started_at, run.finished_at, run.node) == (None, None, None, None)

    def test_runs_are_made_in_the_order_given(self, store: Store) -> None:
        created = store.enqueue([a_run(payload={"number": number}) for number in range(1000)])

        made = runs(store)
        assert [run.id for run in made] == [one.id for one in created]
        assert [run.payload["number"] for run in made] == list(range(1000))

    def test_runs_that_are_alike_and_runs_that_are_not_are_made_in_the_order_given(self, store: Store) -> None:
        queues = ["mail", "mail", "print", "mail", "mail", "mail"]

        made = store.enqueue(
            [
                a_run(queue=queue, payload={"n": n, "text": "\0 ü 🎉 \ud800"}, unique_key="u" if n == 2 else None)
                for n, queue in enumerate(queues)
            ]
        )

        rows = [the_run(store, one.id) for one in made]
        assert [one.id for one in made] == sorted(one.id for one in made)
        assert [(row.queue, row.payload["n"]) for row in rows] == [(queue, n) for n, queue in enumerate(queues)]
        assert {row.payload["text"] for row in rows} == {"\0 ü 🎉 \ud800"}

    @pytest.mark.parametrize("later", [timedelta(0), MINUTE])
    def test_runs_said_to_be_alike_are_made_as_each_would_be(
        self, store: Store, clock: FakeClock, later: timedelta
    ) -> None:
        payloads = [*PAYLOADS.values(), {"nul": "\0", "n": 1}]
        said: dict[str, Any] = {
            "queue": "mail", "priority": -3, "max_attempts": 4, "available_at": clock.now() + later,
            "timeout": MINUTE, "tags": ("a", "b"), "batch": "import", "trace": "00-1-2-03",
        }  # fmt: skip

        made = store.enqueue(runs_alike(payloads, **said))

        by_one = store.enqueue([a_run(payload=payload, **said) for payload in payloads])
        rows, others = ([the_run(store, one.id) for one in several] for several in (made, by_one))
        assert [row.payload for row in rows] == payloads
        assert [replace(row, id=0) for row in rows] == [replace(row, id=0) for row in others]
        assert [one.state for one in made] == [row.state for row in rows]
        assert [one.id for one in made] == sorted({one.id for one in made})
        assert len(store.runs(RunFilter(tag="b"))) == 2 * len(payloads)

    def test_more_runs_alike_than_one_statement_takes_are_made_in_order(self, store: Store) -> None:
        created = store.enqueue(runs_alike([{"number": number} for number in range(5001)]))

        assert [the_run(store, created[number].id).payload["number"] for number in (0, 4999, 5000)] == [0, 4999, 5000]

    def test_runs_alike_may_be_nested_deeper_than_the_database_reads(self, store: Store) -> None:
        deep: list[Any] = []
        for _ in range(3000):
            deep = [deep]
        before = sys.getrecursionlimit()
        sys.setrecursionlimit(20_000)
        try:
            made = store.enqueue(runs_alike([{"deep": deep}, {"n": 2}]))

            assert [the_run(store, one.id).payload for one in made] == [{"deep": deep}, {"n": 2}]
        finally:
            sys.setrecursionlimit(before)

    def test_more_runs_than_one_statement_takes_are_made_in_order_all_or_none(self, store: Store) -> None:
        many = [a_run(payload={"number": number}) for number in range(5001)]

        created = store.enqueue(many)
        with pytest.raises((JobschedError, TypeError)):
            store.enqueue([*many, a_run(payload={"no": object()})])

        assert [the_run(store, created[number].id).payload["number"] for number in (0, 4999, 5000)] == [0, 4999, 5000]
        assert sum(store.counts(["default"]).values()) == 5001

    def test_ids_rise_from_call_to_call(self, store: Store) -> None:
        ids = [one.id for _ in range(3) for one in store.enqueue([a_run(), a_run()])]

        assert ids == sorted(set(ids))

    def test_making_nothing_is_nothing(self, store: Store) -> None:
        assert store.enqueue([]) == []

    def test_runs_are_made_all_or_none(self, store: Store) -> None:
        with pytest.raises((JobschedError, TypeError)):
            store.enqueue([a_run(), a_run(payload={"no": object()}), a_run()])

        assert runs(store) == []

    @pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
    def test_a_payload_comes_back_as_it_was(self, store: Store, payload: dict[str, Any]) -> None:
        store.enqueue([a_run(payload=payload)])

        [run] = runs(store)
        [claimed] = claim(store, a_node(store))
        assert run.payload == payload
        assert claimed.payload == payload

    def test_payloads_of_many_come_back_as_they_were(self, store: Store) -> None:
        created = store.enqueue([a_run(payload=payload) for payload in PAYLOADS.values()])

        claimed = {one.id: one.payload for one in claim(store, a_node(store))}
        assert [claimed[one.id] for one in created] == list(PAYLOADS.values())

    def test_a_run_can_be_recorded_as_skipped(self, store: Store, clock: FakeClock) -> None:
        [created] = store.enqueue([a_run(skipped=Reason.PAUSED)])

        run = the_run(store, created.id)
        assert (created.state, created.reason) == (RunState.SKIPPED, Reason.PAUSED)
        assert (run.state, run.reason, run.finished_at) == (RunState.SKIPPED, Reason.PAUSED, clock.now())

    # -- unique keys

    def test_a_unique_key_of_an_unfinished_run_returns_that_run(self, store: Store) -> None:
        [first] = store.enqueue([a_run(unique_key="k", payload={"number": 1})])

        [second] = store.enqueue([a_run(unique_key="k", payload={"number": 2})])

        assert (second.id, second.existing, second.state) == (first.id, True, RunState.PENDING)
        assert [run.payload for run in runs(store)] == [{"number": 1}]

    def test_a_unique_key_counts_within_one_call(self, store: Store) -> None:
        one, other, again, without = store.enqueue(
            [a_run(unique_key="k"), a_run(unique_key="l"), a_run(unique_key="k"), a_run()]
        )

        assert [made.existing for made in (one, other, again, without)] == [False, False, True, False]
        assert again.id == one.id
        assert len({one.id, other.id, without.id}) == 3
        assert len(runs(store)) == 3

    @pytest.mark.parametrize("state", [RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED])
    def test_a_unique_key_is_free_again_when_its_run_has_finished(self, store: Store, state: RunState) -> None:
        [first] = store.enqueue([a_run(unique_key="k")])
        [claimed] = claim(store, a_node(store))
        store.finish([a_transition(claimed, state)])

        [second] = store.enqueue([a_run(unique_key="k")])

        assert not second.existing
        assert second.id != first.id

    @pytest.mark.parametrize("state", [RunState.SCHEDULED, RunState.RUNNING, RunState.BLOCKED])
    def test_a_unique_key_is_held_in_every_unfinished_state(self, store: Store, state: RunState) -> None:
        match state:
            case RunState.SCHEDULED:
                [held] = store.enqueue([a_run(unique_key="k", available_at=START + MINUTE)])
            case RunState.BLOCKED:
                [_, held] = store.enqueue([a_run(key="busy"), a_run(key="busy", unique_key="k")])
            case _:
                [held] = store.enqueue([a_run(unique_key="k")])
                claim(store, a_node(store))

        [again] = store.enqueue([a_run(unique_key="k")])

        assert (again.id, again.existing, again.state) == (held.id, True, state)

    def test_the_same_unique_key_in_another_namespace_is_another_key(self, store: Store) -> None:
        made = store.enqueue([a_run(unique_key="k"), a_run(unique_key="k", namespace="elsewhere")])

        assert [one.existing for one in made] == [False, False]

    def test_a_run_that_is_there_already_takes_no_place_of_its_key(self, store: Store) -> None:
        store.enqueue([a_run(unique_key="k", key="busy", available_at=START + MINUTE)])

        made = store.enqueue([a_run(unique_key="k", key="busy"), a_run(key="busy")])

        assert [(one.existing, one.state) for one in made] == [(True, RunState.SCHEDULED), (False, RunState.PENDING)]

    @pytest.mark.parametrize("waits", [RunState.PENDING, RunState.SCHEDULED, RunState.BLOCKED])
    def test_on_conflict_a_waiting_run_gets_the_time_of_the_new_one(self, store: Store, waits: RunState) -> None:
        if waits is RunState.BLOCKED:
            store.enqueue([a_run(key="k")])
        first = START + MINUTE if waits is RunState.SCHEDULED else None
        key = "k" if waits is RunState.BLOCKED else None
        [held] = store.enqueue([a_run(unique_key="u", key=key, payload={"n": 1}, available_at=first)])

        [again] = store.enqueue([_debounced(payload={"n": 2}, available_at=START + 5 * MINUTE)])

        run = the_run(store, held.id)
        assert held.state is waits
        assert (again.id, again.existing, again.state) == (held.id, True, RunState.SCHEDULED)
        assert (run.state, run.available_at, run.payload) == (RunState.SCHEDULED, START + 5 * MINUTE, {"n": 1})

    def test_on_conflict_a_waiting_run_becomes_the_new_one(self, store: Store) -> None:
        [held] = store.enqueue([a_run(unique_key="u", payload={"n": 1}, available_at=START + MINUTE)])
        wanted = a_run(
            unique_key="u",
            on_conflict=OnConflict.REPLACE,
            payload={"n": 2},
            handler="other",
            queue="mail",
            priority=3,
            max_attempts=4,
        )

        store.enqueue([wanted])
        store.promote(["default"], 10)

        [run] = runs(store)
        assert (run.id, run.state, run.payload) == (held.id, RunState.PENDING, {"n": 2})
        assert (run.handler, run.queue, run.priority, run.max_attempts) == ("other", "mail", 3, 4)

    @pytest.mark.parametrize("on_conflict", [OnConflict.REPLACE, OnConflict.RESCHEDULE])
    def test_on_conflict_a_running_run_is_left_alone(self, store: Store, on_conflict: OnConflict) -> None:
        store.enqueue([a_run(unique_key="u", payload={"n": 1})])
        claim(store, a_node(store))
        [before] = runs(store)

        [again] = store.enqueue([a_run(unique_key="u", on_conflict=on_conflict, payload={"n": 2})])

        assert (again.existing, again.state) == (True, RunState.RUNNING)
        assert runs(store) == [before]

    def test_a_conflict_can_be_an_error_and_nothing_is_made(self, store: Store) -> None:
        [held] = store.enqueue([a_run(unique_key="u")])

        with pytest.raises(UniqueKeyError, match="has the unique key 'u' and is not over") as refused:
            store.enqueue([a_run(), a_run(unique_key="u", on_conflict=OnConflict.ERROR)])

        assert refused.value.run_id == held.id
        assert [run.id for run in runs(store)] == [held.id]

    def test_two_of_one_call_with_the_same_unique_key_are_a_conflict_that_names_no_run(self, store: Store) -> None:
        with pytest.raises(UniqueKeyError, match="several runs of this call have the unique key 'u'") as refused:
            store.enqueue([a_run(unique_key="u", on_conflict=OnConflict.ERROR) for _ in range(2)])

        assert refused.value.run_id is None
        assert runs(store) == []

    def test_a_rescheduled_run_gives_its_place_to_the_next(self, store: Store) -> None:
        first, second = store.enqueue([a_run(key="k", unique_key="u"), a_run(key="k")])

        store.enqueue([_debounced(key="k", available_at=START + MINUTE)])

        assert (first.state, second.state) == (RunState.PENDING, RunState.BLOCKED)
        assert states(store) == [RunState.SCHEDULED, RunState.PENDING]

    # -- another time, by hand

    def test_waiting_runs_are_rescheduled_and_the_others_say_why_not(self, store: Store, clock: FakeClock) -> None:
        running, over, waiting = store.enqueue([a_run(priority=-2), a_run(priority=-1), a_run(key="k")])
        started, finished = claim(store, a_node(store), 2)
        store.finish([a_transition(finished)])

        answers = store.reschedule([waiting.id, running.id, over.id, 999], START + MINUTE)

        assert [(answer.state, answer.refused) for answer in answers] == [
            (RunState.SCHEDULED, None),
            (RunState.RUNNING, Refusal.RUNNING),
            (RunState.SUCCEEDED, Refusal.FINISHED),
            (None, Refusal.UNKNOWN),
        ]
        assert started.id == running.id
        assert the_run(store, waiting.id).available_at == START + MINUTE
        clock.advance(MINUTE)
        store.promote(["default"], 10)
        assert the_run(store, waiting.id).state is RunState.PENDING

    # -- the future

    def test_a_future_run_is_scheduled_until_it_is_promoted(self, store: Store, clock: FakeClock) -> None:
        due_at = START + MINUTE
        [created] = store.enqueue([a_run(available_at=due_at)])
        assert (created.state, the_run(store, created.id).available_at) == (RunState.SCHEDULED, due_at)

        early = store.promote(["default"], 100)
        clock.advance(MINUTE)
        in_time = store.promote(["default"], 100)

        assert (early, in_time) == (Promoted(0, due_at), Promoted(1, None))
        assert the_run(store, created.id).state == RunState.PENDING
        assert the_run(store, created.id).available_at == due_at

    def test_a_future_run_is_not_claimed(self, store: Store) -> None:
        store.enqueue([a_run(available_at=START + timedelta(microseconds=1))])

        assert claim(store, a_node(store)) == []

    @pytest.mark.parametrize("available_at", [START, START - MINUTE], ids=["now", "in the past"])
    def test_a_run_that_is_due_is_pending_with_its_instant_kept(self, store: Store, available_at: Any) -> None:
        [created] = store.enqueue([a_run(available_at=available_at)])

        assert created.state == RunState.PENDING
        assert the_run(store, created.id).available_at == available_at

    def test_promote_takes_at_most_limit_the_earliest_first(self, store: Store, clock: FakeClock) -> None:
        late, early, middle = store.enqueue([a_run(available_at=START + minute * MINUTE) for minute in (3, 1, 2)])
        clock.advance(10 * MINUTE)

        promoted = store.promote(["default"], 2)

        assert (promoted.count, promoted.next_at) == (2, START + 3 * MINUTE)
        assert the_run(store, late.id).state == RunState.SCHEDULED
        assert the_run(store, early.id).state == the_run(store, middle.id).state == RunState.PENDING

    def test_promote_stays_in_its_namespaces(self, store: Store, clock: FakeClock) -> None:
        for namespace in ("default", "elsewhere"):
            store.enqueue([a_run(namespace=namespace, available_at=START + MINUTE)])
        clock.advance(MINUTE)

        assert store.promote(["elsewhere"], 100) == Promoted(1, None)
        assert (states(store), states(store, namespace="elsewhere")) == ([RunState.SCHEDULED], [RunState.PENDING])
        assert store.promote([], 100) == Promoted(0, None)

    # -- slots that are to start by an instant

    def test_a_slot_that_did_not_start_in_time_is_skipped(self, store: Store, clock: FakeClock) -> None:
        slot = given_slot(store, start_by=START + MINUTE)

        early = store.promote(["default"], 100)
        clock.advance(MINUTE)
        late = store.promote(["default"], 100)

        assert (early, late.count, late.next_at) == (Promoted(0, START + MINUTE), 0, None)
        assert [(one.id, one.state, one.reason) for one in late.missed] == [(slot, RunState.SKIPPED, Reason.MISFIRE)]
        run = the_run(store, slot)
        assert (run.state, run.reason, run.finished_at) == (RunState.SKIPPED, Reason.MISFIRE, clock.now())
        assert store.promote(["default"], 100) == Promoted(0, None)

    def test_it_is_not_claimed_even_if_nobody_has_looked(self, store: Store, clock: FakeClock) -> None:
        slot = given_slot(store, start_by=START + MINUTE)
        node = a_node(store, lease=60 * MINUTE)
        clock.advance(MINUTE)

        assert claim(store, node) == claim(store, node, queues=["default"]) == []
        assert the_run(store, slot).state == RunState.PENDING

    def test_it_is_claimed_up_to_that_instant(self, store: Store, clock: FakeClock) -> None:
        slot = given_slot(store, start_by=START + MINUTE)
        node = a_node(store, lease=60 * MINUTE)
        clock.advance(MINUTE - timedelta(microseconds=1))

        assert [one.id for one in claim(store, node)] == [slot]

    @pytest.mark.parametrize("how", ["retry", "given back"])
    def test_what_was_claimed_once_is_never_skipped(self, store: Store, clock: FakeClock, how: str) -> None:
        slot = given_slot(store, start_by=START + MINUTE)
        node = a_node(store, lease=60 * MINUTE)
        [claimed] = claim(store, node)
        store.finish([a_retry(claimed, START + 2 * MINUTE) if how == "retry" else given_back(claimed)])
        clock.advance(3 * MINUTE)

        assert store.promote(["default"], 100).missed == ()
        assert [one.id for one in claim(store, node)] == [slot]

    def test_what_is_requeued_has_no_deadline_any_more(self, store: Store, clock: FakeClock) -> None:
        slot = given_slot(store, start_by=START + MINUTE)
        clock.advance(MINUTE)
        store.promote(["default"], 100)

        store.requeue([slot])

        assert store.promote(["default"], 100) == Promoted(0, None)
        assert [one.id for one in claim(store, a_node(store))] == [slot]

    def test_a_blocked_slot_is_skipped_too(self, store: Store, clock: FakeClock) -> None:
        job = a_limited_job(policy="queue")
        stored = given_jobs(store, job)["nightly"]
        late = a_slot(job, START + MINUTE, start_by=START + MINUTE)
        [_, blocked] = store.fire([a_firing(stored, a_slot(job, START), late)])
        clock.advance(MINUTE)

        missed = store.promote(["default"], 100).missed

        assert (blocked.state, [one.id for one in missed]) == (RunState.BLOCKED, [blocked.id])

    def test_the_place_that_it_held_goes_to_the_next(self, store: Store, clock: FakeClock) -> None:
        job = a_limited_job(policy="queue")
        stored = given_jobs(store, job)["nightly"]
        late = a_slot(job, START, start_by=START + MINUTE)
        [_, behind] = store.fire([a_firing(stored, late, a_slot(job, START + MINUTE))])
        clock.advance(MINUTE)

        store.promote(["default"], 100)

        assert the_run(store, behind.id).state == RunState.PENDING

    def test_slots_are_missed_in_the_namespaces_asked_for(self, store: Store, clock: FakeClock) -> None:
        slot = given_slot(store, start_by=START + MINUTE)
        clock.advance(MINUTE)

        assert store.promote(["elsewhere"], 100) == Promoted(0, None)
        assert the_run(store, slot).state == RunState.PENDING

    def test_promote_again_promotes_nothing(self, store: Store, clock: FakeClock) -> None:
        store.enqueue([a_run(available_at=START + MINUTE), a_run()])
        clock.advance(MINUTE)
        store.promote(["default"], 100)

        assert store.promote(["default"], 100) == Promoted(0, None)


def given_slot(store: Store, *, start_by: datetime) -> int:
    """The id of a pending run for a slot that is to start by an instant."""
    job = a_free_job()
    [made] = store.fire([a_firing(given_jobs(store, job)["nightly"], a_slot(job, START, start_by=start_by))])
    return made.id
