"""Connections that hold a place and ask for nothing: how long they are waited for, and how many there may be at once."""

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

#: So long may the first line and the headers of a request take.
HEAD_SECONDS = 10.0
#: Beyond it new ones are closed at once: a node must not run out of file descriptors.
MOST_CONNECTIONS = 500


class PatientProtocol(H11Protocol):
    """One connection. Uvicorn itself ends those that are silent between two requests, not those that never end one."""

    _given_up_at: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
        else:
            self._wait()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop_waiting()
        elif self._given_up_at is None:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._given_up_at = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._given_up_at is not None:
            self._given_up_at.cancel()
            self._given_up_at = None
