"""Performs HTTP calls: one request, no redirects, a bounded answer, stopped by closing its connection."""

import ipaddress
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from jobsched._version import __version__
from jobsched.errors import HandlerTimeoutError, HttpError
from jobsched.handlers.cancel import CancelToken
from jobsched.model.handler import HttpHandler
from jobsched.model.text import storable

if TYPE_CHECKING:
    import httpx

    from jobsched.handlers.call import Call
    from jobsched.handlers.secrets import Secrets

_MAX_BODY = 1024 * 1024
_EXCERPT = 10_000
_CONNECT_SECONDS = 30.0
#: Without a timeout of the job: how long nothing may come.
_SILENCE_SECONDS = 600.0
_METHODS_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
#: Where clouds hand out a machine's credentials; the last two are Alibaba's and Azure's.
_REFUSED = tuple(
    ipaddress.ip_network(text)
    for text in ("169.254.0.0/16", "fe80::/10", "fd00:ec2::254/128", "100.100.100.200/32", "168.63.129.16/32")
)
#: IPv6 addresses whose last 32 bits are an IPv4 address: NAT64, and IPv4-compatible ones.
_CARRYING_IPV4 = tuple(ipaddress.ip_network(text) for text in ("64:ff9b::/96", "::/96"))


def http_missing() -> str | None:
    """Why HTTP calls cannot be performed in this installation; None if they can. Imports nothing."""
    if find_spec("httpx") is not None:
        return None
    return "HTTP calls need httpx, which is not installed: pip install 'jobsched[http]'"


def perform_http(call: "Call", handler: HttpHandler, secrets: "Secrets") -> dict[str, Any]:
    """Make the call; `{"status", "body", "truncated"}` with the first 10 kB of the body as text.

    Raises HttpError with status and body if the answer is not as expected or does not come; HandlerTimeoutError or
    HandlerCancelledError if it was stopped. Messages show the URL as declared: resolved it may hold secrets.
    """
    if problem := http_missing():
        raise HttpError(problem)
    import httpx

    method = _method(call, handler)
    shown = f"{method} {handler.url}"
    url = secrets.resolve(handler.url)
    _refuse_url(url, shown)
    hangup = _Hangup(call.cancel)
    try:
        with hangup.armed(), _client(call.cancel) as client:
            request = client.build_request(
                method,
                url,
                headers=_headers(call, handler, method, secrets),
                content=_content(call, handler, method, secrets),
                extensions={"trace": hangup.trace},
            )
            status, body = _answer(client, request)
    except HttpError:
        raise
    except (httpx.LocalProtocolError, httpx.InvalidURL, UnicodeError):
        # Its own text would show the header or the URL with its secrets resolved, and so would a chain to it.
        raise HttpError(f"{shown}: the URL or a header has characters that HTTP does not allow") from None
    except (httpx.HTTPError, httpx.StreamError, OSError) as error:
        call.cancel.check()
        if isinstance(error, httpx.TimeoutException) and (call.cancel.remaining or 1.0) <= 0:
            raise HandlerTimeoutError(f"{shown}: not answered when the timeout of the attempt passed") from error
        raise HttpError(f"{shown}: {_why_no_answer(error)}") from error
    call.cancel.check()
    call.cancel.ends()
    return _judged(call, handler, shown, status, body, secrets)


# -- the request


def _method(call: "Call", handler: HttpHandler) -> str:
    """As declared; else POST if there is something to send, GET if not."""
    return handler.method or ("GET" if handler.json is None and not call.payload else "POST")


def _refuse_url(url: str, shown: str) -> None:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise HttpError(f"{shown}: the URL cannot be read") from None
    if parts.scheme not in ("http", "https") or not host:
        raise HttpError(f"{shown}: only http:// and https:// URLs with a host are called")
    # Names that only a proxy knows are its business; httpx says so of all others.
    with suppress(OSError, UnicodeError):
        for *_, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            refuse_address(str(address[0]), shown)


def refuse_address(address: str, shown: str) -> None:
    found = ipaddress.ip_address(address.partition("%")[0])
    if any(each in network for each in (found, _carried(found)) if each is not None for network in _REFUSED):
        raise HttpError(f"{shown}: {address} is a link-local or metadata address, which is never called")


