"""Queues, nodes, generations, documents, events, health, OpenAPI."""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families as parsed

from jobsched.errors import OutcomeUnknownError, StoreError, StoreUnavailableError
from jobsched.model.alert import AlertKind, NewBreach
from jobsched.model.enqueue import Enqueue
from jobsched.testing.builders import a_node, a_transition, claim
from jobsched.web.access import Access
from jobsched.web.app import Web
from jobsched.web.changes import Watch

if TYPE_CHECKING:
    from tests.web.conftest import Api

VALID = "version: 1\njobs: {tick: {shell: ls, every: 1h}}\n"


def test_queues_tell_depth_limit_age_and_pause(api: "Api") -> None:
    api.client.enqueue("a", queue="mail")
    api.client.enqueue("a", queue="mail", delay="1h")
    api.client.pause(queue="held")
    api.clock.advance(timedelta(seconds=90))

    held, mail, small = api.get("/api/queues")

    assert (mail["queue"], mail["limit"], mail["pending"], mail["scheduled"], mail["running"]) == ("mail", 2, 1, 1, 0)
    assert (mail["oldest_pending_seconds"], mail["pause"]) == (90.0, None)
    assert (held["queue"], held["limit"], held["oldest_pending_at"]) == ("held", None, None)
    assert held["pause"]["scope"] == "queue"
    assert (small["max_queued"], small["rate"], small["limit"]) == (1, None, None)


def test_a_batch_is_counted_by_state(api: "Api") -> None:
    api.client.enqueue_many([Enqueue("a"), Enqueue("a", delay="1h")], batch="import 42")
    api.client.cancel(1)

    batch, none = api.get("/api/batches/import%2042"), api.get("/api/batches/none")

    assert (batch["batch"], batch["total"], batch["done"]) == ("import 42", 2, False)
    assert {state: count for state, count in batch["states"].items() if count} == {"cancelled": 1, "scheduled": 1}
    assert (none["total"], none["done"]) == (0, True)


def test_a_queue_and_all_are_paused_and_resumed(api: "Api") -> None:
    queue = api.post("/api/queues/mail/pause", {"reason": "full"})
    whole = api.post("/api/pause", {"duration": 60})

    assert api.get("/api/pauses") == [whole, queue]
    assert api.post("/api/queues/mail/resume") == [queue]
    assert api.post("/api/resume") == [whole]
    assert api.problem("POST", "/api/queues/a%20b/pause", json={})["status"] == 422


def test_nodes_and_generations_are_listed(api: "Api") -> None:
    node_id = a_node(api.client.store)

    [node] = api.get("/api/nodes")
    [generation] = api.get("/api/generations")

    assert (node["id"], node["alive"]) == (node_id, True)
    assert (generation["number"], generation["applied_by"]) == (1, "ann@desk")
    assert generation["summary"]["created"] == ["hourly", "send"]


def test_open_alerts_are_listed(api: "Api") -> None:
    late = NewBreach(namespace="default", job="hourly", kind=AlertKind.LATE, subject="7", details={"run": 7})
    lost = NewBreach(namespace="default", kind=AlertKind.NODE_LOST, subject="3")
    api.client.store.note([late, lost])

    [told] = api.get("/api/alerts")

    assert (told["kind"], told["job"], told["subject"], told["details"]) == ("late", "hourly", "7", {"run": 7})
    assert (told["opened_at"], told["told_at"]) == ("2026-01-01T00:00:00Z", None)


@pytest.mark.parametrize("kind", ["application/yaml", "text/yaml; charset=utf-8", "application/json"])
def test_a_document_is_validated(api: "Api", kind: str) -> None:
    text = VALID if "yaml" in kind else '{"version": 1, "jobs": {}}'

    def told(content: str) -> Any:
        return api.ask("POST", "/api/validate", content=content, headers={"content-type": kind}).json()

    [wrong] = told(VALID.replace("1h", "often") if "yaml" in kind else '{"version": 1, "jobs": []}')
    assert told(text) == []
    assert (wrong["severity"], wrong["line"]) == ("error", 2 if "yaml" in kind else 1)


