"""How other programs write what a cron expression says: what to write here instead."""

import re
from collections.abc import Callable

_ZONE = re.compile(r"(?:CRON_)?TZ=(\S+)", re.IGNORECASE)
#: What begins so stands behind the five fields of a crontab's line: a program, a user.
_OF_A_LINE = re.compile(r"[./~$a-z]", re.IGNORECASE)
_SHORT, _WITH_SECONDS, _WITH_YEARS = 5, 6, 7


def refusal(text: str, is_valid: Callable[[str], bool]) -> str | None:
    """What is wrong with an expression that another program takes, where one of our fields would not tell; else None."""
    parts = text.split()
    zone = _ZONE.fullmatch(parts[0]) if parts else None
    if zone is not None:
        return f"an expression names no zone; write `timezone: {zone[1]}` beside it"
    line = " ".join(parts[:_SHORT])
    if len(parts) > _SHORT and _OF_A_LINE.match(parts[_SHORT]) and not reordered(text, is_valid) and is_valid(line):
        return f"what stands behind five fields in a crontab is the command; write `shell` for it, and here {line!r}"
    return None


def advice(text: str, is_valid: Callable[[str], bool]) -> str | None:
    """What to write for an expression whose first field is meant as the second; None: it cannot be."""
    ours = reordered(text, is_valid)
    if ours is None:
        return None
    told = f"if the first field is meant as the second, as Quartz and Spring have it, write {ours!r}"
    counted = any(map(str.isdigit, ours.split()[4]))
    return f"{told} (and of weekdays mind that Quartz's 1 is Sunday)" if counted else told


def reordered(text: str, is_valid: Callable[[str], bool]) -> str | None:
    """An expression that begins with the second, in our order and without what need not be said."""
    parts = text.split()
    if not _WITH_SECONDS <= len(parts) <= _WITH_YEARS:
        return None
    second, *fields = parts
    years = [year for year in fields[_SHORT:] if year != "*"]
    seconds = [] if second == "0" and not years else [second]
    ours = " ".join([*fields[:_SHORT], *seconds, *years])
    return ours if is_valid(ours) else None


def is_each_second_of_some_minutes(text: str) -> bool:
    """`0 0 5 * * *`: 60 slots from midnight on, which few mean, and once at five where the second comes first."""
    parts = text.split()
    return len(parts) >= _WITH_SECONDS and parts[_SHORT] == "*" and parts[0] != "*"
