"""Text and JSON that any database takes: nothing that a handler returns or prints can make a statement fail."""

import json
from collections.abc import Iterable
from typing import Any

from jobsched.errors import PayloadError
from jobsched.model.payload import Payload

_COMPACT = (",", ":")
_READABLE = json.JSONEncoder(ensure_ascii=False, separators=_COMPACT, allow_nan=False)
_ESCAPED = json.JSONEncoder(ensure_ascii=True, separators=_COMPACT, allow_nan=False)


def encode(value: Any) -> str:
    """JSON text. Raises PayloadError naming the cause for what JSON cannot hold."""
    if type(value) is Payload:
        return value.text
    if value == {}:  # of most jobs
        return "{}"
    try:
        return _dump(value)
    except (TypeError, ValueError, RecursionError) as cause:
        raise PayloadError(f"this cannot be stored as JSON: {cause}") from cause


def encode_anyhow(value: Any) -> str:
    """JSON text, always: what JSON cannot hold is replaced by a note that says so, since the work it stands for was done."""
    try:
        return _dump(value)
    except (TypeError, ValueError, RecursionError) as cause:
        return _dump({"unstorable": clean(type(value).__name__), "why": clean(str(cause))})


def _dump(value: Any) -> str:
    text = _READABLE.encode(value)
    if text.isascii() or _encodable(text):
        return text
    # A lone surrogate has no UTF-8; as an escape it passes, and comes back as it was.
    return _ESCAPED.encode(value)


def tags_text(tags: Iterable[str]) -> str:
    """The JSON of a run's tags, in which a database finds each of them."""
    return encode([clean(tag) for tag in tags])


def clean(text: str) -> str:
    """The text with what no database stores (NUL, lone surrogates) shown as escapes."""
    if "\0" in text:
        text = text.replace("\0", "\\x00")
    if text.isascii() or _encodable(text):
        return text
    return text.encode("utf-8", "backslashreplace").decode()


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
