"""Findings of the schema in our words: what was expected, what stands there, what to write."""

import json
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, NamedTuple

from pydantic_core import ValidationError

from jobsched.config.diagnostics import Step
from jobsched.config.foreign import advice
from jobsched.config.kinds import Group
from jobsched.config.schema import field_names
from jobsched.model.names import LONGEST_NAME, NAME_PATTERN


class Finding(NamedTuple):
    """`path` is below what was checked; `of_key`: the key itself is wrong, not its value."""

    path: tuple[Step, ...]
    message: str
    hint: str = ""
    of_key: bool = False


def findings(error: ValidationError, called: str, group: Group) -> Iterator[Finding]:
    """All of an error of a group that is `called` so where other spellings of its keys are looked up."""
    for one in error.errors(include_url=False):
        path = tuple(one["loc"])
        if one["type"] == "extra_forbidden":
            yield _unknown_key(path, called, group)
        elif path[-1:] == ("[key]",):
            yield Finding(path[:-1], *_explain(one), of_key=True)
        else:
            yield Finding(path, *_explain(one))


def unknown_key(key: str, called: str, valid: tuple[str, ...]) -> tuple[str, str]:
    """Message and hint."""
    return "unknown field", advice(called, key, valid)


def _unknown_key(path: tuple[Step, ...], called: str, group: Group) -> Finding:
    each: Group | None = None
    for step in path[:-1]:
        if each is not None:  # this is a name that the user gave
            group, each = each, None
        elif (field := group.fields.get(str(step))) is not None:
            each = field.kind.each
            if each is not None or field.kind.group is not None:
                called, group = str(step), field.kind.group or group
    return Finding(path, *unknown_key(str(path[-1]), called, field_names(group)), of_key=True)


def shown(value: Any) -> str:
    """A value as it may stand in a message."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:59] + "…"


_SHORTHANDS = {
    "retries": "a whole number or a mapping",
    "concurrency": "a policy, a whole number or a mapping",
}
_EXPECTED = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping",
}


def _explain(error: Mapping[str, Any]) -> tuple[str, str]:
    kind, value, facts = error["type"], error["input"], error.get("ctx", {})
    if kind == "ours":
        return facts["message"], facts["hint"]
    if kind == "missing":
        return f"`{error['loc'][-1]}` is missing", ""
    if value is None:
        return "has no value", "write one, or remove the line"
    if kind == "literal_error":
        return _not_one_of(facts["expected"], value)
    if kind in _EXPECTED:
        field = error["loc"][-1]
        expected = _SHORTHANDS.get(field, _EXPECTED[kind]) if kind == "dict_type" else _EXPECTED[kind]
        return f"expected {expected}, not {shown(value)}", _conversion(kind, field, value)
    return _limit(kind, facts, value, error["loc"])


def _not_one_of(expected: str, value: Any) -> tuple[str, str]:
    words = expected.replace("'", "").replace(" or ", ", ").split(", ")
    nearest = get_close_matches(value.lower(), words, n=1) if isinstance(value, str) else []
    choices = words[0] if len(words) == 1 else f"one of {', '.join(words)}"
    return f"expected {choices}, not {shown(value)}", f"did you mean {nearest[0]}?" if nearest else ""


def _conversion(kind: str, field: Step, value: Any) -> str:
    if field == "command" and isinstance(value, str):
        words = json.dumps(value.split(), ensure_ascii=False)
        return f"write a list, {words}, or `shell`" if len(words) <= 80 else "write a list of words, or `shell`"
    if kind == "string_type" and isinstance(value, bool | int | float):
        return f"put it in quotes: {json.dumps(json.dumps(value))}"
    if kind != "string_type" and isinstance(value, str) and value.replace("_", "").lstrip("+-").isdigit():
        return f"without quotes and underscores: {int(value)}"
    if kind == "bool_type" and isinstance(value, str):
        word = value.lower()
        meant = {"yes": "true", "on": "true", "true": "true", "no": "false", "off": "false", "false": "false"}.get(word)
        return f"write {meant}" if meant else ""
    if kind == "list_type" and isinstance(value, str):
        return (
            f"write [{json.dumps(value, ensure_ascii=False)}]"
            if len(value) <= 60 and " " not in value
            else "write a list: [first, second]"
        )
    if kind == "dict_type" and field in _LIKE:
        return f"write {_LIKE[str(field)]}"
    return ""


#: What a mapping looks like, for whoever wrote one value where there are several.
_LIKE = {
    "http": "{url: https://…}",
    "ping": "{success: https://…, failure: https://…}",
    "on_failure": "{handler: module:callable}, or `command`, `shell` or `http` in it",
    "alerts": "{when: [final_failure], notify: [name]}",
    "history": "{success: 50, failed: 200, max_age: 30d}",
    "dst": "{gap: run_after, overlap: first}",
    "payload": "{name: value}",
    "env": "{NAME: value}",
    "headers": "{name: value}",
    "queues": "{name: {limit: 2}}",
}


def _limit(kind: str, facts: Mapping[str, Any], value: Any, path: tuple[Step, ...]) -> tuple[str, str]:
    match kind:
        case "greater_than_equal":
            return f"must be at least {_plain(facts['ge'])}, not {shown(value)}", ""
        case "less_than_equal":
            return f"must be at most {_plain(facts['le'])}, not {shown(value)}", ""
        case "string_too_short":
            return "is empty", "write a text, or remove the line"
        case "string_too_long":
            return f"longer than {facts['max_length']} characters", ""
        case "too_short":
            return "an empty list", "write at least one item, or remove the line"
        case "too_long":
            return f"more than {facts['max_length']} items", ""
        case "finite_number":
            return f"expected a number, not {shown(value)}", ""
        case "int_parsing_size":
            return "this number is too large", ""
        case "string_pattern_mismatch":
            return _pattern(facts["pattern"], value, path)
        case _:
            return str(facts.get("error", kind)), ""


def _plain(number: Any) -> str:
    return f"{number:g}" if isinstance(number, float) else str(number)


def _pattern(pattern: str, value: str, path: tuple[Step, ...]) -> tuple[str, str]:
    if pattern == NAME_PATTERN:
        return not_a_name(value)
    match path:
        case (*_, "url"):
            return f"expected an http or https URL, not {shown(value)}", "write https://…"
        case (*_, "database"):
            # Not shown: what is no URL may still hold a password.
            return "no URL: it begins with no scheme", "write sqlite:///jobsched.db or postgresql://user@host/name"
        case (*_, "handler"):
            return (
                f"{shown(value)} names no Python callable",
                "write `module:callable`, like billing.jobs:send_invoices",
            )
        case (*_, "imports", int()):
            return f"{shown(value)} is no name of a Python module", "write package.module"
        case (*_, "retry_on" | "no_retry_on", int()):
            return f"{shown(value)} names no error", "write a class like ConnectionError, `exit 75`, or `status 503`"
        case (*_, "headers", _, "[key]"):
            return f"{shown(value)} is no name of a header", ""
        case _:
            return f"{shown(value)} has not the form {pattern}", ""


def not_a_name(value: str) -> tuple[str, str]:
    """Message and hint for a name of a job, namespace or queue."""
    if len(value) > LONGEST_NAME:
        return f"a name has at most {LONGEST_NAME} characters", ""
    return f"{shown(value)} is no name", "use letters, digits, `.`, `_` and `-`, beginning with a letter or digit"
