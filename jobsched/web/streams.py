"""Server-sent events: their text, how many streams may be open, and that none holds up the end of the server."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from starlette.responses import StreamingResponse

from jobsched.clock import Clock
from jobsched.web.problems import Problem

MEDIA_TYPE = "text/event-stream"
_MOST_STREAMS = 100
#: After so long without an event a comment is sent: proxies cut silent connections, and a reader that has gone is noticed.
_SILENCE_SECONDS = 15.0


def event(kind: str, data: Any, id_: str | None = None) -> str:
    """One event; JSON has no line breaks of its own, so its data is one line."""
    number = "" if id_ is None else f"id: {id_}\n"
    return f"{number}event: {kind}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


class Streams:
    """All open streams of a server. Used in its event loop alone."""

    def __init__(self, clock: Clock, most: int = _MOST_STREAMS) -> None:
        self._clock, self._most, self._open = clock, most, 0
        self._ending = asyncio.Event()

    @property
    def ending(self) -> bool:
        return self._ending.is_set()

    def end(self) -> None:
        """Every stream ends at its next breath."""
        self._ending.set()

    async def pause(self, seconds: float) -> bool:
        """Wait for so long; True if the server ends meanwhile."""
        try:
            await asyncio.wait_for(self._ending.wait(), seconds)
        except TimeoutError:
            return False
        return True

    def response(self, events: AsyncIterator[str]) -> StreamingResponse:
        """Raises Problem if too many are open."""
        if self._open >= self._most:
            raise Problem(
                503, "too_many_streams", f"{self._most} streams are open already", headers={"Retry-After": "10"}
            )
        return StreamingResponse(self._kept_alive(events), media_type=MEDIA_TYPE, headers={"X-Accel-Buffering": "no"})

    async def _kept_alive(self, events: AsyncIterator[str]) -> AsyncIterator[str]:
        """An empty text means that there was nothing to tell; a comment is sent instead, now and then."""
        # Counted here: of a response whose reader has gone before it began, nothing is ever run.
        self._open += 1
        spoke = self._clock.monotonic()
        try:
            async for text in events:
                now = self._clock.monotonic()
                if text or now - spoke >= _SILENCE_SECONDS:
                    spoke = now
                    yield text or ":\n\n"
        finally:
            self._open -= 1
