"""The server on a real socket: those who hold a place and ask for nothing."""

import socket
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from jobsched.client import Client
from jobsched.store.open import open_store
from jobsched.web import patience
from jobsched.web.access import Access, Role, Token
from jobsched.web.app import Web
from jobsched.web.server import Server, listen

GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture
def connect(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., socket.socket]]:
    """A connection on which something has been sent."""
    monkeypatch.setattr(patience, "MOST_CONNECTIONS", 3)
    with Client(open_store(sqlite_url)) as client:
        server = Server(Web(client, Access()), listen("127.0.0.1", 0))
        server.start()
        host, port = server.address.split(":")
        opened: list[socket.socket] = []

        def connect(sent: bytes = b"") -> socket.socket:
            connection = socket.create_connection((host, int(port)), timeout=20)
            opened.append(connection)
            with suppress(ConnectionError):  # the server may have seen enough
                connection.sendall(sent)
            return connection

        yield connect
        for connection in opened:
            connection.close()
        server.stop()
        server.join()
        client.store.close()


def answered(connection: socket.socket) -> bytes:
    """All that comes until the server ends the connection; empty if nothing does."""
    parts = []
    with suppress(ConnectionResetError):
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def test_52_headers_that_never_end_or_are_too_large_end_the_connection_and_others_are_served(
    connect: Callable[..., socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Short where it is waited for, long where a machine that is busy must not make it pass.
    monkeypatch.setattr(patience, "HEAD_SECONDS", 0.1)
    ends = [answered(connection) for connection in (connect(), connect(GET + b"X: 1"))]
    monkeypatch.setattr(patience, "HEAD_SECONDS", 60.0)
    large = answered(connect(GET + b"X: " + b"x" * 100_000))
    whole = answered(connect(GET + b"Connection: close\r\n\r\n"))
    again = connect(GET + b"\r\n")
    first = again.recv(65536)
    monkeypatch.setattr(patience, "HEAD_SECONDS", 0.1)
    again.sendall(GET + b"X: 1")

    assert ends == [b"", b""]
    assert large[:13] in (b"HTTP/1.1 400 ", b"")
    assert whole.startswith(b"HTTP/1.1 200 OK")
    assert first.startswith(b"HTTP/1.1 200 OK")
    assert b"HTTP/1.1 2" not in answered(again)


@pytest.mark.parametrize(("trusted", "seen"), [((), "127.0.0.1"), (("127.0.0.0/8",), "10.1.2.3")])
def test_a_proxys_word_on_who_asks_is_taken_only_if_it_is_trusted(
    sqlite_url: str, caplog: pytest.LogCaptureFixture, trusted: tuple[str, ...], seen: str
) -> None:
    """The last one is what a trusted proxy has added; whoever asked may have written the others."""
    asked = b"Connection: close\r\nX-Forwarded-For: 6.6.6.6, 10.1.2.3\r\nAuthorization: Bearer wrong\r\n\r\n"
    with Client(open_store(sqlite_url)) as client:
        access = Access(tokens=(Token("admin", Role.ADMIN, "a" * 40),))
        server = Server(Web(client, access), listen("127.0.0.1", 0), trusted_proxies=trusted)
        server.start()
        host, port = server.address.split(":")
        for _ in range(2):
            with socket.create_connection((host, int(port)), timeout=20) as connection:
                connection.sendall(b"GET /api/jobs HTTP/1.1\r\nHost: localhost\r\n" + asked)
                assert answered(connection).startswith(b"HTTP/1.1 401")
        server.stop()
        server.join()
        client.store.close()

    refused = [record.message for record in caplog.records if "refused" in record.message]
    assert [f"of {seen}:" in message for message in refused] == [True, True]
    assert sum("serve --trust-proxy 127.0.0.1" in record.message for record in caplog.records) == (not trusted)


def test_52_only_so_many_connections_are_open_at_once(connect: Callable[..., socket.socket]) -> None:
    kept = [connect(GET + b"\r\n") for _ in range(3)]
    held = [connection.recv(65536) for connection in kept]

    beyond = answered(connect())

    assert all(answer.startswith(b"HTTP/1.1 200 OK") for answer in held)
    assert beyond == b""
