"""What a payload may be: a JSON object of at most 1 MiB."""

import json
import math
from collections.abc import Mapping
from datetime import date, time
from typing import Any, Protocol, cast

from jobsched.errors import PayloadError

LARGEST_PAYLOAD = 1024 * 1024
_LOOKED_INTO = 100


class Model(Protocol):
    """A pydantic model, as far as it matters here: pydantic itself is not imported."""

    def model_dump(self, *, mode: str) -> dict[str, Any]: ...


def payload_of(given: Mapping[str, Any] | Model | None) -> Mapping[str, Any]:
    """What is given as a payload; a model's fields, as it turns them into JSON. Raises PayloadError."""
    if given is None:
        return {}
    if not isinstance(given, Mapping) and hasattr(given, "model_dump"):
        try:
            given = given.model_dump(mode="json")
        except ValueError as error:
            raise PayloadError(f"the model cannot be turned into JSON: {error}") from None
    payload = cast("Mapping[str, Any]", given)
    check_payload_size(payload)
    return payload


def check_payload_size(payload: Mapping[str, Any]) -> None:
    """Raise PayloadError if this is no JSON object, or larger than 1 MiB as UTF-8 JSON."""
    if not isinstance(payload, Mapping):
        raise PayloadError(f"a payload is a JSON object, not {type(payload).__name__}")
    try:
        size = len(json.dumps(payload, ensure_ascii=False, allow_nan=False).encode())
    except UnicodeEncodeError:
        raise PayloadError("the payload holds a lone surrogate: it is no valid text") from None
    except (TypeError, ValueError, RecursionError) as error:
        raise PayloadError(f"the payload is no JSON: {_culprit(payload, 'payload', 0) or error}") from None
    if size > LARGEST_PAYLOAD:
        raise PayloadError(
            f"the payload has {size:,} bytes as JSON; at most {LARGEST_PAYLOAD:,} are kept: "
            "store it elsewhere, and pass where it is"
        )


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
        hint = ": pass value.isoformat()" if isinstance(value, date | time) else ""
        return f"{place} is of type {type(value).__name__}{hint}"
    return next((found for at, each in parts if (found := _culprit(each, at, depth + 1))), None)
