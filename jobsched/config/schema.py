"""Every field of jobs.yaml: its type, its limits and its meaning. The JSON Schema and the docs are made from here.

Defaults are not: they stand in `jobsched.model.job`, and a model here says only which fields were given.
"""

from functools import cache
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from jobsched.config import fields as kinds
from jobsched.config.fields import Duration, Instant, PositiveDuration, wrong
from jobsched.model.definition import HANDLER_KINDS

SCHEDULE_KINDS = ("cron", "every", "at")


def _may(description: str, **constraints: Any) -> Any:
    """A field that may be left out."""
    return Field(default=None, description=description, **constraints)


class Options(BaseModel):
    """What a mapping of jobs.yaml may hold; nothing is converted on the way."""

    model_config = ConfigDict(strict=True, extra="forbid", regex_engine="rust-regex", defer_build=True)


class DstOptions(Options):
    """What a schedule with a fixed minute and hour does when clocks change."""

    gap: Literal["run_after", "skip"] = _may(
        "A time that the clocks jump over: run right after the jump, or not at all."
    )
    overlap: Literal["first", "both"] = _may("A time that comes twice: run at the first, or at both.")


class CalendarOptions(Options):
    """Which named calendars a job heeds."""

    exclude: list[kinds.Name] = _may("Calendars on whose days it does not run.")
    only: list[kinds.Name] = _may("Calendars on whose days alone it runs.")
    on_excluded: Literal["skip", "next_day"] = _may("What becomes of a slot that a calendar excludes.")


class ConcurrencyOptions(Options):
    """How many runs may be unfinished or running at once, over all nodes."""

    policy: Literal["allow", "forbid", "replace", "queue"] = _may(
        "When a slot comes and the limit is reached: start all the same, skip it, cancel the others, or let it wait."
    )
    limit: int = _may("How many.", ge=1, le=1_000_000)
    key: kinds.Text = _may("Runs of the namespace with the same key share the limit.", max_length=200)
    max_queued: int = _may(
        "With policy `queue`: how many slots wait at most; those beyond are skipped.", ge=1, le=1_000_000
    )


class RetryOptions(Options):
    """How often, and when, a failed attempt is followed by another."""

    max: kinds.Count = _may("Further attempts after the first.")
    backoff: Literal["exponential", "linear", "constant"] = _may("How the delay grows from one attempt to the next.")
    delay: Duration = _may("The first delay.")
    factor: float = _may("What `exponential` multiplies the delay by each time.", ge=1, le=1000, allow_inf_nan=False)
    max_delay: Duration = _may("No delay is longer.")
    jitter: float = _may("Random share of the delay, up or down.", ge=0, le=1, allow_inf_nan=False)


class TimeoutOptions(Options):
    """How long one attempt may take."""

    after: PositiveDuration = Field(description="The deadline, from the handler's start.")
    kill_after: Duration = _may("How long after the deadline it is ended by force.")


class HistoryOptions(Options):
    """How many finished runs are kept, and for how long at most."""

    success: kinds.Count = _may("Succeeded runs.")
    failed: kinds.Count = _may("Failed and cancelled runs.")
    skipped: kinds.Count = _may("Skipped slots.")
    max_age: PositiveDuration = _may("Older ones are deleted in any case.")


