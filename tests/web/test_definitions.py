"""Jobs that programs declare at run time: POST, PUT and DELETE of /api/jobs, and the client's methods behind them."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from jobsched.config.load import check_sources
from jobsched.config.sources import Source
from jobsched.errors import DefinitionError, SyncRefusedError
from jobsched.sync.apply import sync
from jobsched.sync.plan import plan
from jobsched.web.access import Access
from jobsched.web.app import Web

if TYPE_CHECKING:
    from httpx import Response
    from tests.web.conftest import Api

    from jobsched.client import Client
    from jobsched.model.desired import DesiredState

DIGEST = {"handler": "mail.digest", "cron": "0 7 * * *", "retries": 2}


def state(text: str) -> "DesiredState":
    loaded = check_sources([Source("jobs.yaml", text.encode())])
    assert loaded.state is not None
    return loaded.state


def names(client: "Client") -> dict[str, str]:
    return {stored.job.name: str(stored.origin) for stored in client.jobs()}


def test_a_job_is_declared_changed_and_removed_each_as_a_generation_with_who(api: "Api") -> None:
    made = api.ask("POST", "/api/jobs", json={"name": "digest", "definition": DIGEST})
    changed = api.ask("PUT", "/api/jobs/digest", json={"definition": {**DIGEST, "cron": "0 8 * * *"}})
    waits = api.client.trigger("digest").id
    removed = api.ask("DELETE", "/api/jobs/digest")

    assert (made.status_code, made.headers["location"]) == (201, "/api/jobs/digest")
    assert (made.json()["definition"], made.json()["origin"]) == (DIGEST, "api")
    assert (changed.status_code, changed.json()["definition"]["cron"]) == (200, "0 8 * * *")
    assert removed.status_code == 204
    assert (api.client.run(waits).state, api.client.run(waits).reason) == ("cancelled", "job_removed")
    newest, update, create, files = api.get("/api/generations")
    assert {each["applied_by"] for each in (newest, update, create)} == {"api@127.0.0.1"}
    assert newest["summary"]["removed"] == create["summary"]["created"] == ["digest"]
    assert update["summary"]["updated"] == {"digest": ["cron"]}
    # Nodes compare it with that of their files: those are as they were.
    assert {each["hash"] for each in (newest, update, create)} == {files["hash"]}


def test_what_somebody_else_has_changed_meanwhile_is_not_overwritten(api: "Api") -> None:
    made = api.ask("POST", "/api/jobs", json={"name": "digest", "definition": DIGEST})
    read = api.ask("GET", "/api/jobs/digest").headers["etag"]
    first = api.ask(
        "PUT", "/api/jobs/digest", json={"definition": {**DIGEST, "retries": 3}}, headers={"If-Match": read}
    )

    second = api.problem(
        "PUT", "/api/jobs/digest", json={"definition": {**DIGEST, "timeout": "1m"}}, headers={"If-Match": read}
    )
    removal = api.problem("DELETE", "/api/jobs/digest", headers={"If-Match": read})

    assert (read, first.headers["etag"]) == (f'"{made.json()["generation"]}"', '"3"')
    assert (second["status"], second["code"], second["generation"]) == (412, "changed", 3)
    assert removal["code"] == "changed"
    assert api.get("/api/jobs/digest")["definition"] == {**DIGEST, "retries": 3}
    assert replaced(api, '"3"', DIGEST).status_code == 200
    assert replaced(api, "*", {**DIGEST, "retries": 4}).status_code == 200
    assert replaced(api, "5", DIGEST).json()["errors"][0]["path"] == "If-Match"


def replaced(api: "Api", tag: str, definition: dict[str, Any]) -> "Response":
    return api.ask("PUT", "/api/jobs/digest", json={"definition": definition}, headers={"If-Match": tag})


def test_what_stays_as_it_was_makes_no_generation(api: "Api") -> None:
    api.client.create_job("digest", DIGEST)
    api.client.update_job("digest", DIGEST)

    assert [each.number for each in api.client.generations()] == [2, 1]


def test_a_job_of_a_file_is_changed_in_its_file(api: "Api") -> None:
    refusals = [
        api.problem("PUT", "/api/jobs/send", json={"definition": DIGEST}),
        api.problem("DELETE", "/api/jobs/send"),
    ]
    shadow = api.problem("POST", "/api/jobs", json={"name": "send", "definition": DIGEST})

    assert [(each["status"], each["code"], each["generation"]) for each in refusals] == [(409, "file_job", 1)] * 2
    assert refusals[0]["detail"].startswith(
        "jobs.yaml:10: a file declares job 'send', as of generation 1: change it there"
    )
    assert {(each["file"], each["line"]) for each in (*refusals, shadow)} == {("jobs.yaml", 10)}
    assert (shadow["status"], shadow["code"]) == (409, "job_exists")
    assert len(api.client.generations()) == 1


def test_a_name_is_taken_once_and_what_is_not_there_is_not_changed(api: "Api") -> None:
    api.client.create_job("digest", DIGEST)

    assert api.problem("POST", "/api/jobs", json={"name": "digest", "definition": DIGEST})["code"] == "job_exists"
    assert api.problem("PUT", "/api/jobs/diggest", json={"definition": DIGEST})["code"] == "unknown_job"
    assert api.problem("DELETE", "/api/jobs/diggest")["code"] == "unknown_job"


WRONG: list[tuple[str, dict[str, Any], str, str]] = [
    ("a", {"handler": "x", "cron": "often"}, "cron", "1 field;"),
    ("a", {"handler": "x", "retries": {"max": -1}}, "retries.max", "at least 0"),
    ("a", {"handler": "x", "schedule": "@daily"}, "schedule", "unknown field"),
    ("a", {"handler": "x", "timezone": "Rome"}, "timezone", "Rome"),
    ("a", {}, "", "handler"),
    ("a b", {"handler": "x"}, "", "name"),
    ("a" * 101, {"handler": "x"}, "", ""),
    ("a", {"handler": "x", "calendar": {"only": ["y"]}}, "calendar", "not supported yet"),
]


def test_a_definition_is_held_to_the_rules_of_a_file_and_the_field_is_named(api: "Api") -> None:
    for name, definition, path, message in WRONG:
        problem = api.problem("POST", "/api/jobs", json={"name": name, "definition": definition})

        assert problem["status"] == 422
        assert problem["errors"][0]["path"].startswith(path)
        assert message in problem["errors"][0]["message"]
    assert names(api.client) == {"hourly": "file", "send": "file"}


def test_a_key_that_is_shared_has_one_limit(api: "Api") -> None:
    api.client.create_job("one", {"handler": "x", "concurrency": {"key": "k", "limit": 2}})

    with pytest.raises(DefinitionError, match=r"concurrency.limit: key 'k' has limit 3 here and 2 in job one"):
        api.client.create_job("two", {"handler": "x", "concurrency": {"key": "k", "limit": 3}})
    api.client.update_job("one", {"handler": "x", "concurrency": {"key": "k", "limit": 3}})


CODE: list[dict[str, Any]] = [
    {"command": ["ls"]},
    {"shell": "ls"},
    {"http": {"url": "http://x/"}},
    {"handler": "os:system"},
    {"handler": "x", "on_failure": {"shell": "ls"}},
    {"handler": "x", "on_failure": {"handler": "os:system"}},
    {"handler": "x", "ping": {"start": "http://x/${HOME}"}},
]


def test_over_http_code_is_declared_only_where_that_is_allowed(api: "Api") -> None:
    given: list[dict[str, Any]] = [
        {"json": {"name": f"job-{number}", "definition": each}} for number, each in enumerate(CODE)
    ]

    refused = [api.problem("POST", "/api/jobs", **each) for each in given]
    api.web = Web(api.client, Access(allow_definitions=True))
    allowed = [api.ask("POST", "/api/jobs", **each).status_code for each in given]

    assert {(each["status"], each["code"]) for each in refused} == {(422, "handler_refused")}
    assert allowed == [201] * len(CODE)


def test_a_sync_leaves_what_programs_declared_alone(client: "Client") -> None:
    client.create_job("digest", DIGEST)

    sync(client.store, state("jobs: {hourly: {shell: ls, every: 1h}}"), applied_by="ann")

    assert names(client) == {"digest": "api", "hourly": "file"}


def test_the_brake_counts_the_jobs_of_files_alone(client: "Client") -> None:
    client.create_job("digest", DIGEST)

    with pytest.raises(SyncRefusedError, match="remove 2 of 2"):
        sync(client.store, state("jobs: {}"), applied_by="ann")


def test_a_file_takes_over_a_job_that_it_comes_to_declare_and_the_plan_says_so(client: "Client") -> None:
    client.create_job("digest", DIGEST)
    text = 'jobs: {hourly: {shell: ls, every: 1h}, send: {shell: ls}, digest: {handler: mail.digest, cron: "0 7 * * *", retries: 2}}'

    planned = plan(state(text), client.store.actual("default"), client.store.now())
    [item] = [item for item in planned.jobs if item.name == "digest"]
    before = client.job("digest")
    sync(client.store, state(text), applied_by="ann")

    assert (item.action, item.changes[0].field, item.changes[0].old, item.changes[0].new) == (
        "update",
        "origin",
        "api",
        "file",
    )
    assert names(client) == {"digest": "file", "hourly": "file", "send": "file"}
    assert client.job("digest").cursor == before.cursor


def test_a_file_that_is_as_it_was_is_neither_stale_nor_applied_anew(client: "Client") -> None:
    desired = replace(state("jobs: {hourly: {shell: ls, every: 1h}}"), commit="abc")
    sync(client.store, desired, applied_by="ann", allow_delete=True)
    client.create_job("digest", DIGEST)

    report = sync(client.store, desired, applied_by="node", node=True)

    assert report.outcome == "unchanged"
    assert (report.generation is not None and report.generation.commit) == "abc"
    assert names(client) == {"digest": "api", "hourly": "file"}
