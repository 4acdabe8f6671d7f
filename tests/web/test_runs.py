"""/api/runs."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from jobsched.client import Client
from jobsched.model.run import LogLine, RunState
from jobsched.testing.builders import a_node, a_transition, claim

if TYPE_CHECKING:
    from tests.web.conftest import Api


def ended(api: "Api", state: RunState = RunState.FAILED, handler: str = "mail.send") -> int:
    """A run that is over."""
    made = api.client.enqueue(handler)
    [claimed] = claim(api.client.store, a_node(api.client.store))
    api.client.store.finish([a_transition(claimed, state)])
    return made.id


def test_a_run_is_enqueued_with_all_that_can_be_said_of_it(api: "Api") -> None:
    body = {
        "handler": "mail.send",
        "payload": {"to": "ann"},
        "run_at": "2090-01-01T00:00:00Z",
        "queue": "mail",
        "priority": -5,
        "max_attempts": 3,
        "unique_key": "ann",
        "concurrency_key": "smtp",
        "timeout": "30s",
        "unique_for": "1h",
        "tags": ["news"],
        "batch": "b1",
    }

    run = api.post("/api/runs", body, 201)

    assert (run["handler"], run["payload"], run["queue"], run["priority"]) == ("mail.send", {"to": "ann"}, "mail", -5)
    assert (run["timeout"], run["tags"], run["batch"], run["unique_key"]) == ("30s", ["news"], "b1", "ann")
    assert [api.get(f"/api/runs?{query}") for query in ("tag=news", "batch=b1", "tag=none")] == [[run], [run], []]
    assert (run["max_attempts"], run["available_at"]) == (3, "2090-01-01T00:00:00Z")
    assert (run["state"], run["source"], run["job"]) == ("scheduled", "enqueue", None)
    assert api.get(f"/api/runs/{run['id']}") == run


def test_one_whose_unique_key_is_taken_is_the_run_that_has_it(api: "Api") -> None:
    body = {"handler": "mail.send", "unique_key": "ann"}
    first = api.post("/api/runs", body, 201)

    assert api.post("/api/runs", body, 200) == first
    refused = api.problem("POST", "/api/runs", json={**body, "on_conflict": "error"})
    assert (refused["status"], refused["code"], refused["run"]) == (409, "unique_key", first["id"])


def test_a_list_is_enqueued_whole_or_not_at_all(api: "Api") -> None:
    both = api.post("/api/runs", [{"handler": "a"}, {"handler": "b", "delay": "10m"}], 201)
    refused = api.problem("POST", "/api/runs", json=[{"handler": "c"}, {"handler": "d", "queue": "no queue"}])

    assert [(run["handler"], run["state"]) for run in both] == [("a", "pending"), ("b", "scheduled")]
    assert refused["status"] == 422
    assert "number 2 of 2" in refused["detail"]
    assert [run["handler"] for run in api.get("/api/runs")] == ["b", "a"]


WRONG: list[tuple[Any, str]] = [
    ({}, "body handler: Field required"),
    ({"handler": 5}, "body handler:"),
    ({"handler": "a", "nonsense": 1}, "body nonsense:"),
    ({"handler": "a", "priority": "high"}, "body priority:"),
    ({"handler": "a", "priority": True}, "body priority:"),
    ({"handler": "a", "payload": []}, "body payload:"),
    ({"handler": "a", "run_at": "tomorrow"}, "body run_at: Value error, 'tomorrow' is no RFC 3339 instant"),
    ({"handler": "a", "run_at": "2090-01-01T00:00:00Z", "delay": 5}, "give run_at or delay, not both"),
    ({"handler": "a", "max_attempts": 0}, "max_attempts=0 is no whole number"),
    ([{"handler": "a"}, {"handler": 5}], "body [1].handler:"),
    ([], "body"),
    ("text", "body"),
]


def test_what_is_wrong_with_a_run_is_said_with_its_place(api: "Api") -> None:
    for body, expected in WRONG:
        problem = api.problem("POST", "/api/runs", json=body)

        assert problem["status"] == 422
        assert problem["detail"].startswith(expected)
    assert api.get("/api/runs") == []


def test_nothing_but_the_name_of_a_registered_handler_is_taken(api: "Api") -> None:
    for handler in ("os:system", '{"command":["ls"]}', "http://x/", "../x", "a b", "", "x" * 300):
        problem = api.problem("POST", "/api/runs", json={"handler": handler})

        assert (problem["status"], problem["code"]) == (422, "handler_refused")
    assert api.get("/api/runs") == []


def test_a_full_queue_takes_no_more_for_now(api: "Api") -> None:
    body = {"handler": "a", "queue": "small"}
    api.post("/api/runs", body, 201)

    answer = api.ask("POST", "/api/runs", json=body)

    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (429, "queue_full", "5")
    assert (answer.json()["queue"], answer.json()["limit"]) == ("small", 1)


def test_runs_are_filtered_and_paged(api: "Api") -> None:
    ids = [api.client.enqueue("a").id, api.client.enqueue("b", queue="mail").id, api.client.trigger("hourly").id]

    def listed(query: str) -> list[int]:
        return [run["id"] for run in api.get(f"/api/runs?{query}")]

    assert listed("") == ids[::-1]
    assert listed("handler=a") == [ids[0]]
    assert listed("queue=mail") == [ids[1]]
    assert listed("job=hourly&state=pending&state=blocked") == [ids[2]]
    assert listed(f"before_id={ids[2]}&limit=1") == [ids[1]]
    assert listed("since=1h") == ids[::-1]
    assert "before_id=2&" not in api.ask("GET", "/api/runs?limit=1&before_id=2").headers.get("link", "")


def test_a_filter_that_cannot_be_read_is_refused(api: "Api") -> None:
    queries = ["state=lost", "limit=0", "limit=x", "since=never", "before_id=-1", f"before_id={2**64}"]

    assert {api.problem("GET", f"/api/runs?{query}")["status"] for query in queries} == {422}


def test_numbers_are_told(api: "Api") -> None:
    ended(api)
    api.client.enqueue("a", queue="mail")

    stats = api.get("/api/runs/stats?since=1h")

    assert stats["queues"] == [{"queue": "mail", "state": "pending", "runs": 1, "pause": None}]
    assert stats["jobs"] == [{"job": None, "succeeded": 0, "failed": 1, "cancelled": 0, "skipped": 0}]
    assert api.problem("GET", "/api/runs/stats?since=never")["status"] == 422


def test_a_run_that_is_over_is_requeued_and_deleted(api: "Api") -> None:
    run_id = ended(api)

    assert api.post(f"/api/runs/{run_id}/requeue")["state"] == "pending"
    assert api.post(f"/api/runs/{run_id}/cancel")["state"] == "cancelled"
    assert api.ask("DELETE", f"/api/runs/{run_id}").status_code == 204
    assert api.problem("GET", f"/api/runs/{run_id}")["code"] == "unknown_run"


def test_what_cannot_be_done_to_a_run_is_refused_in_a_word(api: "Api") -> None:
    over, waits = ended(api, RunState.SUCCEEDED), api.client.enqueue("a").id

    refusals = [
        api.problem("POST", f"/api/runs/{over}/requeue", json={}),
        api.problem("POST", f"/api/runs/{over}/cancel", json={}),
        api.problem("POST", f"/api/runs/{over}/reschedule", json={"delay": 5}),
        api.problem("DELETE", f"/api/runs/{waits}"),
    ]

    assert [(each["status"], each["refused"]) for each in refusals] == [
        (409, "succeeded"),
        (409, "finished"),
        (409, "finished"),
        (409, "unfinished"),
    ]


def test_a_waiting_run_is_rescheduled(api: "Api") -> None:
    run_id = api.client.enqueue("a").id

    later = api.post(f"/api/runs/{run_id}/reschedule", {"run_at": "2090-01-01T00:00:00Z"})

    assert (later["state"], later["available_at"]) == ("scheduled", "2090-01-01T00:00:00Z")
    assert api.post(f"/api/runs/{run_id}/reschedule", {"delay": "0s"})["state"] == "scheduled"
    assert api.problem("POST", f"/api/runs/{run_id}/reschedule", json={})["status"] == 422


def test_a_run_that_is_none_or_of_another_namespace_is_not_found(api: "Api") -> None:
    elsewhere = Client(api.client.store, namespace="elsewhere").enqueue("a").id
    asked: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", "", {}),
        ("DELETE", "", {}),
        ("POST", "/cancel", {"json": {}}),
        ("POST", "/requeue", {"json": {}}),
        ("POST", "/reschedule", {"json": {"delay": 1}}),
        ("GET", "/log", {}),
        ("GET", "/log?follow", {}),
    ]

    for method, path, body in asked:
        for run_id in (elsewhere, elsewhere + 1, 2**63 - 1):
            assert api.problem(method, f"/api/runs/{run_id}{path}", **body)["code"] == "unknown_run"
        assert api.problem(method, f"/api/runs/{2**63}{path}", **body)["status"] == 422


def test_runs_are_requeued_by_a_filter_the_oldest_first(api: "Api") -> None:
    ids = [ended(api), ended(api), ended(api, handler="other"), ended(api, RunState.CANCELLED)]

    answers = api.post("/api/runs/requeue", {"handler": "mail.send", "limit": 1})
    rest = api.post("/api/runs/requeue", {"since": "1h", "states": ["failed", "cancelled"]})

    assert answers == [{"id": ids[0], "state": "pending", "refused": None}]
    assert [answer["id"] for answer in rest] == ids[1:]
    assert api.post("/api/runs/requeue", {"queue": "default"}) == []


def test_runs_are_requeued_by_their_ids(api: "Api") -> None:
    over, waits = ended(api), api.client.enqueue("a").id

    answers = api.post("/api/runs/requeue", {"ids": [over, waits]})

    assert [(answer["id"], answer["refused"]) for answer in answers] == [(over, None), (waits, "unfinished")]
    assert api.problem("POST", "/api/runs/requeue", json={})["status"] == 422
    assert api.problem("POST", "/api/runs/requeue", json={"ids": [1], "job": "hourly"})["status"] == 422
    assert api.problem("POST", "/api/runs/requeue", json={"ids": [waits + 1]})["status"] == 404


def lines(api: "Api", run_id: int, *texts: str, begin: int = 0) -> None:
    at = api.clock.now()
    api.client.store.append_log([LogLine(run_id, 1, begin + n, at, "stdout", text) for n, text in enumerate(texts)])


def test_a_log_is_read_in_pages(api: "Api") -> None:
    run_id = ended(api)
    lines(api, run_id, "one", "two", "three")

    first = api.ask("GET", f"/api/runs/{run_id}/log?limit=2")
    rest = api.get(f"/api/runs/{run_id}/log?limit=2&after=1-1")

    assert first.headers["link"] == '<?limit=2&after=1-1>; rel="next"'
    assert [line["text"] for line in first.json()] == ["one", "two"]
    assert [line["text"] for line in rest] == ["three"]
    assert api.get(f"/api/runs/{run_id}/log?attempt=2") == []
    assert api.problem("GET", f"/api/runs/{run_id}/log?after=x")["status"] == 422


def test_a_log_that_is_followed_ends_with_its_run(api: "Api") -> None:
    run_id = ended(api)
    lines(api, run_id, "one", "\u2028two\r\ndata: no")

    told = api.follow(f"/api/runs/{run_id}/log?follow", "end")
    resumed = api.follow(f"/api/runs/{run_id}/log?follow=1", "end", {"last-event-id": "1-0"})

    assert [kind for kind, _ in told] == ["line", "line", "end"]
    assert [data["text"] for kind, data in told if kind == "line"] == ["one", "\u2028two\r\ndata: no"]
    assert told[-1][1] == api.get(f"/api/runs/{run_id}")
    assert [kind for kind, _ in resumed] == ["line", "end"]


def test_following_ends_when_the_server_does(api: "Api") -> None:
    run_id = api.client.enqueue("a", delay=timedelta(days=1)).id
    lines(api, run_id, "one")

    assert [kind for kind, _ in api.follow(f"/api/runs/{run_id}/log?follow", "line")] == ["line"]
