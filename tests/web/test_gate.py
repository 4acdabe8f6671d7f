"""Who is let in, and what is looked at before anything is made of it."""

import asyncio
import hmac
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.web.conftest import routes_of

from jobsched.client import Client
from jobsched.store.open import open_store
from jobsched.testing.clock import FakeClock
from jobsched.web.access import Access, Caller, Role, Token
from jobsched.web.bodies import MOST_BYTES

if TYPE_CHECKING:
    from tests.web.conftest import Api

ADMIN, OPERATE, READ = "a" * 40, "o" * 40, "r" * 40
GUARDED = Access(
    tokens=(Token("admin", Role.ADMIN, ADMIN), Token("ci", Role.OPERATE, OPERATE), Token("read", Role.READ, READ))
)
JSON = {"content-type": "application/json"}
RUN = b'{"handler": "a"}'


def bearer(token: str) -> dict[str, str]:
    return {**JSON, "authorization": f"Bearer {token}"}


@pytest.fixture
def client(sqlite_url: str, clock: FakeClock) -> Iterator[Client]:
    """What the gate refuses reaches no database, so one of them serves."""
    with Client(open_store(sqlite_url, clock=clock), clock=clock) as made:
        made.create_job("hourly", {"handler": "tests.hourly", "concurrency": "allow"})
        yield made
        made.store.close()


def refused(api: "Api", method: str = "POST", path: str = "/api/runs", content: bytes = RUN, **given: Any) -> Any:
    """Status and code; nothing may have been stored."""
    problem = api.problem(method, path, content=content, **given)
    assert api.client.runs() == []
    return problem["status"], problem["code"]


@pytest.mark.parametrize(
    ("authorization", "caller"),
    [
        (f"Bearer {ADMIN}", Caller("admin", Role.ADMIN)),
        (f"bearer {OPERATE}", Caller("ci", Role.OPERATE)),
        (f"bearer {READ}", Caller("read", Role.READ)),
        (f"Bearer {ADMIN}x", None),
        ("Bearer", None),
        ("Bearer ", None),
        (f"Basic {ADMIN}", None),
        (ADMIN, None),
        ("Bearer \u00e4\u00f6", None),
        (None, None),
    ],
)
def test_a_token_is_good_for_its_role(authorization: str | None, caller: Caller | None) -> None:
    assert GUARDED.caller(None if authorization is None else authorization.encode()) == caller
    assert ADMIN not in repr(GUARDED)


def test_every_token_is_compared_in_constant_time_whichever_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []
    compare = hmac.compare_digest

    def counted(given: bytes, secret: bytes) -> bool:
        compared.append(secret)
        return compare(given, secret)

    monkeypatch.setattr("jobsched.web.access.hmac.compare_digest", counted)
    for given in (ADMIN, READ, "guess"):
        GUARDED.caller(f"Bearer {given}".encode())

    assert compared == [ADMIN.encode(), OPERATE.encode(), READ.encode()] * 3


def test_without_tokens_everybody_is_an_admin() -> None:
    assert Access().caller(None) == Caller(None, Role.ADMIN)


def test_with_a_token_to_read_alone_nobody_acts() -> None:
    access = Access(tokens=(Token("read", Role.READ, READ),))

    assert (access.caller(None), access.caller(f"Bearer {READ}".encode())) == (None, Caller("read", Role.READ))


def test_an_address_is_served_where_others_reach_it_and_a_name_never_unless_listed() -> None:
    local = Access()
    open_to_others = Access(tokens=GUARDED.tokens, hosts=frozenset({"jobs.example"}), any_address=True)

    assert local.serves("127.0.0.1:8321")
    assert not local.serves("10.0.0.5")
    assert open_to_others.serves("10.0.0.5:8321")
    assert open_to_others.serves("jobs.example")
    assert not open_to_others.serves("evil.com")
    assert not open_to_others.serves(None)


