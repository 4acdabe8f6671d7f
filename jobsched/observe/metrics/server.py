"""The server that a node answers scrapes with: one page, and a word for those who ask for another."""

import logging
import socket
import socketserver
import threading
from collections.abc import Callable, Collection, Iterable
from typing import Any, ClassVar
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from jobsched.hosts import host_name, is_address
from jobsched.observe.metrics.metric import Scrape

log = logging.getLogger("jobsched")

#: Who connects and says nothing is let go after so many seconds.
_SILENCE_SECONDS = 10
_TEXT = "text/plain; charset=utf-8"

_Start = Callable[[str, list[tuple[str, str]]], object]


class MetricsServer:
    """Takes connections once it is made, and answers them from `start` to `close`."""

    def __init__(self, host: str, port: int, scrape: Scrape, hosts: Collection[str] = ()) -> None:
        """`scrape`: from a header Accept to a text and its type. `hosts`: see `serves`. Raises OSError."""
        self._server = _Server((host, port), ":" in host)
        self._server.set_app(application(scrape, hosts))

    @property
    def address(self) -> str:
        """`127.0.0.1:9464`, `[::1]:9464`."""
        host, port = self._server.socket.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, name="jobsched-metrics-server", daemon=True).start()

    def close(self) -> None:
        """After `start`."""
        self._server.shutdown()
        self._server.server_close()


def application(scrape: Scrape, hosts: Collection[str] = ()) -> Callable[[dict[str, Any], _Start], Iterable[bytes]]:
    """The WSGI application, for a server of one's own."""

    def answer(environ: dict[str, Any], start: _Start) -> Iterable[bytes]:
        status, body, kind = _answer(environ, scrape, hosts)
        start(
            status, [("Content-Type", kind), ("Content-Length", str(len(body))), ("X-Content-Type-Options", "nosniff")]
        )
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    return answer


def serves(host: str, also: Collection[str]) -> bool:
    """Whether the header `Host` is answered: for localhost, any IP address, and the names of `also`; `*` is every name."""
    name = host_name(host)
    return name == "localhost" or name in also or "*" in also or is_address(name)


def _answer(environ: dict[str, Any], scrape: Scrape, hosts: Collection[str]) -> tuple[str, bytes, str]:
    if not serves(environ.get("HTTP_HOST", ""), hosts):
        return "400 Bad Request", b"this server does not go by that name; jobsched run --metrics-host NAME\n", _TEXT
    if environ.get("PATH_INFO") != "/metrics":
        return "404 Not Found", b"there is /metrics alone\n", _TEXT
    if environ["REQUEST_METHOD"] not in {"GET", "HEAD"}:
        return "405 Method Not Allowed", b"metrics are read by GET\n", _TEXT
    try:
        return "200 OK", *scrape(environ.get("HTTP_ACCEPT", ""))
    except (
        Exception
    ):  # a collector of the program's may raise anything; the node is to go on, and the next scrape to be tried
        log.exception("metrics could not be gathered")
        return "500 Internal Server Error", b"metrics could not be gathered; the node's log says why\n", _TEXT


class _Handler(WSGIRequestHandler):
    timeout: ClassVar[float] = _SILENCE_SECONDS

    def log_message(self, *_: Any) -> None:
        """A scrape is no event."""

    def address_string(self) -> str:
        # Without asking the name server who that is.
        return str(self.client_address[0])


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 32

    def __init__(self, address: tuple[str, int], v6: bool) -> None:
        self.address_family = socket.AF_INET6 if v6 else socket.AF_INET
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        # As the base does, which would ask the name server for this machine's name.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "localhost", self.server_address[1]
        self.setup_environ()

    def handle_error(self, *_: Any) -> None:
        """Who goes away in the middle of an answer is no news."""
