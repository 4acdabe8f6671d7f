"""What is a breach, and what is told of breaches when and to whom: tables of values."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from jobsched.model.alert import AlertKind, Alerts, Breach, Notifier, Ping, Sla, Untold
from jobsched.model.handler import HttpHandler, NotifyHandler, ShellHandler, handler_from_text
from jobsched.model.run import OnConflict
from jobsched.model.sla import MissedSlot, RunningAttempt, SlaFacts, WaitingSlot, missed_breaches, sla_breaches
from jobsched.model.telling import TOGETHER, alert_run, tellings, trial_message
from jobsched.testing.builders import MINUTE, NAMESPACE, START

NOW = START + timedelta(hours=10)
SECOND = timedelta(seconds=1)
OPS, CHAT = Notifier("ops", ShellHandler("ops")), Notifier("chat", ShellHandler("chat"))
TIMED = Alerts(
    (OPS,),
    (AlertKind.LATE, AlertKind.STUCK, AlertKind.NO_SUCCESS, AlertKind.MISSED),
    Sla(late_after=MINUTE, max_runtime=MINUTE, max_time_since_success=MINUTE),
)
LATE = SlaFacts(NOW, waiting=(WaitingSlot("a", 7, START, NOW - MINUTE - SECOND),))
STUCK = SlaFacts(NOW, running=(RunningAttempt("a", 7, 2, NOW - MINUTE - SECOND),))
UNSUCCESSFUL = SlaFacts(NOW, successes={"a": NOW - MINUTE - SECOND})


@pytest.mark.parametrize(
    ("facts", "held", "found"),
    [
        (LATE, (), [(AlertKind.LATE, "7")]),
        (SlaFacts(NOW, waiting=(WaitingSlot("a", 7, START, NOW - MINUTE),)), (), []),
        (LATE, ("a",), []),
        (STUCK, (), [(AlertKind.STUCK, "7.2")]),
        (SlaFacts(NOW, running=(RunningAttempt("a", 7, 2, NOW - MINUTE),)), (), []),
        (STUCK, ("a",), [(AlertKind.STUCK, "7.2")]),
        (UNSUCCESSFUL, (), [(AlertKind.NO_SUCCESS, "2026-01-01T09:58:59Z")]),
        (SlaFacts(NOW, successes={"a": NOW - MINUTE}), (), []),
        (UNSUCCESSFUL, ("a",), []),
        (SlaFacts(NOW, successes={"other": START}), (), []),
    ],
)
def test_a_breach_begins_when_the_time_of_the_sla_has_passed(
    facts: SlaFacts, held: tuple[str, ...], found: list[tuple[AlertKind, str]]
) -> None:
    breaches = sla_breaches(NAMESPACE, {"a": TIMED}, facts, frozenset(held))

    assert [(breach.kind, breach.subject) for breach in breaches] == found


@pytest.mark.parametrize("facts", [LATE, STUCK, UNSUCCESSFUL])
def test_what_is_not_in_when_is_no_breach(facts: SlaFacts) -> None:
    assert list(sla_breaches(NAMESPACE, {"a": Alerts((OPS,), (AlertKind.FAILURE,), TIMED.sla)}, facts)) == []


def test_missed_slots_are_told_of_jobs_that_ask_for_it() -> None:
    slots = [MissedSlot("a", 1, START, 1, "misfire"), MissedSlot("b", 2, START, 1, "misfire")]

    found = list(missed_breaches(NAMESPACE, {"a": TIMED, "b": Alerts((OPS,))}, slots))

    assert [(breach.job, breach.subject) for breach in found] == [("a", "1")]


def a_breach(id_: int = 1, kind: AlertKind = AlertKind.FAILURE, **fields: Any) -> Breach:
    details = {"run": 7, "attempt": 1, "error": "ValueError: no"}
    defaults: dict[str, Any] = {"namespace": NAMESPACE, "job": "a", "subject": str(id_), "details": details}
    return Breach(id=id_, kind=kind, opened_at=START, **defaults | fields)


def untold(*breaches: Breach, count: int | None = None, last_told_at: datetime | None = None) -> Untold:
    return Untold(newest=breaches, count=count or len(breaches), since=breaches[0].opened_at, last_told_at=last_told_at)


EACH = Alerts((OPS, CHAT), tuple(AlertKind), throttle=10 * MINUTE)


def test_what_was_never_told_is_told_to_each_receiver_at_once() -> None:
    [told], later = tellings([untold(a_breach())], {NAMESPACE: {"a": EACH}}, NOW)

    assert [(run.payload["notifier"], run.key, run.queue) for run in told.runs] == [
        ("ops", "notifier:ops", "alerts"),
        ("chat", "notifier:chat", "alerts"),
    ]
    assert later is None


def test_within_the_throttle_nothing_is_told_and_it_is_said_when_it_may_be() -> None:
    last = NOW - 9 * MINUTE

    told, later = tellings([untold(a_breach(), last_told_at=last)], {NAMESPACE: {"a": EACH}}, NOW)

    assert (told, later) == ([], NOW + MINUTE)
    assert tellings([untold(a_breach(), last_told_at=last)], {NAMESPACE: {"a": EACH}}, NOW + MINUTE)[1] is None


def test_breaches_of_one_job_and_kind_are_told_together_with_the_number_of_the_older_ones() -> None:
    newest = [a_breach(number) for number in range(3, 13)]

    [told], _ = tellings([untold(*newest, count=12)], {NAMESPACE: {"a": EACH}}, NOW)

    message = told.runs[0].payload
    assert (message["count"], len(message["breaches"])) == (12, 10)
    assert message["title"] == "jobsched: an attempt of a failed (12 times)"
    assert message["text"].endswith("… and 2 more before these, since 2026-01-01T00:00:00Z")


def test_a_few_jobs_are_told_apart() -> None:
    alerts = {NAMESPACE: dict.fromkeys("abcde", EACH)}

    told, _ = tellings([untold(a_breach(job=job)) for job in "abcde"], alerts, NOW)

    assert [[run.payload["job"] for run in one.runs] for one in told] == [[job, job] for job in "abcde"]


def test_many_jobs_at_once_are_told_in_one_message_for_each_receiver() -> None:
    jobs = [f"job-{number:02}" for number in range(12)]
    alerts = dict.fromkeys(jobs, Alerts((OPS,), tuple(AlertKind)))
    alerts["job-00"] = Alerts((OPS, CHAT), tuple(AlertKind))
    late = a_breach(kind=AlertKind.LATE, job="job-00", details={"run": 8, "scheduled_at": "T"})
    groups = [untold(late), *(untold(a_breach(number, job=job), count=2) for number, job in enumerate(jobs[1:], 2))]

    [told], _ = tellings(groups, {NAMESPACE: alerts}, NOW)

    many, one = (run.payload for run in told.runs)
    assert told.untold == tuple(groups)
    assert (many["notifier"], many["alert"], many["job"], many["count"]) == ("ops", "several", None, 23)
    assert many["title"] == "jobsched: 12 alerts: failure 11, late 1"
    lines = many["text"].splitlines()
    assert lines[1] == "job-00, late: run 8 of the slot T had not started at 2026-01-01T00:00:00Z"
    assert (len(lines), lines[-1]) == (12, "… and 2 more; see: jobsched alert list")
    assert [(breach["alert"], breach["job"]) for breach in many["breaches"]][:2] == [
        ("late", "job-00"),
        ("failure", "job-01"),
    ]
    assert (one["notifier"], one["alert"], one["job"]) == ("chat", "late", "job-00")


def test_of_two_receivers_of_one_name_each_gets_its_own() -> None:
    jobs = [f"job-{number}" for number in range(8)]
    alerts = dict.fromkeys(jobs, Alerts((OPS,), tuple(AlertKind)))
    alerts["job-0"] = Alerts((replace(OPS, title="{job}!"),), tuple(AlertKind))

    [told], _ = tellings([untold(a_breach(job=job)) for job in jobs], {NAMESPACE: alerts}, NOW)

    assert [(run.payload["title"], run.payload["count"]) for run in told.runs] == [
        ("job-0!", 1),
        ("jobsched: 7 alerts: failure 7", 7),
    ]


def test_more_than_a_transaction_should_hold_are_told_in_several_messages() -> None:
    groups = [untold(a_breach(number, job=f"job-{number}")) for number in range(TOGETHER + 1)]
    alerts = {f"job-{number}": Alerts((OPS,), tuple(AlertKind)) for number in range(TOGETHER + 1)}

    told, _ = tellings(groups, {NAMESPACE: alerts}, NOW)

    assert [len(one.untold) for one in told] == [TOGETHER, 1]


def test_another_namespace_than_default_is_named() -> None:
    [told], _ = tellings([untold(a_breach(namespace="other"))], {"other": {"a": EACH}}, NOW)

    assert told.runs[0].payload["title"] == "jobsched: other: an attempt of a failed"


@pytest.mark.parametrize("alerts", [{}, {"a": Alerts((OPS,), (AlertKind.RECOVERY,))}])
def test_what_nobody_wants_to_know_any_more_is_told_to_nobody(alerts: dict[str, Alerts]) -> None:
    group = untold(a_breach())

    assert tellings([group], {NAMESPACE: alerts}, NOW) == ([((group,), ())], None)


def test_what_is_of_no_job_is_told_once_to_all_that_any_job_names_for_it() -> None:
    lost = a_breach(kind=AlertKind.NODE_LOST, job=None, details={"node": 3, "host": "here", "heartbeat_at": "then"})
    when = (AlertKind.NODE_LOST,)
    alerts = {
        "a": Alerts((OPS,), when),
        "b": Alerts((CHAT, OPS), when),
        "c": Alerts((Notifier("x", ShellHandler("x")),)),
    }

    [told], _ = tellings([untold(lost)], {NAMESPACE: alerts}, NOW)

    assert [run.payload["notifier"] for run in told.runs] == ["chat", "ops"]
    assert told.runs[0].payload["text"] == "jobsched: a node is lost\nnode 3 on here, last heard of at then"


@pytest.mark.parametrize(
    ("kind", "details", "said"),
    [
        (
            AlertKind.FINAL_FAILURE,
            {"run": 7, "attempt": 3, "error": "E: no"},
            "run 7, attempt 3, at 2026-01-01T00:00:00Z: E: no",
        ),
        (AlertKind.RECOVERY, {"run": 7}, "run 7 succeeded at 2026-01-01T00:00:00Z"),
        (
            AlertKind.LATE,
            {"run": 7, "scheduled_at": "T"},
            "run 7 of the slot T had not started at 2026-01-01T00:00:00Z",
        ),
        (
            AlertKind.MISSED,
            {"run": 7, "scheduled_at": "T", "slots": 1, "reason": "misfire"},
            "the slot T did not run (misfire); see run 7",
        ),
        (
            AlertKind.MISSED,
            {"run": 7, "scheduled_at": "T", "slots": 9, "reason": "misfire"},
            "9 slots up to T did not run (misfire); see run 7",
        ),
        (AlertKind.STUCK, {"run": 7, "attempt": 1, "started_at": "T"}, "run 7, attempt 1, has been running since T"),
        (AlertKind.NO_SUCCESS, {"since": "T"}, "none since T"),
        (AlertKind.SYNC_REFUSED, {"error": "jobs.yaml:3:1: no"}, "the last good state runs on: jobs.yaml:3:1: no"),
    ],
)
def test_each_kind_says_what_happened(kind: AlertKind, details: dict[str, Any], said: str) -> None:
    [told], _ = tellings([untold(a_breach(kind=kind, details=details))], {NAMESPACE: {"a": EACH}}, NOW)

    assert told.runs[0].payload["text"].splitlines()[1] == said


def an_end(number: int, *, ok: bool | None) -> Breach:
    """Of a run; `ok` None: its beginning."""
    return a_breach(number, AlertKind.PING, details={"run": number, "attempt": 1, "ok": ok})


@pytest.mark.parametrize(
    ("ends", "ping", "url"),
    [
        ([True], Ping("http://up", "http://down"), "http://up"),
        ([False], Ping("http://up", "http://down"), "http://down"),
        ([False, True], Ping("http://up", "http://down"), "http://up"),
        ([False], Ping("http://up"), None),
        ([True], None, None),
        ([None], Ping(start="http://begins"), "http://begins"),
        ([None], Ping("http://up", "http://down"), None),
        ([None, True], Ping("http://up", start="http://begins"), "http://up"),
        ([False, None], Ping(failure="http://down", start="http://begins"), "http://down"),
        ([True, None], Ping(failure="http://down", start="http://begins"), "http://begins"),
    ],
)
def test_a_ping_tells_of_the_last_run_that_is_over_else_of_the_last_that_began(
    ends: list[bool | None], ping: Ping | None, url: str | None
) -> None:
    pings = {NAMESPACE: {} if ping is None else {"a": ping}}
    noted = [an_end(number, ok=ok) for number, ok in enumerate(ends, 1)]

    [told], _ = tellings([untold(*noted)], {}, NOW, pings)

    assert [handler_from_text(run.handler) for run in told.runs] == (
        [] if url is None else [NotifyHandler("ping", HttpHandler(url, method="POST"))]
    )


@pytest.mark.parametrize(("ok", "conflict"), [(True, OnConflict.REPLACE), (None, OnConflict.IGNORE)])
def test_an_end_takes_the_place_of_a_ping_that_waits_and_a_beginning_does_not(
    ok: bool | None, conflict: OnConflict
) -> None:
    pings = {NAMESPACE: {"a": Ping("http://up", "http://down", "http://begins")}}

    [told], _ = tellings([untold(an_end(1, ok=ok))], {}, NOW, pings)

    assert [run.on_conflict for run in told.runs] == [conflict]


def test_a_receiver_gets_its_message_in_its_own_words() -> None:
    worded = replace(OPS, title="{job}: {alert}\n{{!}}", text="run {run} {reason}; {title} ({count}) {error}")
    failure = a_breach(
        1, AlertKind.FINAL_FAILURE, details={"run": 7, "attempt": 1, "reason": "error", "error": "no {job}"}
    )

    [told], _ = tellings([untold(failure)], {NAMESPACE: {"a": Alerts((worded, CHAT))}}, NOW)

    own, usual = (run.payload for run in told.runs)
    assert (own["title"], own["text"]) == (
        "a: final_failure {!}",
        "run 7 error; jobsched: a failed for good (1) no {job}",
    )
    assert (own["alert"], own["breaches"]) == (usual["alert"], usual["breaches"])
    assert usual["title"] == "jobsched: a failed for good"


def test_what_a_message_does_not_have_is_left_out_of_its_words() -> None:
    worded = replace(OPS, title="[{job}{run}{error}] {title}")

    run = alert_run(NAMESPACE, worded, trial_message(NAMESPACE, NOW))

    assert run.payload["title"] == f"[] jobsched: a test of alerts, of namespace {NAMESPACE}"