def test_52_a_name_that_was_bent_to_lead_here_is_refused_on_every_route(api: "Api") -> None:
    routes = [
        (method, re.sub(r"\{run_id\}", "1", re.sub(r"\{name\}|\{queue\}|\{file\}", "hourly", route.path)))
        for route in routes_of(api.web.app.routes)
        for method in route.methods or ()
    ]

    answers = {
        (method, path, host): api.send(method, path, host=host, headers=JSON).status_code
        for method, path in [*routes, ("GET", "/api/openapi.json"), ("GET", "/static/style.css")]
        for host in ("evil.com", "localhost.evil.com", "evil.com:80")
    }

    assert len(routes) > 50
    assert {request: status for request, status in answers.items() if status != 400} == {}
    assert (api.client.runs(), api.client.pauses()) == ([], [])


@pytest.mark.parametrize("headers", [JSON, bearer("wrong"), {**JSON, "authorization": "Basic x"}])
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/api/runs"), ("POST", "/api/runs"), ("GET", "/api/openapi.json"), ("GET", "/metrics")]
)
def test_without_a_token_nothing_is_told(guarded: "Api", method: str, path: str, headers: dict[str, str]) -> None:
    answer = guarded.ask(method, path, headers=headers, content=RUN)

    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.json()["detail"] == "a bearer token is needed"


def test_health_is_told_without_a_token(guarded: "Api") -> None:
    assert guarded.get("/healthz") == guarded.get("/readyz") == {"status": "ok"}


def test_a_reader_looks_and_does_not_act(guarded: "Api") -> None:
    assert guarded.get("/api/runs", headers=bearer(READ)) == []
    assert guarded.ask("POST", "/api/validate", headers=bearer(READ), content=b"{}").status_code == 200
    for method, path in (
        ("POST", "/api/runs"),
        ("DELETE", "/api/runs/1"),
        ("POST", "/api/pause"),
        ("PUT", "/api/jobs/a"),
    ):
        assert refused(guarded, method, path, headers=bearer(READ)) == (403, "role")


def test_an_operator_operates_and_declares_nothing(guarded: "Api") -> None:
    given = bearer(OPERATE)
    run = guarded.ask("POST", "/api/jobs/hourly/trigger", headers=bearer(ADMIN), content=b"{}").json()["id"]

    operated = [
        guarded.ask("POST", path, headers=given, content=content).status_code
        for path, content in (
            ("/api/jobs/hourly/pause", b"{}"),
            ("/api/jobs/hourly/resume", b"{}"),
            ("/api/jobs/hourly/trigger", b"{}"),
            ("/api/queues/mail/pause", b"{}"),
            ("/api/queues/mail/resume", b"{}"),
            ("/api/pause", b"{}"),
            ("/api/resume", b"{}"),
            (f"/api/runs/{run}/reschedule", b'{"delay": 5}'),
            (f"/api/runs/{run}/cancel", b"{}"),
            (f"/api/runs/{run}/requeue", b"{}"),
            ("/api/runs/requeue", b'{"job": "hourly"}'),
        )
    ]
    refusals = [
        guarded.problem(method, path, headers=given, content=RUN)
        for method, path in (
            ("POST", "/api/runs"),
            ("DELETE", f"/api/runs/{run}"),
            ("POST", "/api/jobs"),
            ("PUT", "/api/jobs/pause"),
            ("DELETE", "/api/jobs/pause"),
            ("POST", "/api/jobs/pause/"),
        )
    ]

    assert operated == [200, 200, 201, *[200] * 8]
    assert {(each["status"], each["code"]) for each in refusals} == {(403, "role")}
    assert refusals[0]["detail"] == "this takes the role admin, and the token has operate"
    assert guarded.client.audit(limit=1)[0].by == "api-ci@127.0.0.1"


def test_an_admin_acts_and_is_on_record(guarded: "Api", caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "jobsched"):
        answer = guarded.ask("POST", "/api/pause", headers=bearer(ADMIN), content=b"{}")

    assert answer.json()["by"] == "api-admin@127.0.0.1"
    assert "POST '/api/pause' by api-admin@127.0.0.1: 200" in caplog.text
    assert ADMIN not in caplog.text


