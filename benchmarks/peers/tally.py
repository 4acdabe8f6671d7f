"""What workers have performed, and when, in memory that they share with the bench: counting asks no database.

Words of 64 bits: for each of `WORKERS` how many it has performed and when its first began; then for each number that is
timed when it had been enqueued, and when its handler began. Instants are those of the monotonic clock, which all
processes of a machine share.
"""

import itertools
import json
import mmap
import time
from collections.abc import Callable
from pathlib import Path

WORKERS = 16
_HEAD = 2 * WORKERS


class Tally:
    def __init__(self, path: str | Path, numbers: int = 0, *, create: bool = False) -> None:
        if create:
            Path(path).write_bytes(bytes(8 * (_HEAD + 2 * numbers)))
        with Path(path).open("r+b") as file:
            self._words = memoryview(mmap.mmap(file.fileno(), 0)).cast("Q")
        self._numbers = (len(self._words) - _HEAD) // 2

    def performer(self, slot: int) -> Callable[[object], None]:
        """What a worker's handler calls, with the payload or its number; as little as can be done."""
        words, counts, place, timed = self._words, itertools.count(1), 2 * slot, bool(self._numbers)

        def performed(given: object) -> None:
            if timed:
                words[_HEAD + self._numbers + number_of(given)] = time.monotonic_ns()
            count = next(counts)
            if count == 1:
                words[place + 1] = time.monotonic_ns()
            words[place] = count

        return performed

    def enqueued(self, number: int) -> None:
        self._words[_HEAD + number] = time.monotonic_ns()

    @property
    def performed(self) -> int:
        """Threads may overwrite each other's count with their own, so a few may be missing at the end."""
        return sum(self._words[:_HEAD:2])

    @property
    def first(self) -> int | None:
        """When the first of all handlers began."""
        return min((began for began in self._words[1:_HEAD:2] if began), default=None)

    def shares(self, workers: int) -> list[int]:
        return list(self._words[: 2 * workers : 2])

    def latencies(self) -> list[float]:
        """In milliseconds from enqueued to begun, of those that have begun; never less than nothing."""
        sent = self._words[_HEAD : _HEAD + self._numbers]
        begun = self._words[_HEAD + self._numbers :]
        return [max(0, began - at) / 1e6 for at, began in zip(sent, begun, strict=True) if began and at]


def number_of(given: object) -> int:
    if isinstance(given, int):
        return given
    payload = json.loads(given) if isinstance(given, bytes | str) else given
    return int(payload["n"])  # type: ignore[index]


def payload(number: int) -> dict[str, object]:
    """100 bytes of JSON."""
    made: dict[str, object] = {"n": number, "text": ""}
    made["text"] = "x" * (100 - len(json.dumps(made)))
    return made
