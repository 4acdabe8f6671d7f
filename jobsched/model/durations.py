"""Durations as people write them: `90` (seconds), `200ms`, `30s`, `5m`, `1h30m`, `2d`."""

import re
from datetime import timedelta
from functools import lru_cache

_UNITS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
_TEXT = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+)s)?(?:(\d+)ms)?", re.ASCII)
_LONGEST = timedelta(days=36_500)


def parse_duration(value: object) -> timedelta:
    """The duration that `value` (a number of seconds, or text) stands for. Raises ValueError saying what is wrong."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("a duration is a number of seconds, or text like 200ms, 30s, 5m, 1h30m, 2d")  # noqa: TRY004 - pydantic wants ValueError
    duration = _from_text(value.strip()) if isinstance(value, str) else _from_seconds(value)
    if duration < timedelta(0):
        raise ValueError("a duration cannot be negative")
    if duration > _LONGEST:
        raise ValueError("a duration is at most 100 years")
    return duration


def _from_seconds(value: float) -> timedelta:
    if value != value:  # noqa: PLR0124 - only nan is not itself
        raise ValueError("nan is no duration")
    try:
        return timedelta(seconds=value)
    except (OverflowError, ValueError):
        raise ValueError("a duration is at most 100 years") from None


@lru_cache(maxsize=1024)  # the jobs of a file have a handful of them
def _from_text(text: str) -> timedelta:
    if re.fullmatch(r"\d{1,15}(\.\d{1,6})?", text, re.ASCII):
        return _from_seconds(float(text))
    match = _TEXT.fullmatch(text)
    if not text or match is None:
        raise ValueError(f"{text!r} is no duration; write 200ms, 30s, 5m, 1h30m or 2d, largest unit first")
    numbers = match.groups(default="0")
    if any(len(number) > 15 for number in numbers):
        raise ValueError("a duration is at most 100 years")
    milliseconds = sum(int(number) * unit for number, unit in zip(numbers, _UNITS.values(), strict=True))
    return _from_seconds(milliseconds / 1000)


def format_duration(duration: timedelta) -> str:
    """The shortest text that `parse_duration` reads back; below a millisecond it is rounded."""
    rest = round(duration.total_seconds() * 1000)
    parts = []
    for name, unit in _UNITS.items():
        count, rest = divmod(rest, unit)
        if count:
            parts.append(f"{count}{name}")
    return "".join(parts) or "0s"
