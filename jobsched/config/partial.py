"""What is known of a mapping some of whose fields are wrong: its other fields are judged all the same."""

from collections.abc import Iterable, Mapping
from typing import Any

from jobsched.config.kinds import Group
from jobsched.config.messages import Finding


def wrong_fields(found: Iterable[Finding], *, below: str | None = None) -> frozenset[str]:
    """The fields that are wrong in themselves; those of the mapping `below`, if one is named."""
    paths = (finding.path for finding in found)
    inside = paths if below is None else (path[1:] for path in paths if path[:1] == (below,))
    return frozenset(str(path[0]) for path in inside if path)


def sound_part(group: Group, given: Any, wrong: frozenset[str]) -> dict[str, Any]:
    """The checked values of the fields that are not wrong; of no mapping, none."""
    return group({key: value for key, value in given.items() if key not in wrong}) if isinstance(given, dict) else {}


def doubtful_fields(group: Group, given: Any, wrong: frozenset[str]) -> frozenset[str]:
    """The fields of which nothing may be said: those that are wrong, and the absent ones where an unknown key may be meant for one."""
    known = frozenset(group.fields)
    if not isinstance(given, Mapping):
        return known
    return wrong if wrong <= known else wrong | (known - given.keys())