def _carried(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 address leads to."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if any(address in network for network in _CARRYING_IPV4):
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour


def _client(cancel: CancelToken) -> "httpx.Client":
    import httpx

    remaining = cancel.remaining
    connect, silence = _CONNECT_SECONDS, _SILENCE_SECONDS
    if remaining is not None:
        silence = max(remaining, 0.001)
        connect = min(connect, silence)
    return httpx.Client(timeout=httpx.Timeout(silence, connect=connect), follow_redirects=False)


def _headers(call: "Call", handler: HttpHandler, method: str, secrets: "Secrets") -> "httpx.Headers":
    import httpx

    headers = httpx.Headers(
        {
            "user-agent": f"jobsched/{__version__}",
            # Not compressed: a small body could otherwise unfold into a huge one.
            "accept-encoding": "identity",
            "idempotency-key": call.idempotency_key,
        }
    )
    if _has_body(handler, method):
        headers["content-type"] = "application/json"
    headers.update({name: secrets.resolve(value) for name, value in handler.headers.items()})
    return headers


def _has_body(handler: HttpHandler, method: str) -> bool:
    return handler.json is not None or method.upper() in _METHODS_WITH_BODY


def _content(call: "Call", handler: HttpHandler, method: str, secrets: "Secrets") -> bytes | None:
    """`json` with its variables resolved; else the payload, which is data and is sent as it is."""
    import json

    if not _has_body(handler, method):
        return None
    body = dict(call.payload) if handler.json is None else _resolved(handler.json, secrets)
    return json.dumps(body, separators=(",", ":")).encode()


def _resolved(value: Any, secrets: "Secrets") -> Any:
    match value:
        case str():
            return secrets.resolve(value)
        case Mapping():
            return {key: _resolved(item, secrets) for key, item in value.items()}
        case list() | tuple():
            return [_resolved(item, secrets) for item in value]
        case _:
            return value


class _Hangup:
    """Ends the connection when the attempt is cancelled: closing a client from another thread does not wake its recv."""

    def __init__(self, cancel: CancelToken) -> None:
        self._cancel = cancel
        self._lock = threading.Lock()
        self._socket: Any = None

    @contextmanager
    def armed(self) -> Iterator[None]:
        forget = self._cancel.on_cancel(self._hang_up)
        try:
            yield
        finally:
            forget()

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """A hook of httpx: told of the connection before anything is sent on it."""
        if event not in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            return
        stream = info["return_value"]
        if (peer := stream.get_extra_info("server_addr")) is not None:
            # Looked at again: a name may resolve to another address than a moment ago.
            try:
                refuse_address(str(peer[0]), "the address that was connected to")
            except HttpError:
                stream.close()
                raise
        with self._lock:
            self._socket = stream.get_extra_info("socket")
        if self._cancel.cancelled:
            self._hang_up()

    def _hang_up(self) -> None:
        with self._lock:
            if self._socket is not None:
                # Of the plain socket: the TLS one would first take away what the reading thread holds.
                with suppress(OSError):
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


# -- the answer


def _answer(client: "httpx.Client", request: "httpx.Request") -> tuple[int, bytes]:
    response = client.send(request, stream=True)
    try:
        body = bytearray()
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > _MAX_BODY:
                break
        return response.status_code, bytes(body[: _MAX_BODY + 1])
    finally:
        response.close()


def _judged(
    call: "Call", handler: HttpHandler, shown: str, status: int, body: bytes, secrets: "Secrets"
) -> dict[str, Any]:
    text, truncated = _excerpt(body, secrets)
    size = f"{len(body):,} bytes" if len(body) <= _MAX_BODY else "more than 1 MiB"
    call.log.write("log", f"{shown}: {status}, {size}\n")
    if _is_expected(status, handler.expect):
        return {"status": status, "body": text, "truncated": truncated}
    if text:
        call.log.write("log", text if text.endswith("\n") else text + "\n")
    wanted = f"expected {', '.join(map(str, handler.expect))}" if handler.expect else "expected 2xx"
    hint = " (redirects are not followed: declare the final URL)" if 300 <= status < 400 else ""
    raise HttpError(f"{shown}: answered {status}, {wanted}{hint}" + (f":\n{text[:1000]}" if text else ""), status)


def _excerpt(body: bytes, secrets: "Secrets") -> tuple[str, bool]:
    """The first 10 kB as text, and whether there is more. Redacted first: of a secret cut in two the half would stay."""
    whole = body.decode("utf-8", "replace")
    if len(body) > _MAX_BODY:
        whole = whole[: secrets.settled(whole)]
    redacted = storable(secrets.redact(whole)).encode()
    truncated = len(redacted) > _EXCERPT or len(body) > _MAX_BODY
    return redacted[:_EXCERPT].decode("utf-8", "ignore"), truncated


def _is_expected(status: int, expect: tuple[int, ...]) -> bool:
    return status in expect if expect else 200 <= status < 300


def _why_no_answer(error: Exception) -> str:
    name = type(error).__name__
    return f"{name}: {error}" if str(error) else name
