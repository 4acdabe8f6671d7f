"""The reference of jobs.yaml: types, defaults and meanings from the schema, errors from the loader itself."""

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from jobsched.config import unsupported
from jobsched.config.json_schema import schema_json
from jobsched.config.load import check_sources
from jobsched.config.sources import Source
from reference.examples import JOB_ERRORS, JOB_EXAMPLES, SETTINGS_EXAMPLES, TOP_ERRORS, TOP_EXAMPLES

HEAD = """\
# jobs.yaml

<!-- Written by `make reference` from the models; do not edit. -->

Every field: its type, its default, what it means, an example, and what is refused. The examples are valid and the messages are real: both are
checked when this page is written. For editors there is a JSON Schema, [jobs.schema.json](jobs.schema.json), also `jobsched schema`.

- **duration**: a number of seconds, or text like `200ms`, `30s`, `5m`, `1h30m`, `2d`.
- **instant**: RFC 3339 with `Z` or an offset, like `2026-12-24T08:00:00Z`.
- **name**: letters, digits, `.`, `_` and `-`, at most 100 characters, the first a letter or digit.
- `${VAR}` and `${VAR:-default}` in `settings.database`, `env`, `http`, `apprise` and `ping` are resolved on the node when they are used. `$${` is a plain `${`.
- A field of a job goes before the file's `defaults`, and these before what is built in. Between the job and the defaults stands what the decorator of its Python handler says of `retries` and `timeout`: [runs](runs.md).
- YAML 1.2 is meant: `on`, `no` and `yes` are texts, `12:30` is a text, dates are texts. Duplicate keys and unknown tags are errors. Quote cron expressions.
- Errors are reported all at once, each with line and column. A file with errors changes nothing.
"""

TOPICS = {
    "What it performs": ("handler", "command", "shell", "http", "payload", "env", "cwd", "user", "umask"),
    "When": ("cron", "every", "at", "timezone", "dst", "start_at", "end_at", "jitter", "calendar", "suspend"),
    "After downtime": ("catch_up", "max_catch_up", "starting_deadline"),
    "How it is run": (
        *("queue", "priority", "concurrency", "retries", "timeout", "executor", "on_crash", "on_failure"),
        *("alerts", "ping", "history"),
    ),
    "For people": ("description", "owner", "tags"),
}
GROUPS = {
    "dst": "DstOptions",
    "concurrency": "ConcurrencyOptions",
    "retries": "RetryOptions",
    "timeout": "TimeoutOptions",
    "on_failure": "FailureOptions",
    "alerts": "AlertOptions",
    "sla": "SlaOptions",
    "ping": "PingOptions",
    "history": "HistoryOptions",
    "http": "HttpOptions",
}
_PLAIN_TYPES = {
    "string": "text",
    "integer": "integer",
    "number": "number",
    "boolean": "`true` `false`",
    "object": "mapping",
}


def page() -> str:
    return "\n".join([HEAD, *_parts(schema_json())]).rstrip() + "\n"


