"""What a payload may be: a JSON object of at most 1 MiB."""

import json
import math
from collections.abc import Mapping, Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any, Protocol, cast
from uuid import UUID

from jobsched.errors import PayloadError

LARGEST_PAYLOAD = 1024 * 1024
_LOOKED_INTO = 100
#: Payloads that are written together: where all of them are no larger than one may be, none of them is.
_TOGETHER = 1000


#: Faster than `json.dumps`, which makes one at each call that asks for anything but the defaults. What contains itself is
#: found by the depth it has: to note each part that is under way takes a third of the time.
_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":"))


#: What to give of values that people have, and JSON has not.
_INSTEAD = (
    (date | time, "value.isoformat()"),
    (timedelta, "value.total_seconds()"),
    (UUID | Decimal, "str(value)"),
    (bytes | bytearray, "it as text, as base64 or the like"),
    (set | frozenset, "sorted(value)"),
)


class Payload(dict[str, Any]):
    """A payload that has been looked at, with what it is as JSON: whoever stores it need not write that anew."""

    __slots__ = ("text",)

    def __init__(self, given: Mapping[str, Any], text: str) -> None:
        super().__init__(given)
        self.text = text


class Model(Protocol):
    """A pydantic model, as far as it matters here: pydantic itself is not imported."""

    def model_dump(self, *, mode: str) -> dict[str, Any]: ...


def payload_of(given: Mapping[str, Any] | Model | None) -> Payload:
    """What is given as a payload; a model's fields, as it turns them into JSON. Raises PayloadError."""
    payload = _object(given)
    return Payload(payload, _checked_text(payload))


def payloads_of(given: Sequence[Mapping[str, Any] | Model | None]) -> tuple[Sequence[Mapping[str, Any]], str]:
    """The same of many, and their JSON as that of a list: written together, which takes a third of the time.

    Raises PayloadError, which does not say which of them is meant.
    """
    payloads = cast("Sequence[Mapping[str, Any]]", given)
    if set(map(type, given)) != {dict}:
        payloads = [_object(one) for one in given]
    parts = (_checked_texts(payloads[start : start + _TOGETHER]) for start in range(0, len(payloads), _TOGETHER))
    return payloads, f"[{','.join(parts)}]"


def _checked_texts(payloads: Sequence[Mapping[str, Any]]) -> str:
    """With commas between."""
    text, size = _text_and_size(payloads)
    return text[1:-1] if size <= LARGEST_PAYLOAD else ",".join(map(_checked_text, payloads))


def _object(given: Mapping[str, Any] | Model | None) -> Mapping[str, Any]:
    if type(given) is dict:  # most are, and to ask whether it is a mapping takes as long as to write it
        return given
    if given is None:
        return {}
    if not isinstance(given, Mapping) and hasattr(given, "model_dump"):
        try:
            given = given.model_dump(mode="json")
        except ValueError as error:
            raise PayloadError(f"the model cannot be turned into JSON: {error}") from None
    if not isinstance(given, Mapping):
        raise PayloadError(f"a payload is a JSON object, not {type(given).__name__}")
    return given


def check_payload_size(payload: Mapping[str, Any]) -> None:
    """Raise PayloadError if this is no JSON object, or larger than 1 MiB as UTF-8 JSON."""
    _checked_text(_object(payload))


def _checked_text(payload: Mapping[str, Any]) -> str:
    text, size = _text_and_size(payload)
    if size > LARGEST_PAYLOAD:
        raise PayloadError(
            f"the payload has {size:,} bytes as JSON; at most {LARGEST_PAYLOAD:,} are kept: "
            "store it elsewhere, and pass where it is"
        )
    return text


def _text_and_size(payload: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> tuple[str, int]:
    """Its JSON, and how many bytes that is."""
    try:
        text = _encoder.encode(payload)
        return text, len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError:
        raise PayloadError("the payload holds a lone surrogate: it is no valid text") from None
    except RecursionError:
        raise PayloadError("the payload is no JSON: it contains itself, or is nested too deep") from None
    except (TypeError, ValueError) as error:
        raise PayloadError(f"the payload is no JSON: {_culprit(payload, 'payload', 0) or error}") from None


def _culprit(value: Any, place: str, depth: int) -> str | None:
    """Where the first thing is that JSON cannot hold, and what to give instead."""
    if depth > _LOOKED_INTO:
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return f"{place} is {value}; pass None or a text instead"
    if isinstance(value, Mapping):
        parts = [(f"{place}[{key!r}]", each) for key, each in value.items()]
    elif isinstance(value, list | tuple):
        parts = [(f"{place}[{index}]", each) for index, each in enumerate(value)]
    elif value is None or isinstance(value, str | int | float):
        return None
    else:
        instead = next((how for kind, how in _INSTEAD if isinstance(value, kind)), None)
        return f"{place} is of type {type(value).__name__}{f': pass {instead}' if instead else ''}"
    return next((found for at, each in parts if (found := _culprit(each, at, depth + 1))), None)
