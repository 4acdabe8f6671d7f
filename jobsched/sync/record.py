"""What a generation keeps for people: what each job was before and is now, and where the files declare it. Pure."""

import json
from collections.abc import Mapping
from typing import Any

from jobsched.model.definition import definition
from jobsched.model.desired import DesiredState
from jobsched.sync.plan import JobPlan, Plan
from jobsched.sync.withheld import withheld

#: A first sync creates all jobs there are, and a payload may have a megabyte: what is more than this is only counted.
_MOST_JOBS, _MOST_CHARACTERS = 500, 256 * 1024


def changes_of(planned: Plan) -> dict[str, Any]:
    """`Record.changes`, of as many jobs as there is room for."""
    jobs: dict[str, Any] = {}
    room = _MOST_CHARACTERS
    for item in planned.jobs[:_MOST_JOBS]:
        told = {"action": item.action, "fields": _fields(item)}
        size = len(json.dumps(told, ensure_ascii=False))
        if size <= room:
            jobs[item.name] = told
            room -= size
    return {"jobs": jobs, "left_out": len(planned.jobs) - len(jobs)}


def _fields(item: JobPlan) -> list[dict[str, Any]]:
    if item.action == "update":
        return [_field(change.field, change.old, change.new) for change in item.changes]
    if item.action == "create":
        assert item.job is not None
        return [_field(name, None, value) for name, value in definition(item.job).items()]
    assert item.stored is not None
    return [_field(name, value, None) for name, value in definition(item.stored.job).items()]


def _field(name: str, old: Any, new: Any) -> dict[str, Any]:
    last = name.rpartition(".")[2]
    return {"field": name, "old": withheld(old, last), "new": withheld(new, last)}


def positions_of(desired: DesiredState) -> Mapping[str, Any] | None:
    """File and line of each job; each file is written once. None: no file declares them."""
    if not desired.positions:
        return None
    files = sorted({file for file, _, _ in desired.positions.values()})
    number = {file: n for n, file in enumerate(files)}
    lines = {name: [number[file], line] for name, (file, line, _) in desired.positions.items()}
    return {"files": files, "jobs": lines}
