"""The kinds of value that fields of jobs.yaml have: how each is checked, and how the JSON Schema shows it."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from jobsched.config import variables
from jobsched.model.durations import format_duration, parse_duration
from jobsched.model.instants import parse_instant

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
_DURATION_PATTERN = r"^(\d+(\.\d+)?|(?=\d)(\d+d)?(\d+h)?(\d+m)?(\d+s)?(\d+ms)?)$"
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


Duration: TypeAlias = Annotated[timedelta, PlainValidator(_duration()), WithJsonSchema(_DURATION_SCHEMA)]
PositiveDuration: TypeAlias = Annotated[
    timedelta, PlainValidator(_duration(above_zero=True)), WithJsonSchema(_DURATION_SCHEMA)
]
Period: TypeAlias = Annotated[
    timedelta, PlainValidator(_duration(timedelta(seconds=1))), WithJsonSchema(_DURATION_SCHEMA)
]
Instant: TypeAlias = Annotated[
    datetime,
    PlainValidator(_instant),
    WithJsonSchema({"type": "string", "pattern": _INSTANT_PATTERN, "examples": ["2026-12-24T08:00:00Z"]}),
]
Text: TypeAlias = Annotated[str, Field(min_length=1)]
Name: TypeAlias = Annotated[str, Field(pattern=NAME_PATTERN, max_length=100)]
Referring: TypeAlias = Annotated[str, BeforeValidator(_with_references)]
# The pattern stands before the validator: behind it, the JSON Schema would not show it.
HttpUrl: TypeAlias = Annotated[
    str, Field(pattern=r"^(?:https?://|\$\{)", max_length=8192), BeforeValidator(_with_references)
]
#: A scheme, or a reference that may bring one.
DatabaseUrl: TypeAlias = Annotated[
    str, Field(min_length=1, pattern=r"^[A-Za-z][A-Za-z0-9+.-]*://|\$\{"), BeforeValidator(_with_references)
]
ReferringJson: TypeAlias = Annotated[Any, BeforeValidator(_json_with_references)]
Count: TypeAlias = Annotated[int, Field(ge=0, le=1_000_000)]
Int32: TypeAlias = Annotated[int, Field(ge=-(2**31), le=2**31 - 1)]
Tag: TypeAlias = Annotated[str, Field(min_length=1, max_length=64)]
HttpStatus: TypeAlias = Annotated[int, Field(ge=100, le=599)]
Environment: TypeAlias = Annotated[dict[str, Referring], BeforeValidator(_variable_names)]
HandlerName: TypeAlias = Annotated[
    str,
    Field(
        pattern=r"^(?:[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_.]*|[A-Za-z0-9_][A-Za-z0-9._-]*)$",
        max_length=255,
    ),
]
