"""Jobs as JSON and back."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.examples import examples

from jobsched.model.alert import AlertKind, Alerts, Notifier, Ping, Sla
from jobsched.model.definition import (
    FieldChange,
    default_of,
    definition,
    job_differences,
    job_from_definition,
    stored_definition,
)
from jobsched.model.handler import (
    AppriseHandler,
    CommandHandler,
    Handler,
    HttpHandler,
    NotifyHandler,
    PythonHandler,
    ShellHandler,
    handler_from_text,
    handler_kind,
    handler_text,
)
from jobsched.model.job import CalendarUse, Concurrency, Dst, History, Job, OnFailure, Retries, Timeout

PLAIN = Job(namespace="default", name="x", handler=PythonHandler("a:b"))

texts = st.text(min_size=1, max_size=8)
counts = st.integers(0, 1000)
durations = st.timedeltas(timedelta(0), timedelta(days=36_500))
instants = st.datetimes(timezones=st.just(UTC))
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
handlers: st.SearchStrategy[Handler] = st.one_of(
    st.builds(PythonHandler, texts),
    st.builds(CommandHandler, st.lists(texts, min_size=1).map(tuple)),
    st.builds(ShellHandler, texts),
    st.builds(
        HttpHandler,
        url=texts,
        method=st.sampled_from([None, "GET", "POST"]),
        headers=st.dictionaries(texts, texts, max_size=2),
        json=values,
        expect=st.lists(st.integers(100, 599), max_size=2).map(tuple),
    ),
)
notifiers = st.builds(Notifier, texts, handlers | st.builds(AppriseHandler, st.lists(texts, max_size=2).map(tuple)))
alerts = st.builds(
    Alerts,
    st.lists(notifiers, max_size=2, unique_by=lambda notifier: notifier.name).map(tuple),
    st.lists(st.sampled_from(AlertKind), max_size=3).map(tuple),
    st.builds(Sla, st.none() | durations, st.none() | durations, st.none() | durations),
    durations,
)
names = st.lists(texts, max_size=3).map(tuple)
jobs = st.builds(
    Job,
    namespace=texts,
    name=texts,
    handler=handlers,
    cron=names,
    every=st.none() | durations,
    at=st.none() | instants,
    timezone=texts,
    dst=st.builds(Dst, st.sampled_from(["run_after", "skip"]), st.sampled_from(["first", "both"])),
    start_at=st.none() | instants,
    end_at=st.none() | instants,
    jitter=durations,
    calendar=st.none() | st.builds(CalendarUse, names, names, st.sampled_from(["skip", "next_day"])),
    payload=st.dictionaries(texts, values, max_size=3),
    queue=texts,
    priority=st.integers(-(2**31), 2**31 - 1),
    concurrency=st.builds(
        Concurrency,
        st.sampled_from(["allow", "forbid", "replace", "queue"]),
        st.none() | st.integers(1, 9),
        st.none() | texts,
        counts,
    ),
    starting_deadline=st.none() | durations,
    catch_up=st.sampled_from(["skip", "latest", "all"]),
    max_catch_up=counts,
    retries=st.builds(
        Retries,
        counts,
        st.sampled_from(["exponential", "linear", "constant"]),
        durations,
        st.floats(1, 9),
        durations,
        st.floats(0, 1),
        names,
        names,
    ),
    timeout=st.none() | st.builds(Timeout, durations, durations),
    executor=st.sampled_from(["thread", "process"]),
    on_crash=st.sampled_from(["retry", "fail"]),
    suspend=st.booleans(),
    history=st.builds(History, counts, counts, counts, durations),
    on_failure=st.none() | st.builds(OnFailure, handlers, counts),
    alerts=st.none() | alerts,
    ping=st.none() | st.builds(Ping, st.none() | texts, st.none() | texts),
    env=st.dictionaries(texts, texts, max_size=2),
    cwd=st.none() | texts,
    user=st.none() | texts,
    umask=st.none() | texts,
    tags=names,
    owner=st.none() | texts,
    description=st.none() | texts,
    given=st.frozensets(st.sampled_from(["retries.max", "retries.delay", "timeout.after"])),
)


@settings(max_examples=examples(40, 300), deadline=None)
@given(jobs)
def test_a_definition_gives_the_same_job_back_through_json(job: Job) -> None:
    written = json.loads(json.dumps(stored_definition(job)))

    assert job_from_definition(job.namespace, job.name, written) == job


@settings(max_examples=examples(40, 300), deadline=None)
@given(jobs, jobs)
def test_differences_are_empty_exactly_for_equal_definitions(old: Job, new: Job) -> None:
    # What a job says itself makes a difference only beside its handler's decorator.
    write = stored_definition if isinstance(old.handler, PythonHandler) else definition
    same = json.dumps(write(old), sort_keys=True) == json.dumps(write(new), sort_keys=True)

    assert (job_differences(old, new) == []) == same


def test_what_moves_between_a_job_and_the_defaults_is_a_difference_where_nothing_else_tells() -> None:
    own = replace(PLAIN, retries=Retries(2), given=frozenset({"retries.max"}))
    of_defaults = replace(PLAIN, retries=Retries(2))

    assert job_differences(of_defaults, own) == [FieldChange("given", [], ["retries.max"])]
    assert [change.field for change in job_differences(PLAIN, own)] == ["retries"]
    assert definition(own) == definition(of_defaults)


def test_a_plain_job_is_its_handler() -> None:
    assert definition(PLAIN) == {"handler": "a:b"}


@pytest.mark.parametrize(
    ("fields", "written"),
    [
        ({"cron": ("0 1 * * *",)}, {"cron": "0 1 * * *"}),
        ({"cron": ("0 1 * * *", "0 2 * * *")}, {"cron": ["0 1 * * *", "0 2 * * *"]}),
        ({"every": timedelta(minutes=90)}, {"every": "1h30m"}),
        ({"every": timedelta(seconds=1, microseconds=1)}, {"every": 1.000001}),
        ({"at": datetime(2027, 1, 1, tzinfo=UTC)}, {"at": "2027-01-01T00:00:00Z"}),
        ({"dst": Dst(gap="skip")}, {"dst": {"gap": "skip"}}),
        ({"calendar": CalendarUse()}, {"calendar": {}}),
        ({"concurrency": Concurrency("queue")}, {"concurrency": "queue"}),
        ({"concurrency": Concurrency("allow", None)}, {"concurrency": "allow"}),
        ({"concurrency": Concurrency(limit=3)}, {"concurrency": 3}),
        (
            {"concurrency": Concurrency("queue", 2, None, 5)},
            {"concurrency": {"policy": "queue", "limit": 2, "max_queued": 5}},
        ),
        ({"retries": Retries(5)}, {"retries": 5}),
        ({"retries": Retries(5, delay=timedelta(minutes=1))}, {"retries": {"max": 5, "delay": "1m"}}),
        ({"timeout": Timeout(timedelta(seconds=60))}, {"timeout": "1m"}),
        ({"timeout": Timeout(timedelta(seconds=60), timedelta(0))}, {"timeout": {"after": "1m", "kill_after": "0s"}}),
        ({"history": History(max_age=timedelta(days=1))}, {"history": {"max_age": "1d"}}),
        ({"on_failure": OnFailure(ShellHandler("x"))}, {"on_failure": {"shell": "x"}}),
        ({"on_failure": OnFailure(ShellHandler("x"), 0)}, {"on_failure": {"shell": "x", "retries": 0}}),
        (
            {
                "alerts": Alerts(
                    (Notifier("ops", AppriseHandler(("${A}",))),), sla=Sla(late_after=timedelta(seconds=60))
                )
            },
            {"alerts": {"notify": {"ops": {"apprise": ["${A}"]}}, "sla": {"late_after": "1m"}}},
        ),
        ({"payload": {"a": 1}, "tags": ("a",)}, {"payload": {"a": 1}, "tags": ["a"]}),
    ],
)
def test_a_field_is_written_as_a_person_would(fields: dict[str, Any], written: dict[str, Any]) -> None:
    assert definition(replace(PLAIN, **fields)) == {"handler": "a:b", **written}


@pytest.mark.parametrize("method", [None, "GET", "POST"])
def test_the_method_of_an_http_call_is_written_where_one_was_given(method: str | None) -> None:
    job = replace(PLAIN, handler=HttpHandler("https://x", method))

    written = definition(job)

    assert written == {"http": {"url": "https://x"} if method is None else {"method": method, "url": "https://x"}}
    assert job_from_definition(job.namespace, job.name, written) == job


def test_a_definition_without_a_handler_is_refused() -> None:
    with pytest.raises(ValueError, match="has none of handler, command, shell, http"):
        job_from_definition("default", "x", {"cron": "@daily"})


def test_a_change_shows_both_values_with_defaults_where_one_is_silent() -> None:
    new = replace(PLAIN, retries=Retries(5), timeout=Timeout(timedelta(minutes=5)), cron=("@daily",))

    assert job_differences(PLAIN, new) == [
        FieldChange("cron", [], "@daily"),
        FieldChange("retries", 0, 5),
        FieldChange("timeout", None, "5m"),
    ]


def test_another_kind_of_handler_is_two_changes() -> None:
    assert job_differences(PLAIN, replace(PLAIN, handler=ShellHandler("ls"))) == [
        FieldChange("handler", "a:b", None),
        FieldChange("shell", None, "ls"),
    ]


def test_one_and_true_are_different_payloads() -> None:
    one, true = replace(PLAIN, payload={"a": 1}), replace(PLAIN, payload={"a": True})

    assert job_differences(one, true) == [FieldChange("payload", {"a": 1}, {"a": True})]


def test_the_order_of_keys_in_a_payload_is_no_difference() -> None:
    assert job_differences(replace(PLAIN, payload={"a": 1, "b": 2}), replace(PLAIN, payload={"b": 2, "a": 1})) == []


def test_defaults_are_told_as_json() -> None:
    assert [default_of(field) for field in ("concurrency", "jitter", "history", "timeout")] == [
        "forbid",
        "0s",
        {},
        None,
    ]


@given(notifiers)
def test_what_sends_an_alert_is_kept_by_its_run_as_text(notifier: Notifier) -> None:
    text = handler_text(notifier.handler)

    assert handler_from_text(text) == NotifyHandler(notifier.name, notifier.target)


@pytest.mark.parametrize(
    ("handler", "kind"),
    [
        (PythonHandler("a:b"), "handler"),
        (ShellHandler("ls"), "shell"),
        (NotifyHandler("ops", AppriseHandler(("${A}",))), "notify"),
    ],
)
def test_a_handlers_kind_is_one_word(handler: Handler | NotifyHandler, kind: str) -> None:
    assert handler_kind(handler) == kind