class HttpOptions(Options):
    """One HTTP call. `${VAR}` in url, headers and json is resolved on the node."""

    url: Annotated[kinds.Referring, Field(pattern=r"^(?:https?://|\$\{)", max_length=8192)] = Field(
        description="Where to; http or https."
    )
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"] = _may(
        "How; without it POST if there is a `json` or a payload, else GET."
    )
    headers: dict[Annotated[str, Field(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")], kinds.Referring] = _may(
        "Headers to send."
    )
    body: kinds.ReferringJson = Field(
        default=None, alias="json", description="The body; without it the payload is sent, where the method has a body."
    )
    expect: Annotated[
        list[kinds.HttpStatus],
        BeforeValidator(kinds.one_or_many, json_schema_input_type=kinds.HttpStatus | list[kinds.HttpStatus]),
    ] = _may("Status codes that count as success; without it any 2xx.", min_length=1)


def _shorthand(key: str, *types: type) -> Any:
    """A validator that takes a bare value of these types for the mapping {key: value}."""

    def expand(value: Any) -> Any:
        # A bool is an int to Python, and none to people.
        return {key: value} if type(value) in types else value

    return expand


def _concurrency(value: Any) -> Any:
    if isinstance(value, str):
        return {"policy": value}
    return {"limit": value} if type(value) is int else value


def _timeout(value: Any) -> Any:
    if value is None:
        raise wrong("has no value", "write `timeout: none` for no timeout, or remove the line")
    if value == "none":
        return None
    return value if isinstance(value, dict) else {"after": value}


def _deadline(value: Any) -> Any:
    return None if value == "none" else value


_Concurrency = Annotated[
    ConcurrencyOptions,
    BeforeValidator(
        _concurrency,
        json_schema_input_type=Literal["allow", "forbid", "replace", "queue"]
        | Annotated[int, Field(ge=1, le=1_000_000)]
        | ConcurrencyOptions,
    ),
]
_Retries = Annotated[
    RetryOptions, BeforeValidator(_shorthand("max", int), json_schema_input_type=kinds.Count | RetryOptions)
]
_Timeout = Annotated[
    TimeoutOptions | None,
    BeforeValidator(_timeout, json_schema_input_type=PositiveDuration | Literal["none"] | TimeoutOptions),
]
_Cron = Annotated[
    list[kinds.Text], BeforeValidator(kinds.one_or_many, json_schema_input_type=kinds.Text | list[kinds.Text])
]


def _program(argv: list[str]) -> list[str]:
    if not argv[0]:
        raise wrong("the first word is the program; it is empty")
    return argv


_Command = Annotated[list[str], Field(min_length=1), AfterValidator(_program)]


class FailureOptions(Options):
    """What is performed when a run has failed for good."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": [kind]} for kind in HANDLER_KINDS]})

    handler: kinds.HandlerName = _may("A Python callable: `module:callable`, or a registered name.")
    command: _Command = _may("An argv, started without a shell.")
    shell: kinds.Text = _may("A text for /bin/sh.")
    http: HttpOptions = _may("An HTTP call.")


class JobOptions(Options):
    """The fields that a job and the file's `defaults` share."""

    timezone: kinds.Text = _may("IANA name of the zone in which `cron` is read, like Europe/Rome.", max_length=100)
    dst: DstOptions = _may("What a schedule with a fixed minute and hour does when clocks change.")
    start_at: Instant = _may("No slot lies before it; the phase of `every`.")
    end_at: Instant = _may("No slot lies after it.")
    jitter: Duration = _may(
        "Spreads starts over this time: fixed for each job and slot, less than the time between two slots."
    )
    calendar: CalendarOptions = _may("Calendars whose days are left out, or are the only ones.")
    payload: dict[str, Any] = _may(
        "Data for the handler: keyword arguments of a Python handler, JSON on stdin of a command. At most 1 MiB."
    )
    queue: kinds.Name = _may("The queue; nodes may serve some queues only.")
    priority: kinds.Int32 = _may("Smaller ones first.")
    concurrency: _Concurrency = _may(
        "What happens when a slot comes while runs of the job are unfinished: a policy, or a number "
        "(skip beyond this many), or both in a mapping."
    )
    starting_deadline: Annotated[
        PositiveDuration | None,
        BeforeValidator(_deadline, json_schema_input_type=PositiveDuration | Literal["none"]),
    ] = _may("A slot that cannot start within this time is skipped.")
    catch_up: Literal["skip", "latest", "all"] = _may(
        "After downtime, which missed slots run: none, the newest, or all. `all` needs concurrency queue or allow."
    )
    max_catch_up: int = _may(
        "With catch_up `all`: the newest so many; the rest are skipped in one row.", ge=1, le=100_000
    )
    retries: _Retries = _may("How often a failed run is tried again: a number, or a mapping.")
    timeout: _Timeout = _may("How long one attempt may take: a duration, a mapping, or `none`.")
    executor: Literal["thread", "process"] = _may("Where a Python handler runs.")
    on_crash: Literal["retry", "fail"] = _may("When the node that ran it died: run it again, or count it as failed.")
    suspend: bool = _may("Whether the job's slots are skipped; a pause at run time is apart from this.")
    history: HistoryOptions = _may("How many finished runs are kept.")
    on_failure: FailureOptions = _may("What to perform when a run has failed for good.")
    env: kinds.Environment = _may("Environment variables of a command or shell; `${VAR}` is resolved on the node.")
    cwd: kinds.Text = _may("Working directory of a command or shell.", max_length=4096)
    tags: list[kinds.Tag] = _may("Labels to find jobs by.", max_length=32)
    owner: kinds.Text = _may("Who answers for the job.", max_length=200)


class DefaultOptions(JobOptions):
    """Values for jobs that do not give their own."""


class JobEntry(JobOptions):
    """A job: what it performs, and when."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [{"required": [kind]} for kind in HANDLER_KINDS],
            "not": {
                "anyOf": [
                    {"required": [one, other]} for one, other in (("cron", "every"), ("cron", "at"), ("every", "at"))
                ]
            },
        }
    )

    description: kinds.Text = _may("What the job is for.", max_length=10_000)
    handler: kinds.HandlerName = _may("A Python callable: `module:callable`, or the name it is registered under.")
    command: _Command = _may("An argv, started without a shell.")
    shell: kinds.Text = _may("A text for /bin/sh.")
    http: HttpOptions = _may("An HTTP call.")
    cron: _Cron = _may(
        "One cron expression or several: 5 fields, or 6 with seconds, or 7 with years; `@daily` and the like; "
        "`H` is a value fixed by the job's name.",
        min_length=1,
        max_length=100,
    )
    every: kinds.Period = _may("A fixed period, at least 1 s; counted from start_at, else from 1970-01-01T00:00:00Z.")
    at: Instant = _may("Once, at this instant.")


class QueueOptions(Options):
    """A queue's own limit."""

    limit: int = _may("How many of its runs may run at once, over all nodes.", ge=1, le=1_000_000)


class SettingsHistory(Options):
    """Retention where a job says nothing."""

    max_age: PositiveDuration = _may("Default of the jobs' history.max_age.")


class SettingsOptions(Options):
    """How nodes work; read at start. The command line and the environment go before."""

    database: Annotated[kinds.Referring, Field(min_length=1)] = _may(
        "URL of the database: sqlite:///file.db or postgresql://…; a relative file is relative to this one."
    )
    threads: int = _may("Handlers at once on a node.", ge=1, le=10_000)
    queues: dict[kinds.Name, QueueOptions] = _may("Limits of queues, over all nodes.")
    heartbeat: PositiveDuration = _may("How often a node reports that it is alive.")
    lease: PositiveDuration = _may("How long after its last heartbeat a node is taken for dead; at least 3 heartbeats.")
    grace: Duration = _may("How long running handlers may go on at shutdown.")
    imports: list[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*$")]] = _may(
        "Python modules that register handlers."
    )
    history: SettingsHistory = _may("Retention where a job says nothing.")
    poll: PositiveDuration = _may("The slow look that stands behind every wake-up.")
    log_format: Literal["auto", "text", "json"] = _may("`auto` is text on a terminal, else JSON.")


class CalendarEntry(Options):
    """Days."""

    dates: list[Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]] = _may("Single days.")
    weekdays: list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]] = _may("Days of each week.")


