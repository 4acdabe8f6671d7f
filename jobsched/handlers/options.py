"""What `@handler(...)` says about how its runs are treated: checked where it is written, in the words of jobs.yaml."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, TypeAlias

from jobsched.model.durations import format_duration, parse_duration
from jobsched.model.job import Retries, Timeout

Duration: TypeAlias = int | float | str | timedelta

_DURATIONS = ("delay", "max_delay")


def retries_option(value: int | Mapping[str, Any]) -> Retries:
    """`retries` as jobs.yaml has it: a number, or a mapping. Raises ValueError."""
    fields: dict[str, Any] = {"max": value} if isinstance(value, int) else dict(value)
    for name in _DURATIONS:
        if name in fields:
            fields[name] = _duration(fields[name])
    if isinstance(value, bool) or not isinstance(fields.get("max", 0), int) or fields.get("max", 0) < 0:
        raise ValueError("retries: how often a failed attempt is repeated, a number from 0")
    try:
        return Retries(**fields)
    except TypeError:
        raise ValueError(f"retries: knows {', '.join(Retries.__dataclass_fields__)}, got {', '.join(fields)}") from None


def timeout_option(value: Duration | Mapping[str, Any]) -> Timeout:
    """`timeout` as jobs.yaml has it: a duration, or {after, kill_after}. Raises ValueError."""
    if not isinstance(value, Mapping):
        return Timeout(_duration(value))
    try:
        return Timeout(**{name: _duration(part) for name, part in value.items()})
    except TypeError:
        raise ValueError(f"timeout: {{after, kill_after}} or a duration, got {dict(value)}") from None


def yaml_words(value: Any) -> Any:
    """The option as jobs.yaml would have it: a timedelta as text."""
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, Mapping):
        return {name: yaml_words(part) for name, part in value.items()}
    return value


def _duration(value: Any) -> timedelta:
    return value if isinstance(value, timedelta) else parse_duration(value)
