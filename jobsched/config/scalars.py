"""Plain scalars by the core rules of YAML 1.2: null, true, false, decimal numbers; everything else is text.

No `no` is false, no `12:30` is 750, no `010` is 8, no date is anything but text. Numbers in other bases and with
underscores are text too.
"""

import re
from typing import Any

_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_STARTS_NUMBER = frozenset("0123456789+-.")
_INT = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"(?:[-+]?\.(?:inf|Inf|INF))|\.(?:nan|NaN|NAN)")

#: A longer one is no number that anybody means, and Python takes quadratic time to read it.
MAX_DIGITS = 400

_TAGS = {"null": (type(None),), "bool": (bool,), "int": (int,), "float": (int, float)}


def resolve(text: str) -> Any:
    """The value of an unquoted, untagged scalar. Raises ValueError on a number of absurd length."""
    if text in _WORDS:
        return _WORDS[text]
    return _number(text) if text[0] in _STARTS_NUMBER else text


def _number(text: str) -> Any:
    if _INT.fullmatch(text):
        if len(text) > MAX_DIGITS:
            raise ValueError(f"a number of {len(text)} digits; quote it if it is text")
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _NOT_FINITE.fullmatch(text):
        return float(text.replace(".", "", 1))
    return text


def resolve_tagged(text: str, tag: str) -> Any:
    """The value of a scalar with a tag of YAML's core schema. Raises ValueError on any other tag, and on text that is none of its kind."""
    kind = tag.removeprefix("tag:yaml.org,2002:")
    if tag == "!" or (kind == "str" and kind != tag):
        return text
    if kind == tag or kind not in _TAGS:
        raise ValueError(f"unknown tag {tag!r}; remove it, or quote the value if the tag is meant as text")
    value = resolve(text)
    if type(value) not in _TAGS[kind]:
        raise ValueError(f"{text!r} is no {kind}")
    return float(value) if kind == "float" else value
