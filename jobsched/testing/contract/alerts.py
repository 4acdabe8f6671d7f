"""Breaches: noted once over all nodes, in the transaction in which an attempt ends or by whoever finds one; told once."""

from datetime import timedelta
from typing import Any

from jobsched.model.alert import AT_THE_END, AlertKind, Alerts, Breach, NewBreach, Notifier, Ping, Sla
from jobsched.model.handler import ShellHandler
from jobsched.model.run import Claim, OnConflict, Reason, RunState
from jobsched.model.sla import MissedSlot, RunningAttempt, WaitingSlot
from jobsched.model.telling import alert_run
from jobsched.store.port import Store
from jobsched.testing.builders import (
    MINUTE,
    NAMESPACE,
    START,
    a_firing,
    a_free_job,
    a_job,
    a_node,
    a_retry,
    a_run,
    a_skipped_slot,
    a_slot,
    a_transition,
    a_trigger,
    claim,
    given_back,
    given_jobs,
    given_removed,
    runs,
)
from jobsched.testing.clock import FakeClock

OPS = Notifier("ops", ShellHandler("cat"))
JOB = a_free_job(alerts=Alerts((OPS,), tuple(AlertKind), Sla(MINUTE, MINUTE, MINUTE)))
FAILED: dict[str, Any] = {
    "state": RunState.FAILED,
    "reason": Reason.ERROR,
    "error": {"type": "ValueError", "message": "no"},
    "alerts": AT_THE_END,
}


