"""What was done is on record, over HTTP, by the pages, at the command line and from Python, each with who and by which way."""

import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from jobsched.model.audit import Actor, Via
from jobsched.model.run import RunState
from jobsched.testing.builders import a_node, a_transition, claim

if TYPE_CHECKING:
    from tests.web.conftest import Api

ADMIN = "a" * 40


def told(api: "Api", query: str = "") -> list[tuple[Any, ...]]:
    acts = api.get(f"/api/audit{query}")
    return [(act["action"], act["job"], act["queue"], act["run"], act["count"]) for act in acts]


def test_each_act_over_http_is_on_record_with_who_asked(guarded: "Api") -> None:
    headers = {"authorization": f"Bearer {ADMIN}"}

    def act(path: str, body: Any = None, method: str = "POST") -> Any:
        answer = guarded.ask(method, path, json=body or {}, headers=headers)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    act("/api/jobs/hourly/pause", {"reason": "a move", "duration": 60})
    act("/api/jobs/hourly/resume", {"reason": "moved"})
    act("/api/queues/mail/pause")
    run = act("/api/jobs/hourly/trigger", {"reason": "once more"})["id"]
    act("/api/runs", {"handler": "mail.send"})
    act(f"/api/runs/{run}/reschedule", {"run_at": "2090-01-01T00:00:00Z"})
    act(f"/api/runs/{run}/cancel")
    act("/api/runs/requeue", {"job": "hourly", "states": ["cancelled"]})
    act(f"/api/runs/{run}/cancel")
    act(f"/api/runs/{run}", method="DELETE")
    act("/api/jobs", {"name": "digest", "definition": {"handler": "mail.digest"}})
    act("/api/jobs/digest", {"definition": {"handler": "mail.other"}}, method="PUT")
    act("/api/jobs/digest", method="DELETE")
    act("/api/pause")

    acts = guarded.get("/api/audit", headers=headers)
    assert [(one["action"], one["job"], one["queue"], one["run"]) for one in acts] == [
        ("pause", None, None, None),
        ("remove", "digest", None, None),
        ("update", "digest", None, None),
        ("create", "digest", None, None),
        ("delete", "hourly", "default", run),
        ("cancel", "hourly", "default", run),
        ("requeue", "hourly", "default", run),
        ("cancel", "hourly", "default", run),
        ("reschedule", "hourly", "default", run),
        ("trigger", "hourly", "default", run),
        ("pause", None, "mail", None),
        ("resume", "hourly", None, None),
        ("pause", "hourly", None, None),
    ]
    assert {(one["by"], one["via"]) for one in acts} == {("api-admin@127.0.0.1", "http")}
    assert acts[-1]["details"] == {"reason": "a move", "until": "2026-01-01T00:01:00Z"}
    assert (acts[-2]["details"], acts[9]["details"]) == ({"reason": "moved"}, {"reason": "once more"})
    assert acts[3]["details"] == {"generation": 2}
    assert acts[8]["details"] == {"run_at": "2090-01-01T00:00:00Z"}


def test_what_is_refused_is_not_on_record(api: "Api") -> None:
    run = api.client.enqueue("a").id

    api.problem("DELETE", f"/api/runs/{run}")
    api.problem("POST", "/api/jobs/nothing/pause", json={})
    api.problem("POST", "/api/jobs", json={"name": "hourly", "definition": {"handler": "a.b"}})
    api.post("/api/jobs/hourly/resume")

    assert api.get("/api/audit") == []


def test_acts_are_filtered_and_paged(api: "Api") -> None:
    for job in ("hourly", "send"):
        api.client.pause(job)
        api.clock.advance(timedelta(minutes=1))
    api.client.pause(queue="mail", by="Bob@desk")

    older = api.ask("GET", "/api/audit?limit=1")

    assert [act[1:3] for act in told(api, "?job=send")] == [("send", None)]
    assert [act[1:3] for act in told(api, "?by=bob&action=pause")] == [(None, "mail")]
    assert [act[1:3] for act in told(api, "?since=90s")] == [(None, "mail"), ("send", None)]
    assert [act[1] for act in told(api, older.headers["link"].split(">")[0][1:])] == ["send"]
    assert told(api, "?action=resume") == []
    assert {api.problem("GET", f"/api/audit?{query}")["status"] for query in ("action=x", "since=x", "limit=0")} == {
        422
    }


def test_from_python_the_script_is_on_record_too(api: "Api", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/srv/shop/nightly.py", "--all"])
    api.client.trigger("hourly")
    api.client.acting_as(Actor(by="ann@desk", via=Via.CLI)).enqueue("mail.send")
    api.client.enqueue("mail.send")

    by_hand, triggered = api.client.audit()

    assert (by_hand.by, by_hand.via, by_hand.details) == ("ann@desk", Via.CLI, {"handler": "mail.send"})
    assert (triggered.via, triggered.action) == (Via.PYTHON, "trigger")
    assert triggered.details == {"program": "nightly.py"}


def test_many_that_are_requeued_at_once_are_one_act(api: "Api") -> None:
    made = [api.client.enqueue("a").id for _ in range(3)]
    api.client.store.finish(
        [a_transition(one, RunState.FAILED) for one in claim(api.client.store, a_node(api.client.store))]
    )

    api.post("/api/runs/requeue", {"handler": "a"})

    assert len(made) == 3
    assert told(api) == [("requeue", None, "default", None, 3)]
