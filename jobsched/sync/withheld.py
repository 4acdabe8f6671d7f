"""Values that look like secrets: written into a file by mistake, they must not be read in its history once they are gone. Pure."""

import re
from typing import Any

WITHHELD = "(withheld)"

_NAMES = (
    r"pass(?:word|wd|phrase)?\b|passwords?|secret|token|api[-_]?key|private[-_]?key|authorization|credential|cookie"
)
#: Of a field, a variable or a header: `DB_PASSWORD`, `X-Api-Key`.
_NAME = re.compile(_NAMES, re.IGNORECASE)
#: `--token=…`, `?api_key=…`, `PASSWORD=… command`; a value that is a variable is none. Nothing without a bound stands before
#: what is looked for: a payload of a megabyte would be gone through once for each of its characters.
_ASSIGNED = re.compile(rf"((?:{_NAMES})[\w-]{{0,40}}=)(?!\$)[^\s&'\"]+", re.IGNORECASE)
#: `postgresql://user:…@host`
_IN_URL = re.compile(r"(://[^/\s:@]{0,200}:)(?!\$)[^/\s@]{1,1000}@")


def withheld(value: Any, name: str = "") -> Any:
    """The value of a field of this name, without what looks like a secret in it; a reference `${VAR}` is none."""
    if isinstance(value, dict):
        return {key: withheld(item, str(key) if _plain(name) else name) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [withheld(item, name) for item in value]
    if not isinstance(value, str):
        return value
    if not _plain(name) and "${" not in value:
        return WITHHELD
    return _IN_URL.sub(rf"\1{WITHHELD}@", _ASSIGNED.sub(rf"\1{WITHHELD}", value))


def _plain(name: str) -> bool:
    return _NAME.search(name) is None
