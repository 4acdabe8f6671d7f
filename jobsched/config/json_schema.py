"""The JSON Schema of jobs.yaml, for editors: what a machine can check of it, with descriptions and defaults."""

from dataclasses import fields
from datetime import timedelta
from typing import Any

from jobsched.config.kinds import Group
from jobsched.config.schema import FILE, NAMED_GROUPS, SETTINGS
from jobsched.model.alert import Alerts
from jobsched.model.definition import default_of
from jobsched.model.durations import format_duration
from jobsched.model.handler import HttpHandler, PythonHandler
from jobsched.model.job import CalendarUse, Concurrency, Dst, History, Job, OnFailure, Retries, Timeout

DIALECT = "https://json-schema.org/draft/2020-12/schema"

#: What a node does where the file is silent; each is the default of the option that reads it.
SETTINGS_DEFAULTS: dict[str, Any] = {
    "database": "sqlite:///jobsched.db",
    "threads": 8,
    "heartbeat": "10s",
    "lease": "30s",
    "grace": "30s",
    "imports": [],
    "poll": "1s",
    "log_format": "auto",
}
_GROUP_DEFAULTS: dict[str, Any] = {
    "AlertOptions": Alerts(),
    "DstOptions": Dst(),
    "CalendarOptions": CalendarUse(),
    "ConcurrencyOptions": Concurrency(),
    "RetryOptions": Retries(),
    "TimeoutOptions": Timeout(timedelta(0)),
    "HistoryOptions": History(),
    "HttpOptions": HttpHandler(""),
    "FailureOptions": OnFailure(PythonHandler("")),
}
#: What the values that defaults are read of have there is none.
_WITHOUT_DEFAULT = frozenset(
    {
        ("TimeoutOptions", "after"),
        ("HttpOptions", "url"),
        ("FailureOptions", "handler"),
        ("AlertOptions", "sla"),
        ("AlertOptions", "when"),
    }
)


def schema_json() -> dict[str, Any]:
    """The schema, JSON Schema 2020-12; the same for the same version of jobsched."""
    definitions = {group.name: _with_defaults(group) for group in sorted(NAMED_GROUPS, key=lambda group: group.name)}
    return {"$schema": DIALECT, "title": "jobs.yaml", **_with_defaults(FILE), "$defs": definitions}


def _with_defaults(group: Group) -> dict[str, Any]:
    shown = group.shown()
    for field, part in shown["properties"].items():
        default = _default(group.name, field)
        if default is not None:
            part["default"] = default
    return shown


def _default(model: str, field: str) -> Any:
    if model == "JobEntry" and field in {each.name for each in fields(Job)} - {"handler"}:
        return default_of(field)
    if model == SETTINGS.name:
        return SETTINGS_DEFAULTS.get(field)
    if model == "FileOptions":
        return {"version": 1, "namespace": "default"}.get(field)
    if (model, field) in _WITHOUT_DEFAULT:
        return None
    default = getattr(_GROUP_DEFAULTS.get(model), field, None)
    if isinstance(default, timedelta):
        return format_duration(default)
    if isinstance(default, tuple):
        return list(default) or None
    return default if default != {} else None
