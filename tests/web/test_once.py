"""`Idempotency-Key`: made once, however often and by however many it is asked for."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from jobsched.client import Client
from jobsched.errors import MadeBeforeError, OutcomeUnknownError
from jobsched.model.once import KEY_KEPT
from jobsched.web.once import REPLAYED

if TYPE_CHECKING:
    import httpx
    from tests.web.conftest import Api

RUN = {"handler": "mail.send", "payload": {"to": "ann"}}
JOB = {"name": "digest", "definition": {"handler": "mail.digest"}}


def post(api: "Api", path: str, body: Any, key: str = "k1", **headers: str) -> "httpx.Response":
    return api.ask("POST", path, json=body, headers={"idempotency-key": key, **headers})


def as_told(answer: "httpx.Response") -> tuple[Any, ...]:
    return answer.status_code, answer.json(), answer.headers.get("location")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/runs", RUN),
        ("/api/runs", [RUN, RUN]),
        ("/api/jobs", JOB),
        ("/api/jobs/hourly/trigger", {}),
        ("/api/jobs/hourly/trigger", {"payload": {}}),
    ],
)
def test_the_same_key_and_body_make_it_once_and_are_answered_the_same(api: "Api", path: str, body: Any) -> None:
    first = post(api, path, body)
    before = len(api.client.runs()), len(api.client.jobs())
    api.client.cancel_all([run.id for run in api.client.runs()])

    again = post(api, path, body)

    assert first.status_code == 201
    assert as_told(again) == as_told(first)
    assert (first.headers.get(REPLAYED), again.headers[REPLAYED]) == (None, "true")
    assert (len(api.client.runs()), len(api.client.jobs())) == before


def test_a_run_that_was_there_is_told_as_such_again(api: "Api") -> None:
    api.client.enqueue("mail.send", unique_key="u")
    body = {**RUN, "unique_key": "u"}

    assert [post(api, "/api/runs", body).status_code for _ in range(2)] == [200, 200]


def test_the_same_key_for_something_else_is_refused(api: "Api") -> None:
    post(api, "/api/runs", RUN)

    others = [
        post(api, "/api/runs", {**RUN, "priority": 1}),
        post(api, "/api/jobs", JOB),
        post(api, "/api/jobs/hourly/trigger", {}),
    ]

    assert {(answer.status_code, answer.json()["code"]) for answer in others} == {(422, "idempotency_key")}
    assert len(api.client.runs()) == 1


def test_another_key_makes_another(api: "Api") -> None:
    answers = [post(api, "/api/runs", RUN, key).json()["id"] for key in ("a", "b")]
    without = api.post("/api/runs", RUN, 201)["id"]

    assert len({*answers, without}) == 3


def test_each_token_has_keys_of_its_own(guarded: "Api") -> None:
    def trigger(token: str) -> int:
        answer = post(guarded, "/api/jobs/hourly/trigger", {}, authorization=f"Bearer {token}")
        return int(answer.json()["id"])

    admin, operator = trigger("a" * 40), trigger("o" * 40)

    assert admin != operator
    assert trigger("a" * 40) == admin


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "a\u00e4"])
def test_what_is_no_key_is_refused(api: "Api", key: str) -> None:
    answer = api.ask("POST", "/api/runs", json=RUN, headers={"idempotency-key": key.encode("latin-1")})

    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, "Idempotency-Key")
    assert api.client.runs() == []


def test_what_was_refused_leaves_its_key_free(api: "Api") -> None:
    wrong = post(api, "/api/jobs", {**JOB, "name": "hourly"})

    right = post(api, "/api/jobs", JOB)

    assert (wrong.status_code, right.status_code) == (409, 201)


def test_after_a_day_a_key_is_free_again(api: "Api") -> None:
    first = post(api, "/api/runs", RUN)
    api.clock.advance(KEY_KEPT - timedelta(seconds=1))
    within = post(api, "/api/runs", RUN)
    api.clock.advance(timedelta(seconds=1))
    later = post(api, "/api/runs", RUN)

    assert within.json()["id"] == first.json()["id"] != later.json()["id"]


def test_an_answer_that_was_lost_is_made_good(api: "Api", monkeypatch: pytest.MonkeyPatch) -> None:
    keep = Client.keep_answer

    def die(*_: Any) -> Any:
        raise RuntimeError("killed")

    monkeypatch.setattr(Client, "keep_answer", die)
    lost = api.ask("POST", "/api/runs", json=RUN, headers={"idempotency-key": "k1"}, raising=False)
    monkeypatch.setattr(Client, "keep_answer", keep)

    [made] = api.client.runs()
    assert lost.status_code == 500
    answers = [post(api, "/api/runs", RUN) for _ in range(2)]
    assert {answer.json()["id"] for answer in answers} == {made.id}
    assert as_told(answers[0]) == as_told(answers[1])


@pytest.mark.parametrize("error", [OutcomeUnknownError("the answer was lost"), MadeBeforeError("k1")])
def test_a_commit_whose_answer_was_lost_is_found_by_its_key(
    api: "Api", monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    make = Client.enqueue_many

    def lose(self: Client, wanted: Any, **given: Any) -> Any:
        make(self, wanted, **given)
        raise error

    monkeypatch.setattr(Client, "enqueue_many", lose)

    answer = post(api, "/api/runs", RUN)

    [made] = api.client.runs()
    assert (answer.status_code, answer.json()["id"]) == (201, made.id)


def test_of_two_at_once_one_makes_it_and_both_are_answered_the_same(api: "Api") -> None:
    def ask(body: Mapping[str, Any]) -> "httpx.Response":
        return post(api, "/api/jobs", body)

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(ask, [JOB] * 4))

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert len(api.client.audit()) == 1