def _parts(schema: Mapping[str, Any]) -> Iterator[str]:
    definitions = schema["$defs"]
    job = definitions["JobEntry"]["properties"]
    left = set(job) - {field for fields in TOPICS.values() for field in fields}
    if left:
        raise SystemExit(f"docs/reference/jobs_yaml.py: under which topic stand {sorted(left)}?")
    yield "## The file\n"
    yield from _table(schema["properties"], {}, TOP_EXAMPLES)
    yield from _refused(TOP_ERRORS)
    yield "## settings\n"
    yield "Read when a node starts. An option of the command line goes first, then `JOBSCHED_<SETTING>` of the environment, then the file.\n"
    yield from _table(definitions["SettingsOptions"]["properties"], {("settings",): ""}, SETTINGS_EXAMPLES)
    yield "### A queue\n"
    yield definitions["QueueOptions"]["description"] + " See [runs](runs.md#rates-and-full-queues).\n"
    yield from _table(definitions["QueueOptions"]["properties"], {("queues",): ""}, {})
    yield "### settings.api\n"
    for group in ("ApiOptions", "ApiTokenOptions"):
        yield definitions[group]["description"] + "\n"
        yield from _table(definitions[group]["properties"], {("settings", "api"): ""}, {})
    yield "## A notifier\n"
    yield definitions["NotifierEntry"]["description"] + " See [alerts](alerts.md).\n"
    yield from _table(definitions["NotifierEntry"]["properties"], {("notifiers",): ""}, {})
    yield "## A job\n"
    yield "One of `handler`, `command`, `shell`, `http`; at most one of `cron`, `every`, `at`. Without one of these it runs by trigger only.\n"
    for topic, fields in TOPICS.items():
        yield f"### {topic}\n"
        yield from _table({field: job[field] for field in fields}, {(): ""}, JOB_EXAMPLES)
    yield "### Refused\n"
    yield from _refused(JOB_ERRORS)
    yield "## Mappings of a job\n"
    for field, model in GROUPS.items():
        yield f"### {field}\n"
        yield definitions[model]["description"] + "\n"
        yield from _table(definitions[model]["properties"], {(field,): ""}, {})
    yield from _unsupported()


def _table(
    properties: Mapping[str, Any], within: Mapping[tuple[str, ...], str], examples: Mapping[str, str]
) -> Iterator[str]:
    prefix = next(iter(within), None)
    yield "| field | type | default | meaning |" + (" example |" if examples else "")
    yield "|---|---|---|---|" + ("---|" if examples else "")
    for field, part in properties.items():
        refusal = _refusal(field, prefix)
        meaning = part.get("description", "") or _described(part)
        if refusal is not None:
            yield _row(f"`{field}`", _type(part), "", f"*Not supported yet: {refusal}.*", *([""] if examples else []))
            continue
        path = None if prefix is None or prefix[:1] == ("settings",) else (*prefix, field)
        cells = [f"`{field}`", _supported_type(part, path), _default(part), meaning]
        if examples:
            if field not in examples:
                raise SystemExit(f"docs/reference/examples.py: give an example of {field!r}")
            _check(field, examples[field], prefix)
            cells.append(f"`{examples[field]}`")
        yield _row(*cells)
    yield ""


def _described(part: Mapping[str, Any]) -> str:
    model = part.get("$ref", "").rpartition("/")[2]
    return str(schema_json()["$defs"][model]["description"]) if model else ""


def _refusal(field: str, prefix: tuple[str, ...] | None) -> str | None:
    """Why this version refuses the field, whatever its value."""
    if prefix is None or prefix[:1] == ("settings",):
        return unsupported.FILE_FIELDS.get((*(prefix or ()), field))
    refused, why = unsupported.JOB_FIELDS.get((*prefix, field), ("", ""))
    return why if refused is None else None


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _supported_type(part: Mapping[str, Any], path: tuple[str, ...] | None) -> str:
    """The type without the one value that this version refuses."""
    refused, _ = unsupported.JOB_FIELDS.get(path or (), (None, ""))
    return _type(part).replace(f"`{refused}` ", "").replace(f" `{refused}`", "") if refused else _type(part)


def _default(part: Mapping[str, Any]) -> str:
    return "none" if part.get("default", []) == [] else f"`{_plain(part['default'])}`"


