"""The HTTP API in this process: no server, no socket. Whatever it answers is held to what its OpenAPI says."""

import asyncio
import functools
import json
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute
from pydantic import TypeAdapter
from starlette.routing import Match
from tests.web.apps import a_web

from jobsched.client import Client
from jobsched.config.load import check_sources
from jobsched.config.sources import Source
from jobsched.store.open import open_store
from jobsched.sync.apply import sync
from jobsched.testing.clock import FakeClock
from jobsched.web.access import Access, Role, Token
from jobsched.web.problems import MEDIA_TYPE

ADMIN, OPERATE, READ = "a" * 40, "o" * 40, "r" * 40
GUARDED = Access(
    tokens=(Token("admin", Role.ADMIN, ADMIN), Token("ci", Role.OPERATE, OPERATE), Token("read", Role.READ, READ))
)
JOBS = """
version: 1
settings: {queues: {mail: {limit: 2}, small: {max_queued: 1}}}
jobs:
  hourly:
    description: Look after <things>
    shell: ls
    cron: "0 * * * *"
    tags: [ops]
  send: {handler: mail.send, queue: mail, owner: ann, payload: {to: x}}
"""


@functools.cache
def adapter_of(model: Any) -> TypeAdapter[Any]:
    return TypeAdapter(model)


class Api:
    """Asks the application, and checks that status and shape of each answer are documented."""

    def __init__(self, client: Client, clock: FakeClock, access: Access) -> None:
        self.client, self.clock, self.access = client, clock, access
        self.web = a_web(client, access, clock)

    def ask(self, method: str, path: str, **given: Any) -> httpx.Response:
        answer = self.send(method, path, **given)
        self._check(method, answer)
        return answer

    def send(
        self, method: str, path: str, *, host: str = "localhost", raising: bool = True, **given: Any
    ) -> httpx.Response:
        """Of pages too: they are not documented."""

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.web.asgi, raise_app_exceptions=raising)
            async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as http:
                return await http.request(method, path, **given)

        return asyncio.run(ask())

    def get(self, path: str, **given: Any) -> Any:
        answer = self.ask("GET", path, **given)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Any = None, status: int = 200) -> Any:
        given = {"content": b"", "headers": {"content-type": "application/json"}} if body is None else {"json": body}
        answer = self.ask("POST", path, **given)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    def problem(self, method: str, path: str, **given: Any) -> dict[str, Any]:
        answer = self.ask(method, path, **given)
        assert answer.status_code >= 400, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def follow(self, path: str, until: str, headers: Mapping[str, str] | None = None) -> list[tuple[str, Any]]:
        """Kind and data of the events of a stream, up to the first of kind `until`; then the server is told to end."""

        self.web = a_web(self.client, self.access, self.clock)  # one that has not been told to end

        async def follow() -> list[tuple[str, Any]]:
            parts: list[bytes] = []

            async def send(message: Any) -> None:
                parts.append(message.get("body", b""))
                if f"event: {until}\n".encode() in b"".join(parts):
                    self.web.streams.end()

            async def receive() -> Any:
                await asyncio.Event().wait()

            given = [(b"host", b"localhost"), *((k.encode(), v.encode()) for k, v in (headers or {}).items())]
            target, _, query = path.partition("?")
            scope = {
                "type": "http",
                "asgi": {"version": "3.0", "spec_version": "2.4"},
                "http_version": "1.1",
                "method": "GET",
                "path": target,
                "raw_path": target.encode(),
                "query_string": query.encode(),
                "headers": given,
                "scheme": "http",
                "server": ("localhost", 80),
                "client": ("127.0.0.1", 1),
                "root_path": "",
            }
            await asyncio.wait_for(self.web.asgi(scope, receive, send), 30)
            return events_of(b"".join(parts).decode())

        return asyncio.run(follow())

    def _check(self, method: str, answer: httpx.Response) -> None:
        assert answer.headers["x-content-type-options"] == "nosniff"
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == MEDIA_TYPE
            assert "Traceback" not in answer.text
        scope = {"type": "http", "method": method, "path": answer.url.path, "root_path": "", "headers": []}
        for route in routes_of(self.web.app.routes):
            if route.matches(scope)[0] is Match.FULL:
                documented = {**self.web.app.router.responses, **route.responses}
                assert answer.status_code in documented, f"{method} {answer.url} answers {answer.status_code}"
                model = documented[answer.status_code].get("model")
                if model is not None and answer.headers["content-type"].endswith("json"):
                    adapter_of(model).validate_python(answer.json(), strict=True)
                return


def routes_of(routes: Any) -> Iterator[APIRoute]:
    """Those of routers that are included too, which FastAPI keeps as they are."""
    for route in routes:
        if isinstance(route, APIRoute):
            yield route
        else:
            yield from routes_of(getattr(getattr(route, "original_router", route), "routes", ()))


def events_of(text: str) -> list[tuple[str, Any]]:
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if line and not line.startswith(":"))
        if "event" in fields:
            found.append((fields["event"], json.loads(fields["data"])))
    return found


def declare(client: Client, text: str) -> None:
    loaded = check_sources([Source("jobs.yaml", text.encode())])
    assert loaded.state is not None, loaded.diagnostics
    sync(client.store, loaded.state, applied_by="ann@desk", allow_delete=True)


@pytest.fixture
def client(database_url: str, clock: FakeClock) -> Iterator[Client]:
    with Client(open_store(database_url, clock=clock), clock=clock) as made:
        declare(made, JOBS)
        yield made
        made.store.close()


@pytest.fixture
def sqlite_client(sqlite_url: str, clock: FakeClock) -> Iterator[Client]:
    """The same, for what does not hang on the database."""
    with Client(open_store(sqlite_url, clock=clock), clock=clock) as made:
        declare(made, JOBS)
        yield made
        made.store.close()


@pytest.fixture
def api(client: Client, clock: FakeClock) -> Api:
    """Without tokens, as on a loopback address."""
    return Api(client, clock, Access())


@pytest.fixture
def guarded(client: Client, clock: FakeClock) -> Api:
    """With a token for each role."""
    return Api(client, clock, GUARDED)
