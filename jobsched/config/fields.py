"""The kinds of value that fields of jobs.yaml have: how each is checked, and how the JSON Schema shows it."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from pydantic_core import PydanticCustomError

from jobsched.config import variables
from jobsched.config.kinds import anything, before, integer, made_by, mapping, text
from jobsched.model.durations import format_duration, parse_duration
from jobsched.model.instants import parse_instant
from jobsched.model.names import LONGEST_NAME, NAME_PATTERN
from jobsched.model.queue import Rate, parse_rate

_DURATION_PATTERN = r"^(\d+(\.\d+)?|(?=\d)(\d+d)?(\d+h)?(\d+m)?(\d+s)?(\d+ms)?)$"
_RATE_PATTERN = r"^[1-9]\d{0,6}/(\d+(\.\d+)?|(?=\d)(\d+d)?(\d+h)?(\d+m)?(\d+s)?(\d+ms)?)$"
_INSTANT_PATTERN = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?([Zz]|[+-]\d{2}:?\d{2})$"
_DURATION_SCHEMA = {
    "anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": _DURATION_PATTERN}],
    "examples": ["30s", "5m", "1h30m", "2d"],
}


def wrong(message: str, hint: str = "") -> PydanticCustomError:
    """An error whose words are already ours."""
    # As context, not as template: the message may hold braces.
    return PydanticCustomError("ours", "{message}", {"message": message, "hint": hint})


def _duration(minimum: timedelta = timedelta(0), *, above_zero: bool = False) -> Callable[[Any], timedelta]:
    def check(value: Any) -> timedelta:
        if value is None:
            raise wrong("has no value", "write a duration like 30s, or remove the line")
        try:
            duration = parse_duration(value)
        except ValueError as error:
            raise wrong(str(error)) from None
        if duration < minimum:
            raise wrong(f"must be at least {format_duration(minimum)}")
        if above_zero and not duration:
            raise wrong("must be more than 0")
        return duration

    return check


def _rate(value: Any) -> Rate:
    try:
        return parse_rate(value)
    except ValueError as error:
        raise wrong(str(error)) from None


def _instant(value: Any) -> datetime:
    if not isinstance(value, str):
        raise wrong("expected an instant", "write 2026-12-24T08:00:00Z or 2026-12-24T09:00:00+01:00")
    try:
        return parse_instant(value)
    except ValueError as error:
        raise wrong(str(error)) from None


def _with_references(value: Any) -> Any:
    if isinstance(value, str):
        try:
            variables.check(value)
        except ValueError as error:
            raise wrong(str(error)) from None
    return value


def _secret(value: Any) -> Any:
    if isinstance(value, str) and (not variables.is_reference(value) or not variables.required(value)):
        raise wrong(
            "must be a reference to a variable of the environment", "write ${JOBSCHED_API_TOKEN}, without a default"
        )
    return value


def _json_with_references(value: Any) -> Any:
    if isinstance(value, list):
        for each in value:
            _json_with_references(each)
    elif isinstance(value, dict):
        for each in value.values():
            _json_with_references(each)
    else:
        _with_references(value)
    return value


def one_or_many(value: Any) -> Any:
    """A list stays one, anything else becomes a list of one."""
    return value if isinstance(value, list) else [value]


def _variable_names(value: Any) -> Any:
    if isinstance(value, dict):
        for name in value:
            if not name or "=" in name:
                raise wrong(f"{name!r} cannot be the name of an environment variable")
    return value


def _only_reference(value: Any) -> Any:
    if isinstance(value, str) and re.fullmatch(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}", value) is None:
        raise wrong("the URL of a service holds secrets", "put it into a variable of the environment, and write ${VAR}")
    return value


DURATION = made_by(_duration(), _DURATION_SCHEMA)
POSITIVE_DURATION = made_by(_duration(above_zero=True), _DURATION_SCHEMA)
PERIOD = made_by(_duration(timedelta(seconds=1)), _DURATION_SCHEMA)
RATE = made_by(_rate, {"type": "string", "pattern": _RATE_PATTERN, "examples": ["100/1m", "5/1s"]})
INSTANT = made_by(_instant, {"type": "string", "pattern": _INSTANT_PATTERN, "examples": ["2026-12-24T08:00:00Z"]})
TEXT = text(least=1)
NAME = text(pattern=NAME_PATTERN, most=LONGEST_NAME)
REFERRING = before(_with_references, text())
HTTP_URL = before(_with_references, text(pattern=r"^(?:https?://|\$\{)", most=8192))
#: A scheme, or a reference that may bring one.
DATABASE_URL = before(_with_references, text(least=1, pattern=r"^[A-Za-z][A-Za-z0-9+.-]*://|\$\{"))
#: One reference and nothing else: what it stands for is never written in a file.
SECRET = before(_secret, text(pattern=r"^\$\{[A-Za-z_][A-Za-z0-9_]*\}$"))
REFERRING_JSON = before(_json_with_references, anything())
COUNT = integer(0, 1_000_000)
INT32 = integer(-(2**31), 2**31 - 1)
TAG = text(least=1, most=64)
HTTP_STATUS = integer(100, 599)
#: A class, by its name or dotted with its module; or how a command ended, or an HTTP call was answered.
ERROR_NAME = text(
    pattern=r"^(?:[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*|exit [0-9]{1,3}|status [1-5][0-9]{2})$", most=200
)
#: Nothing but a reference: a secret as a whole.
REFERENCE = before(_only_reference, text(pattern=r"^\$\{[A-Za-z_][A-Za-z0-9_]*\}$"))
ENVIRONMENT = before(_variable_names, mapping(text(), REFERRING))
HANDLER_NAME = text(
    pattern=r"^(?:[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_.]*|[A-Za-z0-9_][A-Za-z0-9._-]*)$", most=255
)