class FileHead(Options):
    """All of a file but its jobs."""

    version: Literal[1] = _may("The version of this format.")
    namespace: kinds.Name = _may("Jobs of other namespaces are left alone.")
    settings: SettingsOptions = _may("How nodes work.")
    defaults: DefaultOptions = _may(
        "Values for the jobs of this file that do not give their own. A field of a job replaces that of the defaults; "
        "within retries, timeout, history, dst and env the two are joined key by key."
    )
    calendars: dict[kinds.Name, CalendarEntry] = _may("Named sets of days.")


class FileOptions(FileHead):
    """Jobs that jobsched runs: what the file says is what runs."""

    jobs: dict[kinds.Name, JobEntry] = Field(description="The jobs by name; `{}` is none.")


_GROUPS: dict[str, type[Options]] = {
    "dst": DstOptions,
    "calendar": CalendarOptions,
    "concurrency": ConcurrencyOptions,
    "retries": RetryOptions,
    "timeout": TimeoutOptions,
    "history": HistoryOptions,
    "http": HttpOptions,
    "on_failure": FailureOptions,
}
_SECTIONS: dict[tuple[type[Options], str], type[Options]] = {
    (FileHead, "settings"): SettingsOptions,
    (FileHead, "defaults"): DefaultOptions,
    (SettingsOptions, "history"): SettingsHistory,
}


def group_below(model: type[Options], field: str) -> type[Options] | None:
    """What the mapping in a field of `model` is checked against; None: it is no mapping, or of the user's own keys."""
    return _SECTIONS.get((model, field)) or _GROUPS.get(field)


@cache
def field_names(model: type[Options]) -> tuple[str, ...]:
    """As they stand in the file."""
    described = FileOptions if model is FileHead else model
    return tuple(field.alias or name for name, field in described.model_fields.items())
