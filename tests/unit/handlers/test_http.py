import http.server
import io
import ipaddress
import json
import logging
import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jobsched.errors import HandlerCancelledError, HandlerTimeoutError, HttpError
from jobsched.handlers import http as http_handler
from jobsched.handlers.call import current_log
from jobsched.handlers.http import http_missing
from jobsched.model.handler import HttpHandler
from jobsched.observe.capture import Capture

from .conftest import Bench

InThread = Callable[[Callable[[], Any]], Callable[[], Any]]


class Server(http.server.ThreadingHTTPServer):
    """Answers as told, and remembers what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.status, self.body = 200, b'{"ok": true}'
        self.headers: dict[str, str] = {}
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        self.reached, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Answering(http.server.BaseHTTPRequestHandler):
    server: Server

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.asked.append((self.command, self.path, headers, body))
        self.server.reached.set()
        self.server.go_on.wait(30)
        try:
            self.send_response(self.server.status)
            for name, value in self.server.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(self.server.body)
        except OSError:
            pass  # the caller has hung up

    do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - the names that http.server calls

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield running
        running.go_on.set()
        running.shutdown()
        thread.join(30)


def test_the_payload_is_posted_as_json(bench: Bench, server: Server) -> None:
    result = bench.perform(HttpHandler(server.url + "/hook"), payload={"to": "grün"})

    [(method, path, headers, body)] = server.asked
    assert (method, path, json.loads(body)) == ("POST", "/hook", {"to": "grün"})
    assert headers["content-type"] == "application/json"
    assert result == {"status": 200, "body": '{"ok": true}', "truncated": False}


def test_declared_json_is_sent_instead_with_its_variables_resolved(bench: Bench, server: Server) -> None:
    body = {"token": "${SECRET}", "list": ["${SECRET}", 1, None]}

    bench.perform(HttpHandler(server.url, json=body), payload={"ignored": 1})

    assert json.loads(server.asked[0][3]) == {"token": "s3cret", "list": ["s3cret", 1, None]}


def test_variables_in_the_payload_are_data(bench: Bench, server: Server) -> None:
    bench.perform(HttpHandler(server.url), payload={"text": "${SECRET}"})

    assert json.loads(server.asked[0][3]) == {"text": "${SECRET}"}


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_methods_without_a_body_send_none(bench: Bench, server: Server, method: str) -> None:
    bench.perform(HttpHandler(server.url, method), payload={"a": 1})

    assert (server.asked[0][0], server.asked[0][3]) == (method, b"")


def test_url_and_headers_are_resolved_late_and_not_shown(bench: Bench, server: Server) -> None:
    bench.perform(HttpHandler(server.url + "/${SECRET}", headers={"Authorization": "Bearer ${SECRET}"}))

    _, path, headers, _ = server.asked[0]
    assert (path, headers["authorization"]) == ("/s3cret", "Bearer s3cret")
    assert bench.log.text("log") == f"GET {server.url}/${{SECRET}}: 200, 12 bytes\n"


@pytest.mark.parametrize(
    ("declared", "payload", "sent"),
    [
        ({}, {}, ("GET", b"")),
        ({}, {"a": 1}, ("POST", b'{"a":1}')),
        ({"json": {}}, {}, ("POST", b"{}")),
        ({"json": [1]}, {"a": 1}, ("POST", b"[1]")),
        ({"method": "POST"}, {}, ("POST", b"{}")),
        ({"method": "GET"}, {"a": 1}, ("GET", b"")),
    ],
)
def test_without_a_method_what_there_is_to_send_is_posted_and_else_it_is_a_get(
    bench: Bench, server: Server, declared: dict[str, Any], payload: dict[str, Any], sent: tuple[str, bytes]
) -> None:
    bench.perform(HttpHandler(server.url, **declared), payload=payload)

    [(method, _, _, body)] = server.asked
    assert (method, body) == sent


def test_what_the_client_logs_reaches_neither_the_runs_log_nor_the_nodes(
    bench: Bench, server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    node = io.StringIO()
    monkeypatch.setattr(logging.root, "handlers", [logging.StreamHandler(node)])
    caplog.set_level(logging.DEBUG)
    capture = Capture(current_log.get)
    capture.install()

    bench.perform(HttpHandler(server.url + "/?tok=${SECRET}"))
    logging.getLogger("httpx").info("outside of a call")
    capture.uninstall()

    assert node.getvalue() == "outside of a call\n"
    assert bench.log.written == [("log", f"GET {server.url}/?tok=${{SECRET}}: 200, 12 bytes\n")]


def test_a_secret_that_is_echoed_is_not_kept_in_the_result(bench: Bench, server: Server) -> None:
    server.body = b'{"headers": {"Authorization": "Bearer s3cret"}}'

    result = bench.perform(HttpHandler(server.url, headers={"Authorization": "Bearer ${SECRET}"}))

    assert result["body"] == '{"headers": {"Authorization": "Bearer ${SECRET}"}}'


def test_a_secret_that_is_echoed_is_not_kept_of_a_failure(bench: Bench, server: Server) -> None:
    server.status, server.body = 500, b"no such token: s3cret"

    with pytest.raises(HttpError, match="answered 500") as raised:
        bench.perform(HttpHandler(server.url + "/500?tok=${SECRET}"))

    assert str(raised.value).endswith("\nno such token: ${SECRET}")
    assert bench.log.text("log").endswith("\nno such token: ${SECRET}\n")
    assert "s3cret" not in str(bench.log.written)


def test_a_refusal_carries_its_status(bench: Bench, server: Server) -> None:
    server.status = 503

    with pytest.raises(HttpError) as raised:
        bench.perform(HttpHandler(server.url))

    assert raised.value.status == 503


@pytest.mark.parametrize("place", [9_997, 1024 * 1024 - 3])
def test_a_secret_where_the_answer_is_cut_leaves_no_part_of_it(bench: Bench, server: Server, place: int) -> None:
    # All before it is secret too and shrinks, so that the end of what is read may be within what is kept.
    bench.environ["LONG"] = "y" * 9_000 + "z"
    before = b"x" * (place % 9_001) + bench.environ["LONG"].encode() * (place // 9_001)
    server.body = before + b"s3cret" + b"x" * 100_000

    result = bench.perform(HttpHandler(server.url, headers={"X": "${SECRET}", "Y": "${LONG}"}))

    assert result["truncated"] is True
    assert "s3c" not in result["body"]


def test_a_server_that_speaks_no_http_but_echoes_shows_no_secret(bench: Bench, server: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def echo() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.sendall(connection.recv(65536))

        thread = threading.Thread(target=echo, daemon=True)
        thread.start()
        with pytest.raises(HttpError, match=r"RemoteProtocolError.*\$\{SECRET\}") as raised:
            bench.perform(HttpHandler(f"http://127.0.0.1:{listening.getsockname()[1]}/${{SECRET}}"))
        thread.join(30)

    assert "s3cret" not in "".join(traceback.format_exception(raised.value))


def test_the_key_of_the_run_makes_repeats_recognisable(bench: Bench, server: Server) -> None:
    bench.perform(HttpHandler(server.url))
    bench.perform(HttpHandler(server.url, headers={"idempotency-key": "mine"}))

    assert [headers["idempotency-key"] for _, _, headers, _ in server.asked] == ["jobsched-7", "mine"]


@pytest.mark.parametrize(("status", "expect"), [(204, ()), (404, (200, 404)), (302, (302,))])
def test_expected_codes_succeed(bench: Bench, server: Server, status: int, expect: tuple[int, ...]) -> None:
    server.status, server.body = status, b""

    assert bench.perform(HttpHandler(server.url, expect=expect))["status"] == status


@pytest.mark.parametrize(
    ("status", "expect", "words"),
    [
        (500, (), r"answered 500, expected 2xx:\nwent wrong"),
        (200, (201, 202), r"answered 200, expected 201, 202:\nwent wrong"),
    ],
)
def test_another_code_is_an_error_with_an_excerpt(
    bench: Bench, server: Server, status: int, expect: tuple[int, ...], words: str
) -> None:
    server.status, server.body = status, b"went wrong"

    with pytest.raises(HttpError, match=words):
        bench.perform(HttpHandler(server.url, expect=expect))

    assert bench.log.text("log").endswith("went wrong\n")


def test_redirects_are_not_followed(bench: Bench, server: Server) -> None:
    server.status, server.headers = 302, {"Location": server.url + "/elsewhere"}

    with pytest.raises(HttpError, match=r"answered 302.*redirects are not followed"):
        bench.perform(HttpHandler(server.url))

    assert len(server.asked) == 1


def test_of_a_long_answer_10_kb_are_kept(bench: Bench, server: Server) -> None:
    server.body = b"x" * 50_000

    result = bench.perform(HttpHandler(server.url))

    assert (len(result["body"]), result["truncated"]) == (10_000, True)


def test_an_endless_answer_is_not_read_to_its_end(bench: Bench, server: Server) -> None:
    server.body = b"x" * 3_000_000

    assert bench.perform(HttpHandler(server.url))["truncated"] is True
    assert "more than 1 MiB" in bench.log.text("log")


def test_an_answer_that_no_store_could_keep_is_made_visible(bench: Bench, server: Server) -> None:
    server.body = b"a\x00b\xff"

    assert bench.perform(HttpHandler(server.url))["body"] == "a\\u0000b\ufffd"


def test_nobody_listening_is_an_error_that_hides_secrets(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]

        with pytest.raises(HttpError, match="ConnectError") as raised:
            bench.perform(HttpHandler(f"http://127.0.0.1:{port}/${{SECRET}}"))

    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://example.com/", "only http:// and https://"),
        ("file:///etc/passwd", "only http:// and https://"),
        ("example.com", "only http:// and https://"),
        ("http://", "only http:// and https://"),
        ("http://[::1", "cannot be read"),
        ("http://localhost:99999/", "cannot be read"),
        ("http://169.254.169.254/latest/meta-data/", "169.254.169.254 is a link-local or metadata address"),
        ("http://2852039166/", "169.254.169.254 is a link-local"),
        ("http://[fe80::1]/", "fe80::1 is a link-local"),
        ("http://[::ffff:169.254.169.254]/", "is a link-local"),
        ("http://[64:ff9b::169.254.169.254]/", "is a link-local"),
        ("http://[::169.254.169.254]/", "is a link-local"),
        ("http://[2002:a9fe:a9fe::]/", "is a link-local"),
        ("http://100.100.100.200/latest/", "is a link-local or metadata address"),
        ("http://[fd00:ec2::254]/", "is a link-local or metadata address"),
    ],
)
def test_some_urls_are_never_called(bench: Bench, url: str, words: str) -> None:
    with pytest.raises(HttpError, match=words):
        bench.perform(HttpHandler(url))


def test_a_name_that_resolves_to_another_address_the_second_time_is_caught(
    bench: Bench, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_handler, "_refuse_url", lambda *_: None)
    monkeypatch.setattr(http_handler, "_REFUSED", (ipaddress.ip_network("127.0.0.0/8"),))

    with pytest.raises(HttpError, match=r"127\.0\.0\.1 is a link-local or metadata address"):
        bench.perform(HttpHandler(server.url))

    assert server.asked == []


@pytest.mark.parametrize("headers", [{"X": "a\nb${SECRET}"}, {"X": "ü${SECRET}"}, {"a b": "${SECRET}"}])
def test_characters_that_http_does_not_allow_are_refused_without_showing_secrets(
    bench: Bench, server: Server, headers: dict[str, str]
) -> None:
    with pytest.raises(HttpError, match="characters that HTTP does not allow") as raised:
        bench.perform(HttpHandler(server.url, headers=headers))

    assert raised.value.__cause__ is None
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(("reason", "error"), [("timeout", HandlerTimeoutError), ("shutdown", HandlerCancelledError)])
def test_a_call_is_stopped_while_it_waits_for_its_answer(
    bench: Bench, server: Server, in_thread: InThread, reason: Any, error: type[Exception]
) -> None:
    server.go_on.clear()
    result = in_thread(lambda: bench.perform(HttpHandler(server.url)))
    assert server.reached.wait(30)

    bench.cancel.cancel(reason)

    with pytest.raises(error):
        result()


def test_a_call_that_is_stopped_before_it_is_connected_sends_nothing(
    bench: Bench, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_handler, "_refuse_url", lambda *_: bench.cancel.cancel("cancelled"))

    with pytest.raises(HandlerCancelledError):
        bench.perform(HttpHandler(server.url))

    assert server.asked == []


def test_the_deadline_ends_a_call_that_nobody_stops(bench: Bench, server: Server) -> None:
    server.go_on.clear()
    bench.cancel.deadline = bench.cancel._clock.monotonic() + 0.1

    with pytest.raises(HandlerTimeoutError, match="not answered when the timeout of the attempt passed"):
        bench.perform(HttpHandler(server.url))


def test_without_httpx_the_message_says_what_to_install(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    assert http_missing() is None
    monkeypatch.setattr("jobsched.handlers.http.find_spec", lambda _: None)

    assert "pip install 'jobsched[http]'" in str(http_missing())
    with pytest.raises(HttpError, match="httpx, which is not installed"):
        bench.perform(HttpHandler("http://localhost/"))
