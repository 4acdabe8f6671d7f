"""What a payload may hold: JSON that every database and every program reads back as it was written."""

import json
import math
from collections.abc import Iterable, Iterator
from typing import Any

from jobsched.config.diagnostics import Step
from jobsched.config.messages import Finding

MAX_PAYLOAD_BYTES = 1024 * 1024
MAX_PAYLOAD_DEPTH = 32
_INT64 = range(-(2**63), 2**63)
_LOWEST, _HIGHEST = _INT64[0], _INT64[-1]
#: So many pairs of texts of such a length are far from too large.
_A_FEW, _SHORT = 16, 1024
# Six bytes is what the longest escape of one character takes.
_SURELY_SMALL = MAX_PAYLOAD_BYTES // 6


def payload_findings(payload: Any, path: tuple[Step, ...] = ("payload",)) -> Iterable[Finding]:
    """What is wrong with a JSON value from a file: numbers that are none, too deep, too large."""
    return () if _is_plainly_sound(payload) else _all_findings(payload, path)


def _all_findings(payload: Any, path: tuple[Step, ...]) -> Iterator[Finding]:
    size = 0
    waiting: list[tuple[Any, tuple[Step, ...]]] = [(payload, path)]
    while waiting:
        value, at = waiting.pop()
        if isinstance(value, str):
            size += len(value) + 2
        elif isinstance(value, dict | list):
            if len(at) - len(path) > MAX_PAYLOAD_DEPTH:
                yield Finding(at, f"nested deeper than {MAX_PAYLOAD_DEPTH} levels")
                return
            size += 2 + 2 * len(value)
            pairs = value.items() if isinstance(value, dict) else enumerate(value)
            for key, each in pairs:
                size += len(key) + 2 if isinstance(key, str) else 0
                waiting.append((each, (*at, key)))
        else:
            size += 24
            yield from _number(value, at)
    if size > _SURELY_SMALL and _json_size(payload) > MAX_PAYLOAD_BYTES:
        yield Finding(
            path, "larger than 1 MiB as JSON", "keep the data elsewhere, and name its place here", of_key=True
        )


def _is_plainly_sound(payload: Any) -> bool:
    """Cheap: most payloads are a few texts and whole numbers."""
    if payload.__class__ is not dict or len(payload) > _A_FEW:
        return False
    for key, value in payload.items():
        kind = value.__class__
        if kind is int:
            if not _LOWEST <= value <= _HIGHEST:
                return False
        elif not (kind is bool or value is None or (kind is str and len(value) <= _SHORT)):
            return False
        if key.__class__ is not str or len(key) > _SHORT:
            return False
    return True


def _number(value: Any, at: tuple[Step, ...]) -> Iterator[Finding]:
    if isinstance(value, float) and not math.isfinite(value):
        yield Finding(at, f"{value} is no number that JSON knows", "quote it if it is meant as text")
    elif isinstance(value, int) and value not in _INT64:
        yield Finding(at, "a whole number of more than 64 bits", "quote it")


def _json_size(payload: Any) -> int:
    return len(json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode())
