"""The server: a socket, uvicorn on it, and an end that no open stream holds up."""

import logging
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from jobsched.web.app import Web
from jobsched.web.patience import PatientProtocol

log = logging.getLogger("jobsched")

#: Requests under way at the end get so long.
_GRACE_SECONDS = 3


def listen(host: str, port: int) -> socket.socket:
    """A socket that takes connections from now on. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=512)


class Server(uvicorn.Server):
    """Serves until `stop`; signals are for whoever runs it to heed."""

    def __init__(self, web: Web, listening: socket.socket, *, trusted_proxies: Sequence[str] = ()) -> None:
        """`trusted_proxies`: addresses and networks whose word on clients is taken; else nobody's."""
        super().__init__(
            uvicorn.Config(
                web.asgi if trusted_proxies else Unheeded(web.asgi),
                http=PatientProtocol,
                log_config=None,
                access_log=False,
                lifespan="off",
                ws="none",
                server_header=False,
                proxy_headers=bool(trusted_proxies),
                forwarded_allow_ips=list(trusted_proxies),
                timeout_graceful_shutdown=_GRACE_SECONDS,
            )
        )
        self._web, self._listening = web, listening
        self._thread: threading.Thread | None = None

    @property
    def address(self) -> str:
        """`127.0.0.1:8321`, `[::1]:8321`."""
        host, port = self._listening.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def serve_until_stopped(self) -> None:
        """In this thread."""
        self.run(sockets=[self._listening])

    def start(self) -> None:
        """In a thread of its own."""
        self._thread = threading.Thread(target=self.serve_until_stopped, name="jobsched-http", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Only sets a flag, so a signal handler may call it."""
        self.should_exit = True

    def join(self) -> None:
        """After `start` and `stop`: until it has ended, or its grace has passed."""
        if self._thread is not None:
            self._thread.join(_GRACE_SECONDS + 1)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """None: uvicorn would raise them again once it has ended, and the process end by them."""
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._web.streams.end()
        await super().shutdown(sockets)


class Unheeded:
    """ASGI middleware: says once that a proxy's word is not taken, since all its clients then have one address."""

    def __init__(self, app: ASGIApp) -> None:
        self._app, self._said = app, False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._said and any(name == b"x-forwarded-for" for name, _ in scope.get("headers", ())):
            self._said = True
            sender = (scope.get("client") or ("unknown",))[0]
            log.warning(
                "%s says by X-Forwarded-For for whom it asks, which is not believed; if it is your proxy: "
                "serve --trust-proxy %s",
                sender,
                sender,
            )
        await self._app(scope, receive, send)
