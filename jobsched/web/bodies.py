"""Bodies of requests: how large, and what JSON may hold so that every database and program reads it back as it was sent."""

import json
import math
from typing import Any

from jobsched.model.text import storable
from jobsched.web.problems import Problem

#: A payload has 1 MiB at most; this is that, escaped by whoever is generous with escapes, with the rest of its run.
MOST_BYTES = 2 * 1024 * 1024
#: Of a payload 32 levels, and what stands around it.
MOST_LEVELS = 36
_LEAST, _MOST = -(2**63), 2**63 - 1
_LONGEST_NUMBER = 20


def check_json(body: bytes) -> None:
    """Raise Problem unless this is JSON within bounds; an empty body is none, and left to whoever needs one."""
    if not body:
        return
    try:
        value = json.loads(
            body.decode("utf-8"), parse_constant=_no_number, parse_int=_whole_number, parse_float=_number
        )
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:
        raise Problem(400, "not_json", f"the body is no JSON: {error}") from None
    _check_parts(value)


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number that JSON knows")


def _whole_number(digits: str) -> int:
    # The length first: reading very many digits takes very long.
    if len(digits) > _LONGEST_NUMBER or not _LEAST <= (number := int(digits)) <= _MOST:
        raise Problem(422, "invalid", "a whole number of more than 64 bits; send it as text")
    return number


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise Problem(422, "invalid", "a number beyond what 64 bits hold; send it as text")
    return number


def _check_parts(value: Any) -> None:
    waiting = [(value, 1)]
    while waiting:
        part, level = waiting.pop()
        if isinstance(part, str):
            _check_text(part)
        elif isinstance(part, dict):
            for key in part:
                _check_text(key)
        if isinstance(part, dict | list):
            if level > MOST_LEVELS:
                raise _too_deep()
            waiting += [(each, level + 1) for each in (part.values() if isinstance(part, dict) else part)]


def _check_text(text: str) -> None:
    if storable(text) != text:
        raise Problem(422, "invalid", "a text holds NUL or a lone surrogate, which no database keeps")


def _too_deep() -> Problem:
    return Problem(422, "invalid", f"the body is nested deeper than {MOST_LEVELS} levels")