def test_a_plan_says_what_a_document_would_change_and_changes_nothing(api: "Api") -> None:
    def plan(content: str) -> Any:
        return api.ask("POST", "/api/plan", content=content, headers={"content-type": "application/yaml"}).json()

    planned = plan(VALID)
    refused = plan(VALID.replace("1h", "often"))

    assert [(job["name"], job["action"]) for job in planned["jobs"]] == [
        ("hourly", "remove"),
        ("send", "remove"),
        ("tick", "create"),
    ]
    assert [job["name"] for job in api.get("/api/jobs")] == ["hourly", "send"]
    assert (refused["status"], [each["path"] for each in refused["diagnostics"]]) == (422, ["jobs.tick.every"])
    assert plan("namespace: other\njobs: {}\n")["code"] == "namespace"


def test_events_tell_what_is_new_since_one_looks(api: "Api") -> None:
    store, watch = api.client.store, Watch(api.client)
    api.client.enqueue("before")

    first, nothing = list(watch.look()), list(watch.look())
    made, node = api.client.enqueue("a", {"large": 1}).id, a_node(store)
    api.client.pause("hourly")
    then = list(watch.look())
    before, claimed = claim(store, node, limit=2)
    store.finish([a_transition(claimed)])
    store.leave(node)
    last = list(watch.look())

    assert (first, nothing) == ([("ready", {"namespace": "default"})], [])
    assert [kind for kind, _ in then] == ["run", "node", "pauses"]
    assert (then[0][1]["id"], then[0][1]["state"], "payload" in then[0][1]) == (made, "pending", False)
    assert [(kind, data["id"]) for kind, data in last] == [("run", before.id), ("run", made), ("node_left", node)]


def test_events_are_streamed_until_the_server_ends(api: "Api") -> None:
    assert api.follow("/api/events", "ready") == [("ready", {"namespace": "default"})]


def test_only_so_many_streams_are_open(api: "Api") -> None:
    api.web.streams._open = api.web.streams._most

    assert api.problem("GET", "/api/events")["code"] == "too_many_streams"


def test_the_process_is_alive_and_ready(api: "Api") -> None:
    assert api.get("/healthz") == api.get("/readyz") == {"status": "ok"}
    api.web.streams.end()
    assert api.problem("GET", "/readyz")["status"] == 503


def test_metrics_of_the_database_are_there_for_a_scrape(api: "Api") -> None:
    answer = asyncio.run(scraped(api))

    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, "text/plain")
    found = {sample.name for family in parsed(answer.text) for sample in family.samples}
    assert {"jobsched_database_up", "jobsched_job_next_slot_timestamp_seconds"} <= found


async def scraped(api: "Api") -> httpx.Response:
    """Not by `api`, which holds answers to the OpenAPI: this one is no part of it."""
    transport = httpx.ASGITransport(api.web.asgi)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        return await http.get("/metrics")


def test_a_node_whose_loops_stand_still_is_not_alive(api: "Api") -> None:
    api.web = Web(api.client, Access(), alive=lambda: False)

    assert api.problem("GET", "/healthz")["code"] == "not_alive"


def test_a_database_that_is_away_is_no_error_of_whoever_asks(api: "Api", monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(error: Exception) -> Any:
        def call(*_: Any, **__: Any) -> Any:
            raise error

        return call

    monkeypatch.setattr(api.client.store, "schema", fail(StoreUnavailableError("host secret.internal is down")))
    monkeypatch.setattr(api.client.store, "runs", fail(StoreUnavailableError("it is down")))
    monkeypatch.setattr(api.client.store, "enqueue", fail(OutcomeUnknownError("lost")))
    monkeypatch.setattr(api.client.store, "nodes", fail(StoreError("relation does not exist")))
    monkeypatch.setattr(api.client.store, "generations", fail(RuntimeError("a bug")))

    ready, away = api.problem("GET", "/readyz"), api.ask("GET", "/api/runs")
    unknown = api.problem("POST", "/api/runs", json={"handler": "a"})

    assert (ready["status"], "secret" in ready["detail"]) == (503, False)
    assert (away.status_code, away.json()["code"], away.headers["retry-after"]) == (503, "store_unavailable", "5")
    assert (unknown["status"], unknown["code"]) == (503, "outcome_unknown")
    for path in ("/api/nodes", "/api/generations"):
        assert api.problem("GET", path, raising=False)["detail"] == "this is an error of the server; its log says more"


def test_there_is_nothing_at_other_addresses(api: "Api") -> None:
    for path in ("/docs", "/redoc", "/api", "/api/runs/1/..%2f", "/api/runs/"):
        assert api.problem("GET", path)["status"] == 404


def test_a_method_that_an_address_does_not_take_is_told(api: "Api") -> None:
    answer = api.ask("DELETE", "/api/nodes")

    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