def test_after_many_wrong_tokens_an_address_waits(guarded: "Api") -> None:
    codes = [refused(guarded, headers=bearer(f"guess{n}"))[0] for n in range(11)]
    even_the_right_one = guarded.ask("GET", "/api/runs", headers=bearer(ADMIN))
    guarded.clock.advance(timedelta(minutes=1))

    assert codes == [401] * 10 + [429]
    assert (even_the_right_one.status_code, even_the_right_one.headers["retry-after"]) == (429, "60")
    assert guarded.get("/api/runs", headers=bearer(ADMIN)) == []


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.com"},
        {"origin": "null"},
        {"origin": "http://localhost:9999"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_a_page_of_another_site_changes_nothing(api: "Api", headers: dict[str, str]) -> None:
    assert refused(api, headers={**JSON, **headers}) == (403, "origin")
    assert refused(api, "DELETE", "/api/runs/1", headers=headers) == (403, "origin")


def test_a_page_of_its_own_does(api: "Api") -> None:
    own = {**JSON, "origin": "http://localhost", "sec-fetch-site": "same-origin"}

    assert api.ask("POST", "/api/runs", headers=own, content=RUN).status_code == 201


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "application/yaml"]
)
def test_what_a_form_can_send_changes_nothing(api: "Api", kind: str) -> None:
    headers = {"content-type": kind} if kind else {}

    assert refused(api, headers=headers) == (415, "content_type")
    assert refused(api, path="/api/pause", content=b"", headers=headers) == (415, "content_type")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"{", (400, "not_json")),
        (b"\xff", (400, "not_json")),
        (b'{"handler": "a", "payload": {"a": NaN}}', (400, "not_json")),
        (b'{"handler": "a", "payload": {"a": -Infinity}}', (400, "not_json")),
        (b'{"handler": "a", "payload": {"a": 1e999}}', (422, "invalid")),
        (b'{"handler": "a", "payload": {"a": %d}}' % 2**70, (422, "invalid")),
        (b'{"handler": "a", "payload": {"a": %s}}' % (b"9" * 5000), (422, "invalid")),
        (b'{"handler": "a", "payload": {"a": "\\u0000"}}', (422, "invalid")),
        (b'{"handler": "a", "payload": {"\\ud800": 1}}', (422, "invalid")),
        (b'{"handler": "a", "payload": {"a": %s}}' % (b"[" * 100 + b"]" * 100), (422, "invalid")),
        (b"[" * 1_000_000, (422, "invalid")),
        (b'{"a": ' * 300_000, (422, "invalid")),
        (b'{"handler": "a", "payload": {"a": "%s"}}' % (b"x" * 1_100_000), (422, "invalid")),
    ],
    ids=lambda value: str(value)[:40],
)
def test_json_that_no_database_keeps_is_refused(api: "Api", content: bytes, expected: tuple[int, str]) -> None:
    assert refused(api, content=content, headers=JSON) == expected


def test_a_body_that_is_too_large_is_not_read(api: "Api") -> None:
    async def endless() -> Any:
        while True:
            yield b" " * 100_000

    said = {**JSON, "content-length": str(10**9)}
    assert refused(api, headers=said) == (413, "too_large")
    assert refused(api, content=b" " * (MOST_BYTES + 1), headers=JSON) == (413, "too_large")
    assert refused(api, content=endless(), headers=JSON) == (413, "too_large")
    yaml = {"content-type": "application/yaml"}
    assert refused(api, path="/api/validate", content=b" " * (MOST_BYTES + 1), headers=yaml) == (413, "too_large")


