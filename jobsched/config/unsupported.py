"""What jobs.yaml can say and this version does not act upon yet: refused, since a field without effect deceives.

One row each. When a field gets its effect, its row goes.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from jobsched.config.diagnostics import Step

_CALENDARS = "no slot would be left out"

#: Path below a job or `defaults` → value that is refused (None: any) and why.
JOB_FIELDS: dict[tuple[str, ...], tuple[Any, str]] = {
    ("calendar",): (None, _CALENDARS),
}

#: Path from the top of the file → why.
FILE_FIELDS: dict[tuple[str, ...], str] = {
    ("calendars",): _CALENDARS,
}

_TOP_KEYS = frozenset(path[0] for path in JOB_FIELDS)


class Refusal(NamedTuple):
    """`path` is below the mapping that was looked at."""

    path: tuple[Step, ...]
    reason: str


def in_job(entry: dict[str, Any]) -> Iterable[Refusal]:
    """What a job's mapping, or the file's `defaults`, asks for in vain."""
    return () if _TOP_KEYS.isdisjoint(entry) else _in_job(entry)


def _in_job(entry: dict[str, Any]) -> Iterator[Refusal]:
    for path, (refused, reason) in JOB_FIELDS.items():
        found, value = _at(entry, path)
        if found and (refused is None or value == refused):
            yield Refusal(path, reason)


def in_file(top: dict[str, Any]) -> Iterator[Refusal]:
    """What the rest of a file asks for in vain."""
    for path, reason in FILE_FIELDS.items():
        if _at(top, path)[0]:
            yield Refusal(path, reason)


def spellings(group: str) -> list[str]:
    """What is refused in this group of fields (`job`, `file`, `settings`, `concurrency` …), as advice would write it."""
    above = () if group in {"job", "defaults", "file"} else (group,)
    rows: dict[tuple[str, ...], Any] = {path: refused for path, (refused, _) in JOB_FIELDS.items()}
    if group in {"file", "settings"}:
        rows = dict.fromkeys(FILE_FIELDS)
    inside = {path[-1]: refused for path, refused in rows.items() if path[:-1] == above}
    return [name if refused is None else f"{name}: {refused}" for name, refused in inside.items()]


def _at(value: Any, path: tuple[str, ...]) -> tuple[bool, Any]:
    for step in path:
        if not isinstance(value, dict) or step not in value:
            return False, None
        value = value[step]
    return True, value
