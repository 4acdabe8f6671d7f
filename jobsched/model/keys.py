"""Concurrency keys: runs of a namespace that have the same one share a limit."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from jobsched.model.text import storable

#: Characters of a key, which databases index, and of one that is declared: a reference's has room for values.
LONGEST_KEY = 200
LONGEST_DECLARED_KEY = 100
_REFERS = "payload."
_REFERENCE = re.compile(r"payload(?:\.[A-Za-z_][A-Za-z0-9_-]*)+")


def refers(key: str) -> bool:
    """Whether a declared key stands for a field of the payload: then each value of it is a key of its own."""
    return key.startswith(_REFERS)


def is_reference(key: str) -> bool:
    """Whether it is a well-formed reference, like `payload.region` or `payload.customer.id`."""
    return _REFERENCE.fullmatch(key) is not None


def field_of(key: str, payload: Mapping[str, Any]) -> Any:
    """The value that a reference leads to; None where the payload has none."""
    value: Any = payload
    for step in key.removeprefix(_REFERS).split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def key_for(declared: str, payload: Mapping[str, Any]) -> str:
    """The key of a run that has this payload: `payload.region` becomes `payload.region=eu`.

    A number or a bool counts by its JSON text; what is no scalar, or is not there, as `null`.
    """
    if not refers(declared):
        return declared
    key = f"{declared}={_text_of(field_of(declared, payload))}"
    if len(key) <= LONGEST_KEY:
        return key
    return f"{declared}=sha256:{hashlib.sha256(key.encode()).hexdigest()}"


def declared_for(key: str) -> str | None:
    """The reference whose declared limit holds for the key of a run; None: the key's own does."""
    return key.partition("=")[0] if refers(key) else None


def as_key(text: str) -> str:
    """A key that a program gives. Raises ValueError if it is empty, too long, or cannot be stored."""
    if not 0 < len(text) <= LONGEST_KEY or storable(text) != text:
        raise ValueError(f"a concurrency key has 1 to {LONGEST_KEY} characters, and neither NUL nor lone surrogates")
    return text


def _text_of(value: Any) -> str:
    if isinstance(value, str):
        return storable(value)
    return "null" if isinstance(value, Mapping | list | tuple) else json.dumps(value)
