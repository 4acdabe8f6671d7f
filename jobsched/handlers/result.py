"""What a handler returned, as a JSON value that every store can keep."""

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from jobsched.errors import ResultError
from jobsched.model.text import storable

MAX_BYTES = 1024 * 1024
_MAX_DEPTH = 100


def json_result(value: Any) -> Any:
    """A JSON value of its own, at most 1 MiB: datetimes, Decimals, UUIDs, dataclasses, models and the like are turned.

    NUL and lone surrogates in texts are made visible. Raises ResultError with the type and the place of what JSON
    cannot hold.
    """
    if value is None or value is True or value is False:
        return value
    result = _json(value, "result", 0)
    _check_size(result)
    return result


def _json(value: Any, place: str, depth: int) -> Any:
    if depth > _MAX_DEPTH:
        raise ResultError(f"{_short(place)} is nested more than {_MAX_DEPTH} levels deep, or contains itself")
    kind = type(value)
    if kind is str:
        return storable(value)
    if kind is bool or kind is int or value is None:
        return value
    if kind is float:
        if math.isfinite(value):
            return value
        raise ResultError(f"{place} is {value}, which JSON cannot hold; return None or a text instead")
    if kind is dict:
        return {_key(key, place): _json(item, f"{place}[{key!r}]", depth + 1) for key, item in value.items()}
    if kind is list or kind is tuple:
        return [_json(item, f"{place}[{index}]", depth + 1) for index, item in enumerate(value)]
    return _json(_turned(value, place), place, depth + 1)


def _key(key: Any, place: str) -> str:
    if type(key) is str:
        return storable(key)
    turned = _turned({key: None}, f"a key of {place}")
    [text] = turned
    return storable(str(text))


def _turned(value: Any, place: str) -> Any:
    """What pydantic makes of it: of plain types only, but perhaps with NaN or NUL in it."""
    from pydantic_core import to_jsonable_python

    # pydantic would read an iterator to its end, which some do not have.
    if isinstance(value, Iterator):
        raise ResultError(
            f"{place} is of type {_type_name(value)}, which JSON cannot hold; "
            "return a list of its items (a handler with `yield` never runs its body)"
        )
    try:
        turned = to_jsonable_python(value)
    except Exception as error:  # models bring serializers of their own, and these may raise anything
        raise ResultError(
            f"{place} is of type {_type_name(value)}, which cannot be turned into JSON: {_reason(error)}"
        ) from error
    # Types that pydantic leaves as they are (subclasses of dict, str, int ...) become the plain ones here.
    return _plain(turned, place)


def _plain(value: Any, place: str) -> Any:
    for plain in (str, bool, int, float):
        if isinstance(value, plain):
            return plain(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, list | tuple):
        return list(value)
    if value is None:
        return None
    raise ResultError(f"{place} is of type {_type_name(value)}, which JSON cannot hold")


def _check_size(result: Any) -> None:
    try:
        size = len(json.dumps(result, ensure_ascii=False, separators=(",", ":")).encode())
    except ValueError as error:  # an integer of more digits than Python writes
        raise ResultError(f"the result cannot be written as JSON: {error}") from error
    if size > MAX_BYTES:
        raise ResultError(
            f"the result has {size:,} bytes as JSON, more than 1 MiB; store it elsewhere and return where"
        )


def _type_name(value: Any) -> str:
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _reason(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__


def _short(place: str) -> str:
    return place if len(place) <= 80 else f"{place[:80]}…"
