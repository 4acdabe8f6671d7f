"""What every request passes before anything is made of it: Host, token, role, origin, kind and size of the body."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jobsched.clock import Clock
from jobsched.model.audit import Actor, Via
from jobsched.web.access import Access, Caller, Role
from jobsched.web.bodies import MOST_BYTES, check_json
from jobsched.web.pages import site
from jobsched.web.problems import Problem
from jobsched.web.sessions import COOKIE, Sessions

log = logging.getLogger("jobsched")

#: Asked by those who have no token: whether the server is there. They tell nothing else.
UNGUARDED = frozenset({"/healthz", "/readyz"})
#: Documents are sent to be looked at: nothing is changed, so reading is all it takes, and YAML is what they are.
READING_POSTS = frozenset({"/api/validate", "/api/plan"})
YAML_TYPES = frozenset({"application/yaml", "application/x-yaml", "text/yaml"})
#: The last part of the paths by which what is declared is operated; whatever else changes something is an admin's.
OPERATIONS = frozenset({"pause", "resume", "trigger", "cancel", "requeue", "reschedule"})
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
#: So many wrong tokens of one address within so many seconds, and none of it is looked at for as long.
_MOST_FAILURES, _FAILURE_SECONDS = 10, 60.0
_MOST_ADDRESSES = 1000
#: So long may a body take to come.
BODY_SECONDS = 30.0


class Asked(NamedTuple):
    """What is known of a request before its body is read. `query` is as it was sent."""

    method: str
    path: str
    headers: Headers
    query: bytes

    @property
    def is_page(self) -> bool:
        return site.is_page(self.path)

    @property
    def session(self) -> str | None:
        """The cookie of somebody who has logged in, or says so."""
        return cookie_parser(self.headers.get("cookie", "")).get(COOKIE)

    @property
    def reads(self) -> bool:
        return self.method in _READING or (self.method == "POST" and self.path in READING_POSTS)

    @property
    def needs(self) -> Role:
        """Whose it is to ask for this."""
        if self.reads:
            return Role.READ
        operates = self.method == "POST" and self.path.rpartition("/")[2] in OPERATIONS
        return Role.OPERATE if operates else Role.ADMIN

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


def check_host(asked: Asked, access: Access) -> None:
    """Raise Problem for a request to another name: a site whose name was made to lead here (DNS rebinding)."""
    hosts = asked.headers.getlist("host")
    if len(hosts) != 1 or not access.serves(hosts[0]):
        raise Problem(
            400, "host", "this server does not go by that name; settings.api.hosts lists those that it does go by"
        )


def check_address(asked: Asked) -> None:
    """Raise Problem for one that holds what not every database can be asked for."""
    if "\0" in asked.path or b"%00" in asked.query:
        raise Problem(400, "address", "the address holds NUL, which nothing here has in its name")


def check_forwarded(asked: Asked, access: Access) -> None:
    """Raise Problem for what a proxy passes on where nobody needs a token: that is for this machine alone."""
    if access.open and ("x-forwarded-for" in asked.headers or "forwarded" in asked.headers):
        raise Problem(
            403, "forwarded", "a proxy asks for somebody, and this server has no token: set JOBSCHED_API_TOKEN"
        )


def check_role(asked: Asked, caller: Caller | None) -> None:
    """Raise Problem for one that its token does not entitle to."""
    if caller is None:
        raise Problem(401, "token", "a bearer token is needed", headers={"WWW-Authenticate": "Bearer"})
    if not caller.role.includes(asked.needs):
        raise Problem(403, "role", f"this takes the role {asked.needs}, and the token has {caller.role}")


def check_origin(asked: Asked) -> None:
    """Raise Problem for a change that a page of another site asks for."""
    origin, fetched = asked.headers.get("origin"), asked.headers.get("sec-fetch-site")
    host = asked.headers.get("host", "").lower()
    foreign = origin is not None and urlsplit(origin).netloc.lower() != host
    if foreign or fetched not in (None, "same-origin", "none"):
        raise Problem(403, "origin", "this comes from a page of another site")


def check_content(asked: Asked) -> None:
    """Raise Problem for a body that is not of a kind that only programs send: no form of a page can."""
    if asked.is_page:
        if asked.content_type != site.FORM_TYPE:
            raise Problem(415, "content_type", "a page takes its own forms alone; programs use /api")
        return
    takes_yaml = asked.path in READING_POSTS
    if asked.method == "DELETE" or asked.content_type == "application/json":
        return
    if not takes_yaml or asked.content_type not in YAML_TYPES:
        wanted = "application/yaml" if takes_yaml else "application/json"
        raise Problem(415, "content_type", f"send it as Content-Type: {wanted}, also where the body is empty")


class Gate:
    """ASGI middleware: what is refused reaches nothing behind it."""

    def __init__(
        self,
        app: ASGIApp,
        access: Access,
        sessions: Sessions,
        failures: "Failures",
        refusal: Callable[[Asked, Problem], Response],
    ) -> None:
        """`refusal`: what is answered where a request is refused."""
        self._app, self._access, self._sessions = app, access, sessions
        self._failures, self._refusal = failures, refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked = Asked(scope["method"], scope["path"], Headers(scope=scope), scope["query_string"])
        address = (scope.get("client") or ("unknown",))[0]
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = {**_HEADERS, **(site.HEADERS if asked.is_page else {})}
                there = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *(
                        (name.encode(), value.encode())
                        for name, value in headers.items()
                        if name.lower().encode() not in there
                    ),
                ]
            await send(message)

        try:
            caller = self._admit(asked, address)
            body = await _body_in_time(asked, receive)
            form = self._form(asked, body)
        except Problem as problem:
            log.warning("refused %s %r of %s: %s", asked.method, asked.path, address, problem.detail)
            await self._refusal(asked, problem)(scope, receive, answer)
            return
        by = self._named(asked, caller, address)
        actor = Actor(by=by, via=Via.DASHBOARD if asked.is_page else Via.HTTP)
        name, role = caller or (None, None)
        state = {"actor": actor, "caller": name, "role": role, "form": form, "body": body, "session": asked.session}
        scope.setdefault("state", {}).update(state)
        await self._app(scope, _replayed(body, receive), answer)
        if not asked.reads:
            log.info("%s %r by %s: %d", asked.method, asked.path, by, status)

    def _named(self, asked: Asked, caller: Caller | None, address: str) -> str:
        """`api-ci@10.0.0.9`, `web@127.0.0.1` where nobody is asked for a token."""
        way = "web" if asked.is_page else "api"
        if self._access.open:
            return f"{way}@{address}"
        return f"{way}-{'nobody' if caller is None else caller.name}@{address}"

    def _admit(self, asked: Asked, address: str) -> Caller | None:
        check_host(asked, self._access)
        check_address(asked)
        check_forwarded(asked, self._access)
        if asked.path in UNGUARDED and asked.method in _READING:
            return None
        self._failures.check(address)
        caller = self._access.caller(_authorization(asked))
        if caller is None and "authorization" in asked.headers:
            self._failures.note(address)
        if caller is None and asked.is_page:
            caller = self._sessions.caller(asked.session)
        if not site.needs_nobody(asked.path):
            check_role(asked, caller)
        if asked.method not in _READING:
            check_origin(asked)
            check_content(asked)
        return caller

    def _form(self, asked: Asked, body: bytes) -> dict[str, str]:
        """What a form holds. Raises Problem, also for one that no page of ours has made."""
        if not asked.is_page or asked.method in _READING:
            return {}
        form = site.form_of(body)
        if not self._sessions.is_form_key(form.get(site.KEY_FIELD, ""), asked.session):
            raise Problem(403, "form_key", "this form is of an earlier session; load its page anew, and send it again")
        return form


def _authorization(asked: Asked) -> bytes | None:
    given = asked.headers.getlist("authorization")
    return given[0].encode("latin-1") if len(given) == 1 else None


async def _body_in_time(asked: Asked, receive: Receive) -> bytes:
    """Raises Problem, also for one that comes byte by byte."""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _body(asked, receive)
    except TimeoutError:
        detail = f"the body did not come within {BODY_SECONDS:g} s"
        raise Problem(408, "too_slow", detail, headers={"Connection": "close"}) from None


async def _body(asked: Asked, receive: Receive) -> bytes:
    """All of it, if it is not too large and sound; raises Problem."""
    if asked.method in _READING:
        return b""
    length = asked.headers.get("content-length", "0")
    # Said to be too large: not a byte of it is read.
    if not length.isdecimal() or int(length[:20]) > MOST_BYTES:
        raise _too_large()
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MOST_BYTES:
            raise _too_large()
        if not message.get("more_body", False):
            break
    body = b"".join(parts)
    if not asked.is_page and asked.content_type not in YAML_TYPES and asked.path not in READING_POSTS:
        check_json(body)
    return body


def _too_large() -> Problem:
    return Problem(413, "too_large", f"the body is larger than {MOST_BYTES:,} bytes", headers={"Connection": "close"})


def _replayed(body: bytes, receive: Receive) -> Receive:
    """What has been read, once more; then whatever comes, which is that the client has gone."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


class Failures:
    """Wrong tokens, by the address they came from; used by one thread alone."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._noted: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def note(self, address: str) -> None:
        count, since = self._of(address)
        self._noted[address] = count + 1, since
        self._noted.move_to_end(address)
        if len(self._noted) > _MOST_ADDRESSES:
            self._noted.popitem(last=False)

    def check(self, address: str) -> None:
        """Raise Problem if there were too many of late."""
        count, since = self._of(address)
        if count >= _MOST_FAILURES:
            rest = max(1, round(since + _FAILURE_SECONDS - self._clock.monotonic()))
            detail = "too many wrong tokens came from this address; wait"
            raise Problem(429, "too_many_failures", detail, headers={"Retry-After": str(rest)})

    def _of(self, address: str) -> tuple[int, float]:
        now = self._clock.monotonic()
        count, since = self._noted.get(address, (0, now))
        return (count, since) if now - since < _FAILURE_SECONDS else (0, now)
