"""The JSON Schema of jobs.yaml, for editors: what a machine can check of it, with descriptions and defaults."""

from dataclasses import fields
from datetime import timedelta
from typing import Any

from jobsched.config.schema import FileOptions, SettingsOptions
from jobsched.model.definition import default_of
from jobsched.model.durations import format_duration
from jobsched.model.handler import HttpHandler
from jobsched.model.job import CalendarUse, Concurrency, Dst, History, Job, Retries, Timeout

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
    "DstOptions": Dst(),
    "CalendarOptions": CalendarUse(),
    "ConcurrencyOptions": Concurrency(),
    "RetryOptions": Retries(),
    "TimeoutOptions": Timeout(timedelta(0)),
    "HistoryOptions": History(),
    "HttpOptions": HttpHandler(""),
}


def schema_json() -> dict[str, Any]:
    """The schema, JSON Schema 2020-12; the same for the same version of jobsched."""
    made = FileOptions.model_json_schema(mode="validation")
    definitions: dict[str, Any] = made.pop("$defs")
    for name, schema in {"FileOptions": made, **definitions}.items():
        schema.pop("title", None)
        for part in (schema, *schema.get("properties", {}).values()):
            if "patternProperties" in part:
                part["additionalProperties"] = False
        for field, part in schema.get("properties", {}).items():
            part.pop("title", None)
            _set_default(name, field, part)
    return {"$schema": DIALECT, "title": "jobs.yaml", **made, "$defs": dict(sorted(definitions.items()))}


def _set_default(model: str, field: str, part: dict[str, Any]) -> None:
    # The models know no defaults: None stands for "not given", which no file may write.
    if part.pop("default", None) is not None:
        raise AssertionError(f"{model}.{field} has a default of its own")
    default = _default(model, field)
    if default is not None:
        part["default"] = default


def _default(model: str, field: str) -> Any:
    if model == "JobEntry" and field in {each.name for each in fields(Job)} - {"handler"}:
        return default_of(field)
    if model == SettingsOptions.__name__:
        return SETTINGS_DEFAULTS.get(field)
    if model == "FileOptions":
        return {"version": 1, "namespace": "default"}.get(field)
    if (model, field) in {("TimeoutOptions", "after"), ("HttpOptions", "url")}:
        return None
    default = getattr(_GROUP_DEFAULTS.get(model), field, None)
    if isinstance(default, timedelta):
        return format_duration(default)
    if isinstance(default, tuple):
        return list(default) or None
    return default if default not in ({}, "") else None