class AlertContract:
    def test_a_failure_for_good_is_noted_with_what_was_wrong(self, store: Store) -> None:
        failing = a_claim(store)

        store.finish([a_transition(failing, **FAILED)])

        told = {"run": failing.id, "attempt": 1, "reason": "error", "error": "ValueError: no"}
        assert [(one.kind, one.job, one.details) for one in untold(store)] == [
            (AlertKind.FINAL_FAILURE, JOB.name, told),
            (AlertKind.FAILURE, JOB.name, told),
        ]
        assert kinds(store.open_breaches(NAMESPACE)) == [AlertKind.FINAL_FAILURE]

    def test_an_attempt_that_is_tried_again_is_a_failure_and_no_final_one(self, store: Store) -> None:
        failing = a_claim(store)

        store.finish([a_retry(failing, START + MINUTE, alerts=AT_THE_END)])

        assert kinds(untold(store)) == [AlertKind.FAILURE]

    def test_only_the_kinds_that_are_asked_for_are_noted(self, store: Store) -> None:
        failing = a_claim(store)

        store.finish([a_transition(failing, **FAILED | {"alerts": frozenset({AlertKind.FAILURE})})])

        assert kinds(untold(store)) == [AlertKind.FAILURE]

    def test_nothing_is_noted_of_what_does_not_fail_or_is_no_longer_owned(self, store: Store) -> None:
        given_jobs(store, JOB)
        store.enqueue([a_trigger(JOB) for _ in range(5)])
        won, back, cancelled, lost, snoozed = claim(store, a_node(store))

        store.finish(
            [
                a_transition(won, alerts=AT_THE_END),
                given_back(back, alerts=AT_THE_END),
                a_transition(cancelled, RunState.CANCELLED, reason=Reason.CANCELLED, alerts=AT_THE_END),
                a_transition(lost, **FAILED | {"claim_no": lost.claim_no + 1}),
                a_transition(snoozed, RunState.SCHEDULED, available_at=START + MINUTE, alerts=AT_THE_END),
            ]
        )

        assert untold(store) == []

    def test_a_retry_that_fails_because_its_job_is_gone_is_a_final_failure(self, store: Store) -> None:
        failing = a_claim(store)
        given_removed(store, JOB.name)

        store.finish([a_retry(failing, START + MINUTE, alerts=AT_THE_END)])

        assert AlertKind.FINAL_FAILURE in kinds(untold(store))

    def test_a_failure_that_is_written_twice_is_noted_once(self, store: Store) -> None:
        transition = a_transition(a_claim(store), **FAILED)

        store.finish([transition])
        store.finish([transition])

        assert len(untold(store)) == 2  # one of each kind

    def test_a_run_that_fails_again_after_a_requeue_is_noted_again(self, store: Store) -> None:
        store.finish([a_transition(failing := a_claim(store), **FAILED)])
        store.requeue([failing.id])
        [again] = claim(store, a_node(store))

        store.finish([a_transition(again, **FAILED)])

        assert kinds(untold(store)).count(AlertKind.FINAL_FAILURE) == 2

    def test_the_first_success_after_final_failures_ends_them_and_is_a_recovery_the_next_is_none(
        self, store: Store
    ) -> None:
        store.finish([a_transition(a_claim(store), **FAILED), a_transition(a_claim(store), **FAILED)])

        store.finish([a_transition(first := a_claim(store), alerts=AT_THE_END)])
        store.finish([a_transition(a_claim(store), alerts=AT_THE_END)])

        assert store.open_breaches(NAMESPACE) == []
        recoveries = [one for one in untold(store) if one.kind is AlertKind.RECOVERY]
        assert [one.details["run"] for one in recoveries] == [first.id]

    def test_of_a_job_that_fails_on_and_on_the_first_failure_stands_open(self, store: Store) -> None:
        first = a_claim(store)
        store.finish([a_transition(first, **FAILED)])
        store.finish([a_transition(a_claim(store), **FAILED)])

        assert [one.details["run"] for one in store.open_breaches(NAMESPACE)] == [first.id]
        assert kinds(untold(store)).count(AlertKind.FINAL_FAILURE) == 2

    def test_a_success_ends_no_failure_of_another_job(self, store: Store) -> None:
        other = a_free_job("other")
        given_jobs(store, other)
        store.finish([a_transition(a_claim(store), **FAILED)])

        store.enqueue([a_trigger(other)])
        store.finish([a_transition(one, alerts=AT_THE_END) for one in claim(store, a_node(store))])

        assert kinds(store.open_breaches(NAMESPACE)) == [AlertKind.FINAL_FAILURE]

    def test_a_breach_is_noted_once_whoever_finds_it(self, store: Store, clock: FakeClock) -> None:
        first = store.note([a_breach("1"), a_breach("2")])
        clock.advance(60)
        second = store.note([a_breach("2"), a_breach("3"), a_breach("3", job=None)])

        assert (first, second) == (2, 2)
        found = [(one.job, one.subject, one.opened_at) for one in store.open_breaches(NAMESPACE)]
        later = START + MINUTE
        assert found == [("nightly", "1", START), ("nightly", "2", START), ("nightly", "3", later), (None, "3", later)]

    def test_a_breach_that_is_over_stays_noted(self, store: Store) -> None:
        store.note([a_breach("1"), a_breach("2")])
        [first, _] = store.open_breaches(NAMESPACE)

        store.end_breaches([first.id])

        assert [one.subject for one in store.open_breaches(NAMESPACE)] == ["2"]
        assert store.note([a_breach("1")]) == 0

    def test_what_is_told_once_makes_its_runs_and_is_not_told_again(self, store: Store, clock: FakeClock) -> None:
        store.note([a_breach("1"), a_breach("2")])
        [group] = store.untold([NAMESPACE])
        clock.advance(5)

        told, again = store.tell([group], [a_message()]), store.tell([group], [a_message()])

        assert (told, again) == (True, False)
        assert [(run.handler, run.queue, run.job, run.state) for run in runs(store)] == [
            ('{"notify":{"notifier":"ops","shell":"cat"}}', "alerts", None, RunState.PENDING)
        ]
        store.note([a_breach("3")])
        [third] = store.untold([NAMESPACE])
        assert (third.last.subject, third.last_told_at) == ("3", START + timedelta(seconds=5))

    def test_breaches_of_several_jobs_are_told_at_once_or_not_at_all(self, store: Store) -> None:
        store.note([a_breach("1"), a_breach("2", job="other"), a_breach("3", job="third")])
        one, other, third = store.untold([NAMESPACE])
        store.tell([other], [])

        raced = store.tell([one, other, third], [a_message()])
        left, made = untold(store), runs(store)
        told = store.tell([third, one], [a_message()])

        assert (raced, [breach.job for breach in left], made) == (False, [JOB.name, "third"], [])
        assert (told, untold(store), len(runs(store))) == (True, [], 1)

    def test_what_is_noted_while_others_are_told_is_told_later(self, store: Store) -> None:
        store.note([a_breach("1")])
        [group] = store.untold([NAMESPACE])
        store.note([a_breach("2")])

        assert store.tell([group], []) is True

        assert [one.subject for one in untold(store)] == ["2"]

    def test_of_many_breaches_the_newest_are_shown_and_all_are_counted_and_told(
        self, store: Store, clock: FakeClock
    ) -> None:
        store.note([a_breach("first")])
        clock.advance(60)
        store.note([a_breach(str(number)) for number in range(2000)])
        store.note([a_breach("one", job="other"), a_breach("two", namespace="elsewhere")])

        many, one = store.untold([NAMESPACE])
        store.tell([many], [])

        assert (many.count, many.since) == (2001, START)
        assert [breach.subject for breach in many.newest] == [str(number) for number in range(1990, 2000)]
        assert (one.count, one.last.job) == (1, "other")
        assert [breach.subject for breach in untold(store)] == ["one"]

    def test_one_message_at_a_time_goes_to_a_receiver(self, store: Store) -> None:
        store.note([a_breach("1"), a_breach("2", job="other")])

        for group in store.untold([NAMESPACE]):
            store.tell([group], [a_message()])

        assert [run.state for run in runs(store)] == [RunState.PENDING, RunState.BLOCKED]

    def test_the_end_of_a_run_is_noted_for_a_ping_and_forgotten_when_it_is_told(self, store: Store) -> None:
        pinging: dict[str, Any] = {"alerts": frozenset({AlertKind.PING})}
        store.finish([a_transition(won := a_claim(store), **pinging)])
        store.finish([a_transition(lost := a_claim(store), **FAILED | pinging)])
        store.finish([a_retry(a_claim(store), START + MINUTE, **pinging)])

        [group] = store.untold([NAMESPACE])
        store.tell([group], [])

        assert [(one.details["run"], one.details["ok"]) for one in group.newest] == [(won.id, True), (lost.id, False)]
        assert untold(store) == []
        assert store.note([a_breach(group.last.subject, kind=AlertKind.PING)]) == 1

    def test_the_beginning_of_an_attempt_that_runs_is_noted_for_a_ping_and_that_of_no_other(self, store: Store) -> None:
        running, ended, given = a_claim(store), a_claim(store), a_claim(store)
        store.finish([a_transition(ended), given_back(given)])
        [again] = claim(store, a_node(store))

        noted = store.note_beginnings([one[:2] for one in (running, ended, given)])
        twice = store.note_beginnings([running[:2]])

        [group] = store.untold([NAMESPACE])
        assert (noted, twice, again.id) == (1, 0, given.id)
        assert [(one.kind, one.job, one.details) for one in group.newest] == [
            (AlertKind.PING, JOB.name, {"run": running.id, "attempt": 1, "ok": None})
        ]

    def test_the_beginning_of_an_ad_hoc_run_is_no_jobs(self, store: Store) -> None:
        store.enqueue([a_run()])
        [claimed] = claim(store, a_node(store))

        assert store.note_beginnings([claimed[:2]]) == 0
        assert untold(store) == []

    def test_a_ping_takes_the_place_of_one_that_waits_and_waits_itself_for_one_that_is_sent(self, store: Store) -> None:
        ping: dict[str, Any] = {"unique_key": "ping:nightly", "on_conflict": OnConflict.REPLACE}

        def tell(number: int) -> bool:
            store.note([a_breach(str(number), kind=AlertKind.PING)])
            [group] = store.untold([NAMESPACE])
            return store.tell([group], [a_run(payload={"n": number}, **ping)])

        tell(1)
        replaced = tell(2)
        store.promote([NAMESPACE], 10)
        [sending] = claim(store, a_node(store))
        meanwhile = tell(3)

        assert (replaced, sending.payload, meanwhile) == (True, {"n": 2}, False)
        assert [one.subject for one in untold(store)] == ["3"]

    def test_watched_jobs_are_those_with_alerts_and_come_back_as_they_were(self, store: Store) -> None:
        pinging = a_job("pinging", ping=Ping("http://up", None))
        given_jobs(store, JOB, a_job("plain"), a_job("speaking", description='of "alerts" and "ping" only'), pinging)

        assert [stored.job for stored in store.watched_jobs(NAMESPACE)] == [JOB, pinging]
        assert store.watched_jobs("other") == []

    def test_missed_slots_are_those_skipped_for_their_time_since_an_instant(self, store: Store) -> None:
        stored = given_jobs(store, JOB)[JOB.name]
        reasons = (Reason.MISFIRE, Reason.COALESCED, Reason.OVERLAP)
        rows = [a_skipped_slot(JOB, START + n * MINUTE, reason) for n, reason in enumerate(reasons, 1)]
        made = store.fire([a_firing(stored, *rows)])

        found = store.missed(NAMESPACE, START)

        assert sorted(found) == [
            MissedSlot(JOB.name, made[0].id, START + MINUTE, 1, "misfire"),
            MissedSlot(JOB.name, made[1].id, START + 2 * MINUTE, 1, "coalesced"),
        ]
        assert store.missed(NAMESPACE, START + MINUTE) == store.missed("other", START) == []

    def test_facts_of_jobs_are_their_waiting_slots_running_attempts_and_newest_successes(
        self, store: Store, clock: FakeClock
    ) -> None:
        stored = given_jobs(store, JOB, a_free_job("never"))[JOB.name]
        [slot] = store.fire([a_firing(stored, a_slot(JOB, START))])
        [first] = claim(store, node := a_node(store))
        store.finish([a_transition(first)])
        clock.advance(10)
        store.enqueue([a_trigger(JOB), a_run()])
        running = next(one for one in claim(store, node) if one.job)
        stored = store.jobs(NAMESPACE, [JOB.name])[0]
        [waiting] = store.fire([a_firing(stored, a_slot(JOB, START + MINUTE))])

        facts = store.sla_facts(NAMESPACE, [JOB.name, "never", "unknown"])

        assert slot.id == first.id
        assert facts.now == START + timedelta(seconds=10)
        assert [one[:3] for one in facts.waiting] == [WaitingSlot(JOB.name, waiting.id, START + MINUTE, START)[:3]]
        assert facts.running == (RunningAttempt(JOB.name, running.id, 1, facts.now),)
        assert facts.successes == {JOB.name: START, "never": START}

    def test_what_has_been_over_for_a_week_is_forgotten(self, store: Store, clock: FakeClock) -> None:
        store.note([a_breach("1"), a_breach("2", kind=AlertKind.FAILURE)])

        clock.advance(8 * 86400)
        store.tidy()

        assert [one.subject for one in untold(store)] == ["1"]


def a_claim(store: Store) -> Claim:
    """A claimed run of the job, which is declared."""
    if not store.jobs(NAMESPACE, [JOB.name]):
        given_jobs(store, JOB)
    store.enqueue([a_trigger(JOB)])
    [claimed] = claim(store, a_node(store))
    return claimed


def a_breach(subject: str, **fields: Any) -> NewBreach:
    """One that lasts."""
    defaults: dict[str, Any] = {"namespace": NAMESPACE, "job": "nightly", "kind": AlertKind.STUCK}
    return NewBreach(subject=subject, **defaults | fields)


def untold(store: Store) -> list[Breach]:
    """Of the default namespace, the oldest first."""
    return sorted((one for group in store.untold([NAMESPACE]) for one in group.newest), key=lambda one: one.id)


def a_message() -> Any:
    return alert_run(NAMESPACE, OPS, {"title": "t", "text": "t"})


def kinds(breaches: list[Breach]) -> list[AlertKind]:
    return [one.kind for one in breaches]