def _plain(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case dict():
            return "{" + ", ".join(f"{key}: {_plain(each)}" for key, each in value.items()) + "}"
        case list():
            return "[" + ", ".join(_plain(each) for each in value) + "]"
        case _:
            return str(value)


def _type(part: Mapping[str, Any]) -> str:
    if "$ref" in part:
        field = next((name for name, model in GROUPS.items() if part["$ref"].endswith(f"/{model}")), None)
        return f"[mapping](#{field})" if field else "mapping"
    if "anyOf" in part:
        return "duration" if _is_duration(part) else " or ".join(_unique(_type(each) for each in part["anyOf"]))
    if values := part.get("enum", [part["const"]] if "const" in part else None):
        return " ".join(f"`{value}`" for value in values)
    if part.get("type") == "array":
        return f"list of {_type(part.get('items', {}))}"
    if "2026-12-24T08:00:00Z" in part.get("examples", ()):
        return "instant"
    return _PLAIN_TYPES.get(part.get("type", ""), "any JSON") + _bounds(part)


def _is_duration(part: Mapping[str, Any]) -> bool:
    return [each.get("type") for each in part["anyOf"]] == ["number", "string"]


def _unique(types: Iterator[str]) -> list[str]:
    found = list(dict.fromkeys(types))
    # A duration within a union is flattened by the schema.
    if found[:2] == ["number, at least 0", "text"]:
        found[:2] = ["duration"]
    return found


def _bounds(part: Mapping[str, Any]) -> str:
    low, high = part.get("minimum"), part.get("maximum")
    if low is not None and high is not None and high < 2**31 - 1:
        return f", {low:g} to {high:,}" if isinstance(high, int) else f", {low:g} to {high:g}"
    return f", at least {low:g}" if low is not None and low > -(2**31) else ""


def _errors(text: str) -> list[str]:
    loaded = check_sources([Source("jobs.yaml", text.encode())])
    return [
        f"{found.message}" + (f" ({found.hint})" if found.hint else "")
        for found in loaded.diagnostics
        if found.severity == "error"
    ]


def _job(lines: str) -> str:
    handler = "" if lines.startswith(("handler", "command", "shell", "http")) else "    command: [backup]\n"
    if lines.startswith("executor"):
        handler = "    handler: billing.jobs:send_invoices\n"
    if lines.startswith(("catch_up: all", "max_catch_up")):
        handler += "    concurrency: queue\n"
    if lines.startswith(("start_at", "end_at", "jitter", "starting_deadline")):
        handler += "    every: 1d\n"
    if lines.startswith("dst"):
        handler += '    cron: "30 2 * * *"\n'
    notifiers = "notifiers: {ops: {shell: mail ops}}\n" if lines.startswith("alerts") else ""
    calendars = "calendars: {holidays: {weekdays: [sat, sun]}}\n" if lines.startswith("calendar") else ""
    if lines.startswith("alerts"):
        handler += "    every: 1d\n"
    return f"version: 1\n{calendars}{notifiers}jobs:\n  nightly:\n{handler}" + textwrap.indent(lines, "    ") + "\n"


def _check(field: str, example: str, prefix: tuple[str, ...] | None) -> None:
    if prefix is None:
        text = example if field == "jobs" else f"{example}\njobs: {{}}\n"
    else:
        text = f"settings:\n  {example}\njobs: {{}}\n" if prefix else _job(example)
    if errors := _errors(text):
        raise SystemExit(f"docs/reference/examples.py: the example of {field!r} is not valid: {errors}")


def _refused(errors: Mapping[str, str]) -> Iterator[str]:
    """`errors`: what is written → `job` or `file`, which it is a part of."""
    yield "| written | said |"
    yield "|---|---|"
    for written, where in errors.items():
        said = _errors(_job(written) if where == "job" else written)
        if not said:
            raise SystemExit(f"docs/reference/examples.py: {written!r} is not refused any more")
        shown = "<br>".join(f"`{line}`" for line in written.strip().splitlines())
        yield _row(shown, "<br>".join(said))
    yield ""


def _unsupported() -> Iterator[str]:
    yield "## Not supported yet\n"
    yield "These are refused, since a field without effect deceives:\n"
    for path, (value, why) in unsupported.JOB_FIELDS.items():
        yield f"- `{'.'.join(path)}{'' if value is None else f': {value}'}` of a job: {why}"
    for path, why in unsupported.FILE_FIELDS.items():
        yield f"- `{'.'.join(path)}` of the file: {why}"
    yield ""
