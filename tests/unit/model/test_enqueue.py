"""What a program asks for becomes a run, or an error that says what to give instead."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel

from jobsched import handler
from jobsched.errors import EnqueueError, JobschedError, PayloadError
from jobsched.model.alike import RunsAlike
from jobsched.model.enqueue import Enqueue, all_enqueues, new_runs

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


def test_what_is_not_said_has_defaults() -> None:
    run = Enqueue("unheard.of").new_run("default", None)

    assert (run.handler, run.payload, run.queue, run.priority, run.max_attempts) == ("unheard.of", {}, "default", 0, 1)
    assert (run.available_at, run.unique_key, run.key) == (None, None, None)


@pytest.mark.parametrize("delay", [timedelta(minutes=10), 600, "10m"])
def test_a_delay_is_a_timedelta_seconds_or_text(delay: Any) -> None:
    run = Enqueue("send", delay=delay).new_run("default", NOW)

    assert run.available_at == NOW + timedelta(minutes=10)


@pytest.mark.parametrize("duration", [timedelta(minutes=10), 600, "10m"])
def test_a_timeout_and_the_time_of_a_unique_key_are_durations_too(duration: Any) -> None:
    run = Enqueue("send", timeout=duration, unique_key="k", unique_for=duration).new_run("default", None)

    assert (run.timeout, run.unique_for) == (timedelta(minutes=10), timedelta(minutes=10))


def test_what_is_shorter_than_a_millisecond_is_one() -> None:
    run = Enqueue("send", timeout=timedelta(microseconds=1)).new_run("default", None)

    assert run.timeout == timedelta(milliseconds=1)


def test_tags_and_the_batch_are_kept_and_no_tag_twice() -> None:
    run = Enqueue("send", tags=["b", "a", "b"], batch="import-42").new_run("default", None)

    assert (run.tags, run.batch) == (("b", "a"), "import-42")


def test_an_instant_may_be_of_any_zone() -> None:
    rome = datetime(2026, 11, 22, 9, 0, tzinfo=timezone(timedelta(hours=1)))

    assert Enqueue("send", run_at=rome).new_run("default", None).available_at == NOW


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"run_at": NOW, "delay": 1}, "not both"),
        ({"run_at": NOW.replace(tzinfo=None)}, r"run_at: .* is naive"),
        ({"run_at": "2026-11-22T08:00:00Z"}, r"run_at: '2026-11-22T08:00:00Z' is no datetime: give one with a zone"),
        ({"run_at": NOW.date()}, "is no datetime"),
        ({"delay": float("nan")}, "delay=nan: nan is no duration"),
        ({"delay": -1}, "cannot be negative"),
        ({"delay": "soon"}, "'soon' is no duration"),
        ({"delay": timedelta(days=40_000)}, "at most 100 years"),
        ({"queue": "no such queue"}, "is no name of a queue"),
        ({"queue": ""}, "is no name of a queue"),
        ({"priority": 1.5}, "priority=1.5 is no whole number"),
        ({"priority": 2**63}, "no whole number"),
        ({"max_attempts": 0}, "max_attempts=0 is no whole number from 1"),
        ({"max_attempts": True}, "no whole number"),
        ({"unique_key": ""}, "a unique key has 1 to 200"),
        ({"unique_key": "a\0b"}, "neither NUL"),
        ({"unique_key": 7}, "a unique key has 1 to 200"),
        ({"unique_key": "k", "on_conflict": "skip"}, "'skip' is none of ignore, replace, reschedule, error"),
        ({"on_conflict": "replace"}, "needs a unique_key"),
        ({"concurrency_key": "x" * 201}, "a concurrency key has 1 to 200"),
        ({"concurrency_key": 7}, "concurrency_key=7 is no text"),
        ({"timeout": 0}, "timeout=0: must be more than 0"),
        ({"timeout": "soon"}, "timeout='soon': 'soon' is no duration"),
        ({"unique_key": "k", "unique_for": "0s"}, "unique_for='0s': must be more than 0"),
        ({"unique_key": "k", "unique_for": -1}, "cannot be negative"),
        ({"unique_for": "10m"}, "unique_for='10m' needs a unique_key"),
        ({"tags": "billing"}, "tags='billing': give a list"),
        ({"tags": {"billing"}}, "give a list"),
        ({"tags": [""]}, "'' is no tag: a text of 1 to 64"),
        ({"tags": ["x" * 65]}, "is no tag"),
        ({"tags": ["a\0b"]}, "without NUL"),
        ({"tags": [7]}, "'7' is no tag"),
        ({"tags": [str(number) for number in range(33)]}, "33 tags are more than the 32"),
        ({"batch": ""}, "the name of a batch has 1 to 200"),
        ({"batch": "x" * 201}, "the name of a batch has 1 to 200"),
    ],
)
def test_what_makes_no_run_is_refused_in_words(fields: Any, words: str) -> None:
    with pytest.raises(EnqueueError, match=words) as refused:
        Enqueue("send", **fields).new_run("default", NOW)

    assert isinstance(refused.value, JobschedError)
    assert isinstance(refused.value, ValueError)


@pytest.mark.parametrize("handler", ["", "x" * 501, "a\0b", None, 7])
def test_what_names_no_handler_is_refused(handler: Any) -> None:
    with pytest.raises(EnqueueError, match="names no handler"):
        Enqueue(handler).new_run("default", None)


def test_a_command_cannot_be_enqueued() -> None:
    with pytest.raises(EnqueueError, match=r"declare it in jobs\.yaml"):
        Enqueue('{"command": ["true"]}').new_run("default", None)


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        ({"at": [{"when": NOW}]}, r"payload\['at'\]\[0\]\['when'\] is of type datetime: pass value.isoformat\(\)"),
        ({"day": NOW.date()}, r"payload\['day'\] is of type date: pass value.isoformat\(\)"),
        ({"ratio": float("nan")}, r"payload\['ratio'\] is nan; pass None or a text instead"),
        ({"ids": {1}}, r"payload\['ids'\] is of type set: pass sorted\(value\)"),
        ({"order": UUID(int=7)}, r"payload\['order'\] is of type UUID: pass str\(value\)"),
        ({"price": Decimal("1.5")}, r"payload\['price'\] is of type Decimal: pass str\(value\)"),
        ({"every": timedelta(1)}, r"is of type timedelta: pass value.total_seconds\(\)"),
        ({"image": b"x"}, "is of type bytes: pass it as text"),
        ({"what": object()}, r"payload\['what'\] is of type object$"),
        ({(1, 2): 1}, "keys must be"),
        ({"text": "x" * 2**20}, "store it elsewhere"),
    ],
)
def test_a_payload_that_is_no_json_is_refused_with_the_place(payload: Any, words: str) -> None:
    with pytest.raises(PayloadError, match=words):
        Enqueue("send", payload).new_run("default", None)


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (Enqueue("send"), "a list of what Enqueue"),
        (None, "not NoneType"),
        (7, "not int"),
        ([Enqueue("send"), ("send", {})], "number 2 of 2 is of type tuple, not what Enqueue"),
        ([{"handler": "send"}], "number 1 of 1 is of type dict"),
        ("send", "number 1 of 4 is of type str"),
    ],
)
def test_only_what_enqueue_makes_is_enqueued(wanted: Any, words: str) -> None:
    with pytest.raises(EnqueueError, match=words):
        all_enqueues(wanted)


def test_many_are_made_as_each_alone() -> None:
    tags = ["a", "b"]
    wanted = [
        Enqueue("send", {"n": 1}, tags=tags, priority=1),
        Enqueue("send", {"n": 2}, tags=tags, priority=1),
        Enqueue("send", {"n": 3}, tags=tags, priority=2),
        Enqueue("receive", {"n": 4}, delay=5),
        Enqueue("receive", None, delay=5),
        Enqueue("send", {"n": 1}, tags=tags, priority=1),
    ]

    assert list(new_runs(wanted, "default", NOW)) == [one.new_run("default", NOW) for one in wanted]


def test_what_is_alike_is_made_as_each_alone() -> None:
    payloads = [{"n": 1}, None, {"text": "ü 🎉 \0"}, Email(to="ü", at=NOW), {"n": 2}]
    wanted = [Enqueue("send", payload, delay=5, priority=2) for payload in payloads]

    made = new_runs(wanted, "default", NOW, batch="import")

    assert isinstance(made, RunsAlike)
    assert list(made) == [one.new_run("default", NOW, batch="import") for one in wanted]
    assert json.loads(made.text) == [run.payload for run in made]
    assert (made[-1], made[1:3]) == (list(made)[-1], list(made)[1:3])


def test_payloads_are_small_enough_each_for_itself() -> None:
    half = {"text": "x" * 2**19}

    made = new_runs([Enqueue("send", half)] * 3, "default", None)

    assert len(made) == 3
    with pytest.raises(PayloadError, match=r"number 3 of 3: the payload has 1,048,587 bytes"):
        new_runs(
            [Enqueue("send", half), Enqueue("send", half), Enqueue("send", {"text": "x" * 2**20})], "default", None
        )


@pytest.mark.parametrize("wrong", [[1], "text", 7, {"text": "\ud800"}, {"n": {1}}])
def test_of_many_that_are_alike_the_one_that_is_no_payload_is_said(wrong: Any) -> None:
    with pytest.raises(PayloadError, match=r"number 2 of 3: .*; none was made"):
        new_runs([Enqueue("send", {"n": 1}), Enqueue("send", wrong), Enqueue("send")], "default", None)


def test_of_many_that_are_alike_the_first_is_refused_for_what_all_say() -> None:
    with pytest.raises(EnqueueError, match=r"number 1 of 2: max_attempts=0"):
        new_runs([Enqueue("send", max_attempts=0), Enqueue("send", max_attempts=0)], "default", None)


def test_the_batch_of_a_call_is_of_those_that_name_none() -> None:
    made = new_runs([Enqueue("send", batch="own"), Enqueue("send")], "default", None, batch="import")

    assert [run.batch for run in made] == ["own", "import"]


def test_what_is_equal_but_not_right_is_refused_also_after_what_is_right() -> None:
    wanted: list[Any] = [Enqueue("send", priority=1), Enqueue("send", priority=True)]

    with pytest.raises(EnqueueError, match=r"number 2 of 2: priority=True.*; none was made"):
        new_runs(wanted, "default", None)


def test_of_many_the_payload_that_is_wrong_is_said() -> None:
    wanted = [Enqueue("send", {"n": 1}), Enqueue("send", {"n": float("inf")})]

    with pytest.raises(PayloadError, match=r"number 2 of 2: .*\['n'\] is inf"):
        new_runs(wanted, "default", None)


def test_a_payload_that_contains_itself_is_refused() -> None:
    payload: dict[str, Any] = {}
    payload["self"] = payload

    with pytest.raises(PayloadError, match="no JSON"):
        Enqueue("send", payload).new_run("default", None)


class Email(BaseModel):
    to: str
    at: datetime


def test_a_function_is_enqueued_by_the_name_that_its_decorator_gave_it() -> None:
    @handler("tests.enqueue.send", queue="mail")
    def send(to: str) -> None: ...

    run = Enqueue(send, {"to": "ana"}).new_run("default", None)

    assert (run.handler, run.queue) == ("tests.enqueue.send", "mail")


@pytest.mark.parametrize("function", [print, lambda: None, Email])
def test_a_function_without_a_name_is_refused(function: Any) -> None:
    with pytest.raises(EnqueueError, match="is registered under no name: decorate it with @handler"):
        Enqueue(function).new_run("default", None)


def test_a_model_is_a_payload_of_its_fields_as_json() -> None:
    run = Enqueue("send", Email(to="ana", at=NOW)).new_run("default", None)

    assert run.payload == {"to": "ana", "at": "2026-11-22T08:00:00Z"}


def test_a_model_that_makes_no_json_is_refused() -> None:
    class Odd(BaseModel):
        what: Any

    with pytest.raises(PayloadError, match="the model cannot be turned into JSON"):
        Enqueue("send", Odd(what=object())).new_run("default", None)
