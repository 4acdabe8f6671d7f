"""Every field of jobs.yaml: its kind, its limits and its meaning. The JSON Schema and the docs are made from here.

Defaults are not: they stand in `jobsched.model.job`, and a checked mapping has only the fields that were given.
"""

from collections.abc import Callable
from typing import Any

from jobsched.config import fields as kinds
from jobsched.config.fields import DURATION, INSTANT, POSITIVE_DURATION, TEXT, one_or_many, wrong
from jobsched.config.kinds import (
    Group,
    after,
    anything,
    before,
    boolean,
    integer,
    list_of,
    mapping,
    may,
    must,
    number,
    one_of,
    or_none,
    text,
)
from jobsched.model.alert import FOR_PEOPLE
from jobsched.model.definition import HANDLER_KINDS
from jobsched.model.keys import LONGEST_DECLARED_KEY
from jobsched.model.template import TEMPLATE_FIELDS, template_problem

SCHEDULE_KINDS = ("cron", "every", "at")

DST = Group(
    "DstOptions",
    "What a schedule with a fixed minute and hour does when clocks change.",
    gap=may(one_of("run_after", "skip"), "A time that the clocks jump over: run right after the jump, or not at all."),
    overlap=may(one_of("first", "both"), "A time that comes twice: run at the first, or at both."),
)

CALENDAR_USE = Group(
    "CalendarOptions",
    "Which named calendars a job heeds.",
    exclude=may(list_of(kinds.NAME), "Calendars on whose days it does not run."),
    only=may(list_of(kinds.NAME), "Calendars on whose days alone it runs."),
    on_excluded=may(one_of("skip", "next_day"), "What becomes of a slot that a calendar excludes."),
)

_POLICY, _LIMIT = one_of("allow", "forbid", "replace", "queue"), integer(1, 1_000_000)
CONCURRENCY = Group(
    "ConcurrencyOptions",
    "How many runs may be unfinished or running at once, over all nodes.",
    policy=may(
        _POLICY,
        "When a slot comes and the limit is reached: start all the same, skip it, cancel the others, or let it wait.",
    ),
    limit=may(_LIMIT, "How many."),
    key=may(
        text(least=1, most=LONGEST_DECLARED_KEY),
        "Runs of the namespace with the same key share the limit, whatever their job. `payload.region` stands for that field "
        "of a run's payload: each value of it is a key of its own. Without it a job's runs share one.",
    ),
    max_queued=may(
        integer(1, 1_000_000), "With policy `queue`: how many slots wait at most; those beyond are skipped."
    ),
)

RETRIES = Group(
    "RetryOptions",
    "How often, and when, a failed attempt is followed by another.",
    max=may(kinds.COUNT, "Further attempts after the first."),
    backoff=may(one_of("exponential", "linear", "constant"), "How the delay grows from one attempt to the next."),
    delay=may(DURATION, "The first delay."),
    factor=may(number(1, 1000), "What `exponential` multiplies the delay by each time."),
    max_delay=may(DURATION, "No delay is longer."),
    jitter=may(number(0, 1), "Random share of the delay, up or down."),
    retry_on=may(
        list_of(kinds.ERROR_NAME, least=1, most=100),
        "Only these errors are tried again: class names (`ConnectionError`, `billing.errors.Busy`; those derived from it too), "
        "`exit 75` of a command, `status 503` of an HTTP call.",
    ),
    no_retry_on=may(
        list_of(kinds.ERROR_NAME, least=1, most=100),
        "These errors are never tried again, named as in `retry_on`, which they go before.",
    ),
)

TIMEOUT = Group(
    "TimeoutOptions",
    "How long one attempt may take.",
    after=must(POSITIVE_DURATION, "The deadline, from the handler's start."),
    kill_after=may(DURATION, "How long after the deadline it is ended by force."),
)

HISTORY = Group(
    "HistoryOptions",
    "How many finished runs are kept, and for how long at most.",
    success=may(kinds.COUNT, "Succeeded runs; of backfilled ones as many again."),
    failed=may(kinds.COUNT, "Failed and cancelled runs; of backfilled ones as many again."),
    skipped=may(kinds.COUNT, "Skipped slots."),
    max_age=may(POSITIVE_DURATION, "Older ones are deleted in any case."),
)

