"""What one attempt wrote: lines with time and number, bounded, ready for the store."""

import threading
from datetime import datetime

from jobsched.clock import Clock
from jobsched.model.run import LogLine
from jobsched.model.text import storable

MAX_LINE_BYTES = 8192
MAX_ATTEMPT_BYTES = 1024 * 1024
#: What a line costs beside its text: so that empty lines are not free.
LINE_BYTES = 32
#: Room in a line for saying how much of it was cut.
_CUT_BYTES = 64

# Guards the first write of any attempt; most write nothing, and then have neither a lock nor a buffer of their own.
# Reentrant, as all locks here: collecting garbage may run a destructor that prints, in the midst of our own write.
_first_write = threading.RLock()


class RunLog:
    """One attempt's log: any thread writes, one drains. Costs next to nothing until something is written."""

    __slots__ = ("_buffer", "_closed", "attempt", "clock", "run_id")

    def __init__(self, run_id: int, attempt: int, clock: Clock) -> None:
        self.run_id, self.attempt, self.clock = run_id, attempt, clock
        self._buffer: _Buffer | None = None
        self._closed = False

    def write(self, stream: str, text: str) -> None:
        """Add text, whole lines or parts of them; never raises, and does nothing once closed."""
        if self._closed or not text:
            return
        if self._buffer is None:
            with _first_write:
                if self._buffer is None:
                    self._buffer = _Buffer(self.run_id, self.attempt)
        self._buffer.write(stream, text, self.clock.now())

    def drain(self) -> list[LogLine]:
        """The whole lines since the last drain, oldest first."""
        return [] if self._buffer is None else self._buffer.drain()

    def close(self) -> list[LogLine]:
        """The rest: also lines without an end and, if the attempt wrote too much, a line that says how much was dropped."""
        self._closed = True
        return [] if self._buffer is None else self._buffer.close(self.clock.now())


class _Buffer:
    """The lines of an attempt that has written something."""

    def __init__(self, run_id: int, attempt: int) -> None:
        self._run_id, self._attempt = run_id, attempt
        self._lock = threading.RLock()
        self._lines: list[LogLine] = []
        self._begun: dict[str, _Begun] = {}
        self._seq = 0
        self._room = MAX_ATTEMPT_BYTES
        self._dropped_lines = self._dropped_characters = 0
        self._full = self._closed = False

    def write(self, stream: str, text: str, now: datetime) -> None:
        with self._lock:
            if self._closed:
                return
            start = 0
            # Looked for one by one, not split: a text may be huge, and after the limit it is only counted.
            while not self._full and (end := text.find("\n", start)) >= 0:
                self._end_line(stream, text[start : min(end, start + MAX_LINE_BYTES + 1)], end - start, now)
                start = end + 1
            if self._full:
                self._drop(text, start)
            elif start < len(text):
                self._begin(stream, text, start)

    def drain(self) -> list[LogLine]:
        with self._lock:
            lines, self._lines = self._lines, []
            return lines

    def close(self, now: datetime) -> list[LogLine]:
        with self._lock:
            for stream, begun in list(self._begun.items()):
                if begun.length and self._full:
                    self._dropped_lines += 1
                    self._dropped_characters += begun.length
                elif begun.length:
                    self._end_line(stream, "", 0, now)
            self._closed = True
            if self._full:
                self._append("log", self._dropped_text(), now)
            return self.drain()

    def _begin(self, stream: str, text: str, start: int) -> None:
        begun = self._begun.setdefault(stream, _Begun())
        begun.add(text[start : start + MAX_LINE_BYTES + 1], len(text) - start)

    def _end_line(self, stream: str, text: str, length: int, now: datetime) -> None:
        begun = self._begun.get(stream)
        if begun is not None and begun.length:
            begun.add(text, length)
            text, length = begun.take()
        line = _bounded(text, length)
        cost = len(line.encode()) + LINE_BYTES
        if cost > self._room:
            self._full = True
            self._dropped_lines += 1
            self._dropped_characters += length
            return
        self._room -= cost
        self._append(stream, line, now)

    def _append(self, stream: str, text: str, now: datetime) -> None:
        self._lines.append(LogLine(self._run_id, self._attempt, self._seq, now, stream, text))
        self._seq += 1

    def _drop(self, text: str, start: int) -> None:
        self._dropped_lines += text.count("\n", start)
        self._dropped_characters += len(text) - start

    def _dropped_text(self) -> str:
        return (
            f"[the log of an attempt holds 1 MiB: {self._dropped_lines:,} more lines "
            f"({self._dropped_characters:,} characters) were dropped]"
        )


class _Begun:
    """A line without its end: as much of it as is kept, and its whole length."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._kept = 0
        self.length = 0

    def add(self, text: str, length: int) -> None:
        self.length += length
        if text and self._kept <= MAX_LINE_BYTES:
            self._parts.append(text)
            self._kept += len(text)

    def take(self) -> tuple[str, int]:
        text, length = "".join(self._parts), self.length
        self._parts, self._kept, self.length = [], 0, 0
        return text, length


def _bounded(text: str, length: int) -> str:
    """At most 8 kB of a line whose whole length this is, storable; it says how much was cut."""
    text = storable(text.removesuffix("\r"))
    if length <= MAX_LINE_BYTES and len(text) * 4 <= MAX_LINE_BYTES:
        return text
    encoded = text.encode()
    if length <= MAX_LINE_BYTES and len(encoded) <= MAX_LINE_BYTES:
        return text
    kept = encoded[: MAX_LINE_BYTES - _CUT_BYTES].decode("utf-8", "ignore")
    return f"{kept}… [{max(length - len(kept), 1):,} more characters]"
