"""No field without effect: each one of the schema changes a value, or is refused as not supported yet."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import ValidationError

from jobsched.config import unsupported
from jobsched.config.json_schema import DIALECT, schema_json
from jobsched.config.load import check_sources
from jobsched.config.schema import JOB
from jobsched.config.sources import Source
from jobsched.model.definition import definition

SCHEMA_FILE = Path(__file__).parents[3] / "docs" / "jobs.schema.json"

#: Field → values that differ from what the file would otherwise say.
JOB_VALUES: dict[str, list[Any]] = {
    "handler": ["a.b:c"],
    "command": [["ls"]],
    "shell": ["ls"],
    "http.url": ["http://other"],
    "http.method": ["GET"],
    "http.headers": [{"A": "b"}],
    "http.json": [{"a": 1}],
    "http.expect": [201, [201, 202]],
    "cron": ["0 1 * * *", ["0 1 * * *", "0 2 * * *"]],
    "every": ["5m", 300],
    "at": ["2030-01-01T00:00:00Z"],
    "timezone": ["Europe/Rome"],
    "dst.gap": ["skip"],
    "dst.overlap": ["both"],
    "start_at": ["2030-01-01T00:00:00Z"],
    "end_at": ["2030-01-01T00:00:00Z"],
    "jitter": ["1s"],
    "calendar.exclude": [["x"]],
    "calendar.only": [["x"]],
    "calendar.on_excluded": ["next_day"],
    "payload": [{"a": 1}],
    "queue": ["mail"],
    "priority": [-1],
    "concurrency": ["allow", "queue", "replace", 2],
    "concurrency.policy": ["allow", "queue", "replace"],
    "concurrency.limit": [2],
    "concurrency.key": ["x"],
    "concurrency.max_queued": [5],
    "starting_deadline": ["5m"],
    "catch_up": ["skip"],
    "max_catch_up": [5],
    "retries": [3],
    "retries.max": [3],
    "retries.backoff": ["linear"],
    "retries.delay": ["1s"],
    "retries.factor": [3],
    "retries.max_delay": ["1h"],
    "retries.jitter": [0.5],
    "retries.retry_on": [["OSError", "exit 75", "status 503", "a.b.C"]],
    "retries.no_retry_on": [["ValueError"]],
    "timeout": ["5m", 300],
    "timeout.after": ["5m"],
    "timeout.kill_after": ["1s"],
    "executor": ["process"],
    "on_crash": ["fail"],
    "suspend": [True],
    "history.success": [1],
    "history.failed": [1],
    "history.skipped": [1],
    "history.max_age": ["1d"],
    "on_failure": [{"handler": "a"}],
    "on_failure.handler": ["a"],
    "on_failure.command": [["a"]],
    "on_failure.shell": ["a"],
    "on_failure.http": [{"url": "http://x"}],
    "on_failure.retries": [5],
    "alerts": [{"notify": "ops"}],
    "alerts.notify": ["ops", ["ops"]],
    "alerts.when": ["failure", ["missed"]],
    "alerts.sla.late_after": ["5m"],
    "alerts.sla.max_runtime": ["5m"],
    "alerts.sla.max_time_since_success": ["5m"],
    "alerts.throttle": ["5m", 0],
    "ping.success": ["http://x"],
    "ping.failure": ["http://x"],
    "ping.start": ["http://x"],
    "env": [{"A": "b"}],
    "cwd": ["/tmp"],
    "user": ["backup"],
    "umask": ["027"],
    "tags": [["a"]],
    "owner": ["me"],
    "description": ["words"],
}
FILE_VALUES: dict[str, list[Any]] = {
    "version": [2],
    "namespace": ["other"],
    "settings.database": ["sqlite:///x.db"],
    "settings.threads": [3],
    "settings.max_abandoned": [3],
    "settings.pass_env": [["LANG", "AWS_*"]],
    "settings.queues": [{"a": {"limit": 1}}, {"a": {"rate": "1/1m"}}, {"a": {"max_queued": 1}}, {"a": {"threads": 1}}],
    "settings.heartbeat": ["5s"],
    "settings.lease": ["60s"],
    "settings.grace": ["5s"],
    "settings.imports": [["a"]],
    "settings.history.max_age": ["1d"],
    "settings.poll": ["5s"],
    "settings.log_format": ["json"],
    "settings.api.tokens.read": ["${READ}"],
    "settings.api.tokens.operate": ["${OPERATE}"],
    "settings.api.tokens.admin": ["${ADMIN}"],
    "settings.api.hosts": [["jobs.example.com"]],
    "settings.api.allow_definitions": [True],
    "calendars": [{"a": {"weekdays": ["sat"]}}],
    "notifiers": [
        {"ops": {"shell": "a"}},
        {"ops": {"command": ["a"]}},
        {"ops": {"handler": "a:b"}},
        {"ops": {"http": {"url": "http://x"}}},
        {"ops": {"apprise": "${A}"}},
        {"ops": {"apprise": ["${A}", "${B}"]}},
        {"ops": {"shell": "a", "title": "{job}"}},
        {"ops": {"shell": "a", "text": "{text}"}},
    ],
    "jobs": [{}],
}
JOB_CASES = [(field, value) for field, values in JOB_VALUES.items() for value in values]
FILE_CASES = [(field, value) for field, values in FILE_VALUES.items() for value in values]


def state_or_errors(top: dict[str, Any]) -> Any:
    # JSON is YAML.
    loaded = check_sources([Source("jobs.yaml", json.dumps({"notifiers": {"ops": {"shell": "mail"}}, **top}).encode())])
    if loaded.state is None:
        return [f"{found.path}: {found.message}" for found in loaded.diagnostics]
    state = loaded.state
    return state.namespace, state.settings, {name: definition(job) for name, job in state.jobs.items()}


def put(into: dict[str, Any], field: str, value: Any) -> dict[str, Any]:
    group, _, member = field.rpartition(".")
    if not group:
        return {**into, field: value}
    inside = into.get(group.partition(".")[0], {})
    rest = group.partition(".")[2]
    if rest:
        return {**into, group.partition(".")[0]: put(inside, f"{rest}.{member}", value)}
    return {**into, group: {**(inside if isinstance(inside, dict) else {}), member: value}}


def basis(field: str) -> dict[str, Any]:
    """A job in which the field means something."""
    if field.partition(".")[0] in {"handler", "command", "shell"}:
        return {}
    if field.startswith("http"):
        return {"http": {"url": "http://x"}}
    if field == "executor":
        return {"handler": "a"}
    schedule = {} if field in {"cron", "every", "at"} else {"cron": "@daily"}
    if field == "on_failure.retries":
        return {"shell": "ls", "on_failure": {"shell": "ls"}}
    if field.startswith("alerts.") and field != "alerts.notify":
        return {"shell": "ls", **schedule, "alerts": {"notify": "ops"}}
    return {"shell": "ls", **schedule, **({"timeout": {"after": "1m"}} if field.startswith("timeout.") else {})}


@pytest.mark.parametrize(("field", "value"), JOB_CASES)
def test_a_field_of_a_job_changes_the_job_or_is_not_supported_yet(field: str, value: Any) -> None:
    before = basis(field)

    without = state_or_errors({"jobs": {"x": before}})
    with_it = state_or_errors({"jobs": {"x": put(before, field, value)}})

    path = tuple(field.split("."))
    refused = [
        row
        for row, (only, _) in unsupported.JOB_FIELDS.items()
        if (row == path and only == value) or (only is None and row == path[: len(row)])
    ]
    if refused:
        assert with_it == [f"jobs.x.{'.'.join(refused[0])}: not supported yet"]
    else:
        assert isinstance(with_it, tuple), with_it
        assert with_it != without


@pytest.mark.parametrize(
    ("field", "value"),
    [(field, value) for field, value in JOB_CASES if field in schema_json()["$defs"]["DefaultOptions"]["properties"]],
)
def test_a_field_of_the_defaults_does_what_it_does_in_a_job(field: str, value: Any) -> None:
    in_job = state_or_errors({"jobs": {"x": put(basis(field), field, value)}})
    in_defaults = state_or_errors({"defaults": {field: value}, "jobs": {"x": basis(field)}})

    if isinstance(in_job, tuple):
        assert in_defaults == in_job
    else:
        assert [error.replace("jobs.x", "defaults") for error in in_job] == in_defaults


@pytest.mark.parametrize(("field", "value"), FILE_CASES)
def test_a_field_of_the_file_changes_the_state_or_is_not_supported_yet(field: str, value: Any) -> None:
    before = {"jobs": {"x": {"handler": "a", "alerts": {"notify": "ops"}}}}

    after = state_or_errors(put(before, field, value))

    if tuple(field.split(".")) in unsupported.FILE_FIELDS:
        assert after == [f"{field}: not supported yet"]
    elif field == "version":
        assert after == ["version: expected 1, not 2"]
    else:
        assert isinstance(after, tuple), after
        assert after != state_or_errors(before)


def fields_of(model: str, prefix: str = "") -> Iterator[str]:
    """Every field below a model of the schema, and of the mappings in it."""
    definitions = schema_json()["$defs"]
    properties = (definitions[model] if model else schema_json())["properties"]
    for field, part in properties.items():
        groups = [each["$ref"].rpartition("/")[2] for each in (part, *part.get("anyOf", ())) if "$ref" in each]
        if not groups or "anyOf" in part:
            yield prefix + field
        for group in groups:
            if f"{prefix}{field}" == "on_failure.http" or group == "DefaultOptions":
                yield prefix + field
            else:
                yield from fields_of(group, f"{prefix}{field}.")


def test_the_walk_covers_every_field_of_the_schema() -> None:
    assert set(fields_of("JobEntry")) == set(JOB_VALUES)
    assert set(fields_of("")) == set(FILE_VALUES) | {"defaults"}


def test_every_row_of_the_table_of_what_is_not_supported_names_a_field() -> None:
    fields = set(fields_of("JobEntry"))

    for row in unsupported.JOB_FIELDS:
        assert any(f"{field}.".startswith(".".join(row) + ".") for field in fields)
    for row in unsupported.FILE_FIELDS:
        assert ".".join(row) in FILE_VALUES


def test_every_field_of_the_schema_is_described() -> None:
    schema = schema_json()
    for name, model in {"": schema, **schema["$defs"]}.items():
        for field, part in model["properties"].items():
            assert part.get("description") or "$ref" in part, f"{name}.{field}"
        assert model["additionalProperties"] is False
        assert model["description"]


def test_the_schema_is_2020_12_without_an_id_and_its_references_lead_somewhere() -> None:
    schema = schema_json()
    text = json.dumps(schema)

    assert (schema["$schema"], "$id" in text) == (DIALECT, False)
    for part in text.split('"$ref": "#/$defs/')[1:]:
        assert part.partition('"')[0] in schema["$defs"]


def test_the_defaults_shown_are_those_of_the_model() -> None:
    definitions = schema_json()["$defs"]
    job = definitions["JobEntry"]["properties"]

    assert {name: job[name]["default"] for name in ("timezone", "concurrency", "retries", "catch_up", "suspend")} == {
        "timezone": "UTC",
        "concurrency": "forbid",
        "retries": 0,
        "catch_up": "latest",
        "suspend": False,
    }
    assert definitions["RetryOptions"]["properties"]["max_delay"]["default"] == "10m"
    assert "default" not in job["cron"] or job["cron"]["default"] == []


def test_the_method_of_an_http_call_has_no_default_that_a_file_could_say() -> None:
    method = schema_json()["$defs"]["HttpOptions"]["properties"]["method"]

    assert "default" not in method
    assert method["description"] == "GET, or POST when there is a `json` or a payload."


@pytest.mark.parametrize(("model", "field"), [("SettingsOptions", "database"), ("HttpOptions", "url")])
def test_what_is_no_url_is_refused_by_editors_too(model: str, field: str) -> None:
    part = schema_json()["$defs"][model]["properties"][field]

    assert re.search(part["pattern"], "foo") is None
    assert re.search(part["pattern"], "${URL:-foo}") is not None


def test_the_checked_in_schema_is_the_current_one() -> None:
    assert json.loads(SCHEMA_FILE.read_text(encoding="utf-8")) == schema_json()


@pytest.mark.parametrize(
    "value", [None, True, 3, 2.5, "", "5m", "none", "a b", [], ["a"], [1], {}, {"max": 1}, {"x": 1}]
)
@pytest.mark.parametrize("field", [*JOB.fields])
def test_a_field_is_checked_alone_as_it_is_among_others(field: str, value: Any) -> None:
    def verdict(check: Callable[[], Any]) -> Any:
        try:
            return check()
        except ValidationError as error:
            return [(one["type"], one["msg"]) for one in error.errors()]

    assert verdict(lambda: JOB.check_of(field)(value)) == verdict(lambda: JOB({field: value})[field])
