"""Who is let in, and what is looked at before anything is made of it."""

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from jobsched.client import Client
from jobsched.store.open import open_store
from jobsched.testing.clock import FakeClock
from jobsched.web.access import Access, Role
from jobsched.web.bodies import MOST_BYTES

if TYPE_CHECKING:
    from tests.web.conftest import Api

ADMIN, READ = "a" * 40, "r" * 40
JSON = {"content-type": "application/json"}
RUN = b'{"handler": "a"}'


def bearer(token: str) -> dict[str, str]:
    return {**JSON, "authorization": f"Bearer {token}"}


@pytest.fixture
def client(sqlite_url: str, clock: FakeClock) -> Iterator[Client]:
    """What the gate refuses reaches no database, so one of them serves."""
    with Client(open_store(sqlite_url, clock=clock), clock=clock) as made:
        yield made
        made.store.close()


def refused(api: "Api", method: str = "POST", path: str = "/api/runs", content: bytes = RUN, **given: Any) -> Any:
    """Status and code; nothing may have been stored."""
    problem = api.problem(method, path, content=content, **given)
    assert api.client.runs() == []
    return problem["status"], problem["code"]


@pytest.mark.parametrize(
    ("authorization", "role"),
    [
        (f"Bearer {ADMIN}", Role.ADMIN),
        (f"bearer {READ}", Role.READ),
        (f"Bearer {ADMIN}x", None),
        ("Bearer", None),
        ("Bearer ", None),
        (f"Basic {ADMIN}", None),
        (ADMIN, None),
        ("Bearer \u00e4\u00f6", None),
        (None, None),
    ],
)
def test_a_token_is_good_for_its_role(authorization: str | None, role: Role | None) -> None:
    access = Access(admin_token=ADMIN, read_token=READ)

    assert access.role_of(None if authorization is None else authorization.encode()) == role
    assert ADMIN not in repr(access)


def test_without_tokens_everybody_is_an_admin() -> None:
    assert Access().role_of(None) is Role.ADMIN


def test_with_a_token_to_read_alone_nobody_acts() -> None:
    access = Access(read_token=READ)

    assert (access.role_of(None), access.role_of(f"Bearer {READ}".encode())) == (None, Role.READ)


def test_an_address_is_served_where_others_reach_it_and_a_name_never_unless_listed() -> None:
    local, open_to_others = Access(), Access(admin_token=ADMIN, hosts=frozenset({"jobs.example"}), any_address=True)

    assert local.serves("127.0.0.1:8321")
    assert not local.serves("10.0.0.5")
    assert open_to_others.serves("10.0.0.5:8321")
    assert open_to_others.serves("jobs.example")
    assert not open_to_others.serves("evil.com")
    assert not open_to_others.serves(None)


@pytest.mark.parametrize(("method", "path"), [("GET", "/api/runs"), ("GET", "/healthz"), ("POST", "/api/runs")])
def test_a_name_that_was_bent_to_lead_here_is_refused(api: "Api", method: str, path: str) -> None:
    assert refused(api, method, path, host="evil.com", headers=JSON) == (400, "host")


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