HTTP = Group(
    "HttpOptions",
    "One HTTP call. `${VAR}` in url, headers and json is resolved on the node.",
    url=must(kinds.HTTP_URL, "Where to; http or https."),
    method=may(
        one_of("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"),
        "GET, or POST when there is a `json` or a payload.",
    ),
    headers=may(mapping(text(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"), kinds.REFERRING), "Headers to send."),
    json=may(kinds.REFERRING_JSON, "The body; without it the payload is sent, where the method has a body."),
    expect=may(
        before(one_or_many, list_of(kinds.HTTP_STATUS, least=1), kinds.HTTP_STATUS),
        "Status codes that count as success; without it any 2xx.",
    ),
)


def _shorthand(key: str, *types: type) -> Callable[[Any], Any]:
    """Takes a bare value of these types for the mapping {key: value}."""

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


def _on_failure(value: Any) -> Any:
    if value is None:
        raise wrong("has no value", "write `on_failure: none` for nothing, or remove the line")
    return None if value == "none" else value


def _alerts(value: Any) -> Any:
    if value is None:
        raise wrong("has no value", "write `alerts: none` for none, or remove the line")
    return None if value == "none" else value


def _ping(value: Any) -> Any:
    if value == {}:
        raise wrong("names no URL", "write `success`, `failure` or `start` below it")
    return value


def _queue(value: Any) -> Any:
    if value == {}:
        raise wrong("says nothing of its queue", "write `limit`, `rate`, `max_queued` or `threads` below it")
    return value


def _deadline(value: Any) -> Any:
    return None if value == "none" else value


def _program(argv: list[str]) -> list[str]:
    if not argv[0]:
        raise wrong("the first word is the program; it is empty")
    return argv


_TEMPLATE_FIELDS = ", ".join(f"`{{{name}}}`" for name in TEMPLATE_FIELDS)


def _template(written: str) -> str:
    if problem := template_problem(written):
        raise wrong(problem, f"it may have {_TEMPLATE_FIELDS}; a brace is written twice")
    return written


_COMMAND = after(_program, list_of(text(), least=1))
_ONE_HANDLER = {"oneOf": [{"required": [kind]} for kind in HANDLER_KINDS]}

FAILURE = Group(
    "FailureOptions",
    "What is performed when a run has failed for good.",
    _ONE_HANDLER,
    handler=may(kinds.HANDLER_NAME, "A Python callable: `module:callable`, or a registered name."),
    command=may(_COMMAND, "An argv, started without a shell."),
    shell=may(TEXT, "A text for /bin/sh."),
    http=may(HTTP.kind, "An HTTP call."),
    retries=may(kinds.COUNT, "How often that run is tried again."),
)

SLA = Group(
    "SlaOptions",
    "What counts as too late or too long.",
    late_after=may(
        POSITIVE_DURATION, "For `late`: a slot that has not started so long after it was due, jitter apart."
    ),
    max_runtime=may(POSITIVE_DURATION, "For `stuck`: an attempt that has been running for so long; it is not ended."),
    max_time_since_success=may(POSITIVE_DURATION, "For `no_success`: no run has succeeded for so long."),
)

PING = Group(
    "PingOptions",
    "URLs that are called when runs begin and end, for services that watch that jobs run at all.",
    success=may(kinds.HTTP_URL, "Called when a run has succeeded; `${VAR}` is resolved on the node."),
    failure=may(kinds.HTTP_URL, "Called when a run has failed for good; `${VAR}` is resolved on the node."),
    start=may(kinds.HTTP_URL, "Called when an attempt has begun; `${VAR}` is resolved on the node."),
)

_KIND = one_of(*map(str, FOR_PEOPLE))
ALERTS = Group(
    "AlertOptions",
    "What is told of a job, to whom, and how often at most.",
    notify=may(
        before(one_or_many, list_of(kinds.NAME, least=1, most=20), kinds.NAME), "Names of `notifiers`: who is told."
    ),
    when=may(
        before(one_or_many, list_of(_KIND, least=1), _KIND),
        "What is told. Without it `final_failure` and `recovery`, and what `sla` has a duration for.",
    ),
    sla=may(SLA.kind, "What counts as too late or too long."),
    throttle=may(
        DURATION,
        "So long after a message the next of the same kind and job waits; it tells of all that happened meanwhile.",
    ),
)

NOTIFIER = Group(
    "NotifierEntry",
    "What an alert is sent with: one of `apprise`, `http`, `command`, `shell`, `handler`; and in what words.",
    {"oneOf": [{"required": [kind]} for kind in (*HANDLER_KINDS, "apprise")]},
    apprise=may(
        before(one_or_many, list_of(kinds.REFERENCE, least=1, most=20), kinds.REFERENCE),
        "URLs of apprise, for chat, mail and push services; each a reference like `${OPS_URL}`, since it holds secrets. "
        "Extra `alerts`.",
    ),
    http=may(HTTP.kind, "An HTTP call; the alert as JSON is its body, unless it has a `json`."),
    command=may(_COMMAND, "An argv, started without a shell; the alert as JSON on stdin."),
    shell=may(TEXT, "A text for /bin/sh; the alert as JSON on stdin."),
    handler=may(kinds.HANDLER_NAME, "A Python callable; the fields of the alert are its keyword arguments."),
    title=may(
        after(_template, text(least=1, most=200)),
        f"In place of the usual title; {_TEMPLATE_FIELDS} stand for what they name, `{{{{` for a brace.",
    ),
    text=may(after(_template, text(least=1, most=4000)), "In place of the usual text; as `title`."),
)

DEFAULTS = Group(
    "DefaultOptions",
    "Values for jobs that do not give their own.",
    timezone=may(text(least=1, most=100), "IANA name of the zone in which `cron` is read, like Europe/Rome."),
    dst=may(DST.kind, "What a `cron` with a fixed minute and hour does when clocks change."),
    start_at=may(INSTANT, "No slot lies before it; the phase of `every`. For jobs with a schedule."),
    end_at=may(
        INSTANT,
        "No slot lies after it. For jobs with a schedule; one that has no slot from start_at to end_at is refused.",
    ),
    jitter=may(
        DURATION,
        "Spreads starts over this time: fixed for each job and slot, less than the time between two slots. "
        "For jobs with a schedule.",
    ),
    calendar=may(CALENDAR_USE.kind, "Calendars whose days are left out, or are the only ones."),
    payload=may(
        mapping(text(), anything()),
        "Data for the handler: keyword arguments of a Python handler, JSON on stdin of a command. At most 1 MiB. "
        "It is data: a `${VAR}` in it is not resolved.",
    ),
    queue=may(kinds.NAME, "The queue; nodes may serve some queues only."),
    priority=may(kinds.INT32, "Smaller ones first."),
    concurrency=may(
        before(_concurrency, CONCURRENCY.kind, _POLICY, _LIMIT),
        "What happens when a slot comes while runs of the job are unfinished: a policy, or a number "
        "(skip beyond this many), or both in a mapping.",
    ),
    starting_deadline=may(
        before(_deadline, or_none(POSITIVE_DURATION), POSITIVE_DURATION, one_of("none")),
        "A slot that has not started within this time after it became available is skipped, also while it waits for a limit. "
        "Retries, triggers and backfills have no such deadline. For jobs with a schedule.",
    ),
    catch_up=may(
        one_of("skip", "latest", "all"),
        "After downtime, which missed slots run: none, the newest, or all. `all` needs concurrency queue or allow.",
    ),
    max_catch_up=may(integer(1, 100_000), "With catch_up `all`: the newest so many; the rest are skipped in one row."),
    retries=may(
        before(_shorthand("max", int), RETRIES.kind, kinds.COUNT),
        "How often a failed run is tried again: a number, or a mapping.",
    ),
    timeout=may(
        before(_timeout, or_none(TIMEOUT.kind), POSITIVE_DURATION, one_of("none")),
        "How long one attempt may take: a duration, a mapping, or `none`.",
    ),
    executor=may(
        one_of("thread", "process"),
        "Where a Python handler runs: in a thread of the node, or in a process of its own, which can be killed and does "
        "not hold up others with its computing.",
    ),
    on_crash=may(one_of("retry", "fail"), "When the node that ran it died: run it again, or count it as failed."),
    suspend=may(boolean(), "Whether the job's slots are skipped; a pause at run time is apart from this."),
    history=may(HISTORY.kind, "How many finished runs are kept."),
    on_failure=may(
        before(_on_failure, or_none(FAILURE.kind), one_of("none")),
        "What to perform when a run has failed for good, once its retries are used up: one of `handler`, `command`, "
        "`shell`, `http`. It is a run of its own, whose payload is the failed run as JSON. `none`: nothing.",
    ),
    alerts=may(
        before(_alerts, or_none(ALERTS.kind), one_of("none")),
        "Who is told of what: of failures, recoveries, missed and late slots, stuck runs. `none`: nobody of anything.",
    ),
    env=may(kinds.ENVIRONMENT, "Environment variables of a command or shell; `${VAR}` is resolved on the node."),
    cwd=may(text(least=1, most=4096), "Working directory of a command or shell; a `${VAR}` in it is not resolved."),
    user=may(
        text(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,31}\$?$"),
        "Who a command or shell is run as, with the groups of that user; the node must be root.",
    ),
    umask=may(
        text(pattern=r"^0?[0-7]{1,3}$"),
        'Of a command or shell, as octal digits in quotes, like "027"; else the node\'s.',
    ),
    tags=may(list_of(kinds.TAG, most=32), "Labels to find jobs, and their runs, by."),
    owner=may(text(least=1, most=200), "Who answers for the job."),
)

JOB = Group(
    "JobEntry",
    "A job: what it performs, and when.",
    {
        **_ONE_HANDLER,
        "not": {
            "anyOf": [{"required": [one, other]} for one, other in (("cron", "every"), ("cron", "at"), ("every", "at"))]
        },
    },
    **DEFAULTS.fields,
    description=may(text(least=1, most=10_000), "What the job is for."),
    handler=may(kinds.HANDLER_NAME, "A Python callable: `module:callable`, or the name it is registered under."),
    command=may(_COMMAND, "An argv, started without a shell; a `${VAR}` in it is not resolved."),
    shell=may(TEXT, "A text for /bin/sh, which expands its own variables."),
    http=may(HTTP.kind, "An HTTP call."),
    cron=may(
        before(one_or_many, list_of(TEXT, least=1, most=100), TEXT),
        "One cron expression or several: 5 fields, or 6 with seconds, or 7 with years; `@daily` and the like; "
        "`H` is a value fixed by the job's name.",
    ),
    every=may(kinds.PERIOD, "A fixed period, at least 1 s; counted from start_at, else from 1970-01-01T00:00:00Z."),
    ping=may(
        before(_ping, PING.kind),
        "URLs that are called when a run has succeeded, has failed for good, or begins: a dead-man's switch.",
    ),
    at=may(INSTANT, "Once, at this instant; not before start_at, not after end_at."),
)

_A_LIMIT = {"anyOf": [{"required": [name]} for name in ("limit", "rate", "max_queued", "threads")]}
QUEUE = Group(
    "QueueOptions",
    "A queue's own limits: one of them, or several.",
    _A_LIMIT,
    limit=may(
        integer(1, 1_000_000),
        "How many of its runs may run at once, over all nodes. Part of a sync: an edit takes effect at once.",
    ),
    rate=may(
        kinds.RATE,
        "How many of its runs may start in a time, over all nodes: `100/1m`. Evenly spaced, so `6000/1h` comes to the same, "
        "and `1/600ms` too. Part of a sync: an edit takes effect at once.",
    ),
    max_queued=may(
        integer(1, 1_000_000),
        "How many of its runs may wait; beyond it `enqueue` refuses with `QueueFull`, while slots, triggers, retries and "
        "requeues still get in. Part of a sync: an edit takes effect at once.",
    ),
    threads=may(
        integer(1, 10_000),
        "How many of a node's threads it may have at once; the others are for other queues. Read at start.",
    ),
)

SETTINGS_HISTORY = Group(
    "SettingsHistory",
    "Retention where a job says nothing.",
    max_age=may(POSITIVE_DURATION, "Default of the jobs' history.max_age."),
)

API_TOKENS = Group(
    "ApiTokenOptions",
    "Bearer tokens of the HTTP API, each as a `${VAR}` reference, of 32 characters at least.",
    read=may(kinds.SECRET, "Lets look, validate and plan. The variable JOBSCHED_API_TOKEN_READ goes before."),
    operate=may(
        kinds.SECRET,
        "Lets pause, resume, trigger, cancel, requeue and reschedule too. JOBSCHED_API_TOKEN_OPERATE goes before.",
    ),
    admin=may(kinds.SECRET, "Lets do everything. The variable JOBSCHED_API_TOKEN goes before."),
)

API = Group(
    "ApiOptions",
    "The HTTP API of `serve` and `run --http`; read at start.",
    tokens=may(API_TOKENS.kind, "Bearer tokens. Without any, only a loopback address may be listened on."),
    hosts=may(
        list_of(text(pattern=r"^[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?$", most=253), most=100),
        "Names that requests may be for (their `Host`), beside localhost and what is listened on.",
    ),
    allow_definitions=may(
        boolean(),
        "Whether jobs made over HTTP may perform commands, HTTP calls and import paths, and `ping` URLs: whoever has the "
        "admin token is then as good as the nodes' user. Else they name registered handlers.",
    ),
)

SETTINGS = Group(
    "SettingsOptions",
    "How nodes work; read at start. The command line and the environment go before.",
    database=may(
        kinds.DATABASE_URL,
        "URL of the database: sqlite:///file.db or postgresql://…; a relative file is relative to this one. "
        "`${VAR}` is resolved on the node.",
    ),
    threads=may(integer(1, 10_000), "Handlers at once on a node."),
    max_abandoned=may(
        integer(1, 10_000),
        "How many threads whose handlers ignored their timeout a node gives up and replaces: at the last of them it ends, "
        "with exit code 75, to be started anew. Without it: as many as `threads`.",
    ),
    pass_env=may(
        list_of(text(pattern=r"^[A-Za-z_*?][A-Za-z0-9_*?]*$"), most=1000),
        "Which of the node's environment variables commands inherit: names, or patterns like `AWS_*`; PATH always. Without "
        "it: all. Never inherited are `JOBSCHED_…` and what `database` and `api.tokens` refer to.",
    ),
    queues=may(
        mapping(kinds.NAME, before(_queue, QUEUE.kind)),
        "Of a queue: `limit` and `rate` over all nodes and `max_queued`, which are part of a sync, so that an edit takes effect "
        "at once; and `threads`, the share that it may have of each node's threads, read at start as the other settings are.",
    ),
    heartbeat=may(POSITIVE_DURATION, "How often a node reports that it is alive."),
    lease=may(POSITIVE_DURATION, "How long after its last heartbeat a node is taken for dead; at least 3 heartbeats."),
    grace=may(DURATION, "How long running handlers may go on at shutdown."),
    imports=may(
        list_of(text(pattern=r"^[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*$")),
        "Python modules that register handlers.",
    ),
    history=may(SETTINGS_HISTORY.kind, "Retention where a job says nothing."),
    poll=may(POSITIVE_DURATION, "The slow look that stands behind every wake-up."),
    log_format=may(one_of("auto", "text", "json"), "`auto` is text on a terminal, else JSON."),
    api=may(API.kind, "The HTTP API of `serve` and `run --http`."),
)

CALENDAR = Group(
    "CalendarEntry",
    "Days.",
    dates=may(list_of(text(pattern=r"^\d{4}-\d{2}-\d{2}$")), "Single days."),
    weekdays=may(list_of(one_of("mon", "tue", "wed", "thu", "fri", "sat", "sun")), "Days of each week."),
)

#: All of a file but its jobs, which are checked one by one.
HEAD = Group(
    "FileHead",
    "All of a file but its jobs.",
    version=may(one_of(1), "The version of this format."),
    namespace=may(kinds.NAME, "Jobs of other namespaces are left alone."),
    settings=may(SETTINGS.kind, "How nodes work."),
    defaults=may(
        DEFAULTS.kind,
        "Values for the jobs of this file that do not give their own. A field of a job replaces that of the defaults; "
        "within retries, timeout, history, dst, alerts and env the two are joined key by key.",
    ),
    notifiers=may(mapping(kinds.NAME, NOTIFIER.kind), "Who can be told, by the names that `alerts` uses."),
    calendars=may(mapping(kinds.NAME, CALENDAR.kind), "Named sets of days."),
)

FILE = Group(
    "FileOptions",
    "Jobs that jobsched runs: what the file says is what runs.",
    **HEAD.fields,
    jobs=must(mapping(kinds.NAME, JOB.kind), "The jobs by name; `{}` is none."),
)

#: Those that the JSON Schema names, below the file itself.
NAMED_GROUPS = (
    ALERTS,
    API,
    API_TOKENS,
    CALENDAR,
    CALENDAR_USE,
    CONCURRENCY,
    DEFAULTS,
    DST,
    FAILURE,
    HISTORY,
    HTTP,
    JOB,
    NOTIFIER,
    PING,
    QUEUE,
    RETRIES,
    SETTINGS_HISTORY,
    SETTINGS,
    SLA,
    TIMEOUT,
)


def field_names(group: Group) -> tuple[str, ...]:
    """As they stand in the file."""
    return tuple((FILE if group is HEAD else group).fields)