@pytest.mark.parametrize("given", [{"host": "evil.com"}, {"headers": {"origin": "x"}}, {"headers": {}}])
def test_a_refusal_is_logged_once_and_steers_no_terminal(
    api: "Api", caplog: pytest.LogCaptureFixture, given: dict[str, Any]
) -> None:
    with caplog.at_level("INFO", "jobsched"):
        api.problem("POST", "/api/x%1b%0ay", **given)

    [record] = caplog.records
    assert r"refused POST '/api/x\x1b\ny' of 127.0.0.1" in record.getMessage()


def test_no_other_site_may_read_what_is_answered(api: "Api") -> None:
    answer = api.ask("GET", "/api/runs", headers={"origin": "http://evil.com"})
    preflight = api.ask("OPTIONS", "/api/runs", headers={"origin": "http://evil.com"})

    assert not [name for name in (*answer.headers, *preflight.headers) if name.startswith("access-control")]
    assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert answer.headers["cache-control"] == "no-store"


def test_openapi_describes_every_route_and_its_problems(api: "Api") -> None:
    schema = api.get("/api/openapi.json")

    operations = {(path, method): each for path, item in schema["paths"].items() for method, each in item.items()}
    assert len(operations) > 30
    assert all(
        list(each["responses"]["503"]["content"]) == ["application/problem+json"] for each in operations.values()
    )
    assert "/api/runs/{run_id}/log" in schema["paths"]


@pytest.mark.parametrize(
    "path",
    [
        "/api/runs/..%2f..%2fetc%2fpasswd",
        "/api/runs/1%00",
        "/api/runs/9999999999999999999999",
        "/api/runs/-1",
        "/api/runs/1e3",
        "/api/jobs/..%2f..%2fetc",
        "/api/jobs/%3Cscript%3E",
        "/api/jobs/%00",
        "/api/jobs/%ff",
        "/api/jobs/" + "x" * 5000,
        "/api/batches/%00%1b",
        "/static/..%2f..%2fgate.py",
        "/static/%2e%2e/gate.py",
        "/jobs/%00",
        "/api/runs?tag=%00",
        "/api/%2e%2e/healthz/x",
    ],
)
def test_52_an_address_that_is_made_up_is_not_found_and_no_error_of_the_server(api: "Api", path: str) -> None:
    answer = api.send("GET", path)

    # No query of PostgreSQL takes NUL, so nothing is asked.
    assert answer.status_code in ((400,) if "%00" in path else (404, 422))
    assert answer.headers["content-type"].partition(";")[0] != "text/html" or "<script>" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "\x1b" not in answer.text


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "a\x1b[31m", "../x", "", "x" * 101, "\u202eevil", "a b"])
def test_52_a_name_that_is_markup_is_no_name(api: "Api", name: str) -> None:
    job = api.problem("POST", "/api/jobs", json={"name": name, "definition": {"handler": "a.b"}})
    queue = api.problem("POST", "/api/runs", json={"handler": "a.b", "queue": name})

    assert (job["status"], queue["status"]) == (422, 422)
    assert not {"<script>alert(1)</script>", "\x1b"} & {
        part for part in (job["detail"], queue["detail"]) if "\x1b" in part
    }
    assert [stored.job.name for stored in api.client.jobs()] == ["hourly"]


def test_52_a_body_that_comes_too_slowly_is_given_up(api: "Api", monkeypatch: pytest.MonkeyPatch) -> None:
    async def never() -> Any:
        yield b'{"handler": '
        await asyncio.Event().wait()

    monkeypatch.setattr("jobsched.web.gate.BODY_SECONDS", 0.01)

    assert refused(api, content=never(), headers=JSON) == (408, "too_slow")


def test_where_no_token_is_needed_nothing_is_done_for_those_behind_a_proxy(api: "Api", guarded: "Api") -> None:
    for header in ("X-Forwarded-For", "Forwarded"):
        assert api.problem("GET", "/api/jobs", headers={header: "for=10.1.2.3"})["code"] == "forwarded"
        assert guarded.problem("GET", "/api/jobs", headers={header: "for=10.1.2.3"})["code"] == "token"
