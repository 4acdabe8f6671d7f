"""From files to the desired state: what is taken, what is refused and where, what comes from defaults."""

import hashlib
import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from jobsched.config import unsupported
from jobsched.config.diagnostics import MAX_DIAGNOSTICS
from jobsched.config.load import Loaded, check, check_sources, load
from jobsched.config.sources import Source, content_hash, files_of
from jobsched.errors import ConfigError
from jobsched.model.definition import definition
from jobsched.model.desired import DesiredState, Settings
from jobsched.model.handler import CommandHandler, HttpHandler, PythonHandler, ShellHandler
from jobsched.model.job import Concurrency, Dst, History, Job, Retries, Timeout
from jobsched.model.queue import QueueLimits, Rate

EXAMPLE = """\
# yaml-language-server: $schema=./jobs.schema.json
version: 1
namespace: default             # sync prunes only inside it
settings: {database: "${JOBSCHED_DATABASE_URL:-sqlite:///jobsched.db}", threads: 8}
defaults: {timezone: Europe/Rome, retries: {max: 2, delay: 10s}, timeout: 15m}
jobs:
  nightly-invoices:
    description: Close the day and send invoices
    handler: billing.jobs:send_invoices
    cron: "30 2 * * *"
    payload: {dry_run: false}
    concurrency: queue
    retries: 5
    catch_up: all
  refresh-cache:
    command: ["curl", "-fsS", "http://localhost/refresh"]
    cron: ["*/5 8-19 * * mon-fri", "0 * * * sat,sun"]
    timezone: UTC
    timeout: 60s
"""
A_JOB = "jobs:\n  nightly:\n    handler: a.b:c\n"


def checked(text: str, now: datetime | None = None) -> Loaded:
    return check_sources([Source("jobs.yaml", text.encode())], now=now)


def state_of(text: str) -> DesiredState:
    loaded = checked(text)
    assert loaded.diagnostics == ()
    assert loaded.state is not None
    return loaded.state


def job_of(fields: str, top: str = "") -> Job:
    state = state_of(f"{top}jobs:\n  x: {fields}\n")
    return state.jobs["x"]


def errors_of(text: str | Sequence[Source]) -> list[str]:
    loaded = checked(text) if isinstance(text, str) else check_sources(text)
    assert loaded.state is None
    return [str(found) for found in loaded.diagnostics]


def test_the_example_of_the_docs_is_taken_as_it_reads() -> None:
    state = state_of(EXAMPLE)

    assert state.settings == Settings(database="${JOBSCHED_DATABASE_URL:-sqlite:///jobsched.db}", threads=8)
    assert dict(state.jobs) == {
        "nightly-invoices": Job(
            namespace="default",
            name="nightly-invoices",
            description="Close the day and send invoices",
            handler=PythonHandler("billing.jobs:send_invoices"),
            cron=("30 2 * * *",),
            timezone="Europe/Rome",
            payload={"dry_run": False},
            concurrency=Concurrency(policy="queue"),
            retries=Retries(max=5),
            timeout=Timeout(timedelta(minutes=15)),
            catch_up="all",
            given=frozenset({"retries.max"}),
        ),
        "refresh-cache": Job(
            namespace="default",
            name="refresh-cache",
            handler=CommandHandler(("curl", "-fsS", "http://localhost/refresh")),
            cron=("*/5 8-19 * * mon-fri", "0 * * * sat,sun"),
            retries=Retries(max=2),
            timeout=Timeout(timedelta(minutes=1)),
        ),
    }
    assert state.positions == {"nightly-invoices": ("jobs.yaml", 7, 3), "refresh-cache": ("jobs.yaml", 15, 3)}
    assert (state.files, state.settings_file) == (("jobs.yaml",), "jobs.yaml")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("{handler: send}", {"handler": PythonHandler("send")}),
        ("{handler: email.send}", {"handler": PythonHandler("email.send")}),
        ("{http: {url: 'https://x'}}", {"handler": HttpHandler("https://x", method=None)}),
        ("{shell: ls | wc}", {"handler": ShellHandler("ls | wc")}),
        (
            '{http: {url: "https://x/${K}", headers: {X-Y: "${T}"}, json: [1], expect: 204}}',
            {"handler": HttpHandler(url="https://x/${K}", headers={"X-Y": "${T}"}, json=[1], expect=(204,))},
        ),
        (
            "{http: {url: 'https://x', method: GET, expect: [200, 404]}}",
            {"handler": HttpHandler("https://x", "GET", expect=(200, 404))},
        ),
        ("{handler: a, every: 90}", {"every": timedelta(seconds=90)}),
        ("{handler: a, every: 1h30m}", {"every": timedelta(hours=1, minutes=30)}),
        ("{handler: a, every: 1.5}", {"every": timedelta(seconds=1.5)}),
        ("{handler: a, at: 2027-01-01T01:00:00+01:00}", {"at": datetime(2027, 1, 1, tzinfo=UTC)}),
        ("{handler: a, cron: '@daily', dst: {gap: skip}}", {"dst": Dst(gap="skip")}),
        ("{handler: a, concurrency: allow}", {"concurrency": Concurrency(policy="allow", limit=None)}),
        ("{handler: a, concurrency: 3}", {"concurrency": Concurrency(limit=3)}),
        (
            "{handler: a, concurrency: {policy: queue, max_queued: 5}}",
            {"concurrency": Concurrency("queue", max_queued=5)},
        ),
        ("{handler: a, retries: {max: 3, factor: 3}}", {"retries": Retries(max=3, factor=3.0)}),
        (
            "{handler: a, timeout: {after: 60, kill_after: 1s}}",
            {"timeout": Timeout(timedelta(minutes=1), timedelta(seconds=1))},
        ),
        ("{handler: a, timeout: none}", {"timeout": None}),
        ("{handler: a, history: {success: 1}}", {"history": History(success=1)}),
        ("{handler: a, suspend: true}", {"suspend": True}),
        ("{shell: a, env: {A: '${B}'}, cwd: /tmp}", {"env": {"A": "${B}"}, "cwd": "/tmp"}),
        ("{handler: a, cron: 'H 2 * * *'}", {"cron": ("H 2 * * *",)}),
        ("{handler: a, cron: '@hourly', jitter: 5m}", {"jitter": timedelta(minutes=5)}),
        ("{handler: a, tags: [x, y], owner: me}", {"tags": ("x", "y"), "owner": "me"}),
        ("{handler: a, executor: thread}", {"executor": "thread"}),
        ("{handler: a, executor: process}", {"executor": "process"}),
    ],
)
def test_a_field_becomes_its_value(fields: str, expected: dict[str, object]) -> None:
    job = job_of(fields)

    assert {name: getattr(job, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("defaults", "fields", "expected"),
    [
        ("retries: {max: 2, delay: 1m}", "retries: 5", {"retries": Retries(5, delay=timedelta(minutes=1))}),
        ("retries: {retry_on: [OSError]}", "retries: 2", {"retries": Retries(2, retry_on=("OSError",))}),
        ("retries: 2", "retries: {delay: 1m}", {"retries": Retries(2, delay=timedelta(minutes=1))}),
        (
            "timeout: {after: 1m, kill_after: 3s}",
            "timeout: 5s",
            {"timeout": Timeout(timedelta(seconds=5), timedelta(seconds=3))},
        ),
        ("timeout: 1m", "timeout: none", {"timeout": None}),
        ("history: {success: 1}", "history: {failed: 2}", {"history": History(success=1, failed=2)}),
        ("dst: {gap: skip}", "cron: '@daily', dst: {overlap: both}", {"dst": Dst("skip", "both")}),
        ("env: {A: a, B: b}", "env: {B: c}", {"env": {"A": "a", "B": "c"}}),
        ("concurrency: {policy: queue, limit: 3}", "concurrency: allow", {"concurrency": Concurrency("allow", None)}),
        ("concurrency: allow", "concurrency: 3", {"concurrency": Concurrency("forbid", 3)}),
        ("payload: {a: 1}", "payload: {b: 2}", {"payload": {"b": 2}}),
        ("payload: {a: 1}", "owner: me", {"payload": {"a": 1}}),
        ("tags: [a]", "tags: [b]", {"tags": ("b",)}),
        ("suspend: true", "suspend: false", {"suspend": False}),
        ("timezone: Europe/Rome", "cron: '0 0 * * *'", {"timezone": "Europe/Rome"}),
    ],
)
def test_a_job_goes_before_the_files_defaults(defaults: str, fields: str, expected: dict[str, object]) -> None:
    job = job_of(f"{{shell: a, {fields}}}", f"defaults: {{{defaults}}}\n")

    assert {name: getattr(job, name) for name in expected} == expected


def test_defaults_for_processes_do_not_reach_python_handlers() -> None:
    job = job_of("{handler: a}", "defaults: {env: {A: b}, cwd: /tmp}\n")

    assert (job.env, job.cwd) == ({}, None)


@pytest.mark.parametrize(
    ("fields", "kept"),
    [
        ("cron: '@daily'", {"dst", "start_at", "end_at", "jitter"}),
        ("every: 1d", {"start_at", "end_at", "jitter"}),
        ("at: 2027-06-01T00:00:00Z", {"start_at", "end_at", "jitter"}),
        ("owner: me", set()),
    ],
)
def test_defaults_for_schedules_reach_the_jobs_that_heed_them(fields: str, kept: set[str]) -> None:
    bounds = "start_at: 2027-01-01T00:00:00Z, end_at: 2028-01-01T00:00:00Z"

    job = job_of(f"{{handler: a, {fields}}}", f"defaults: {{dst: {{gap: skip}}, jitter: 5s, {bounds}}}\n")

    assert kept == {"dst", "start_at", "end_at", "jitter"}.intersection(definition(job))


def test_the_settings_retention_is_the_default_of_the_jobs() -> None:
    top = "settings: {history: {max_age: 7d}}\n"

    assert job_of("{handler: a, history: {success: 1}}", top).history == History(success=1, max_age=timedelta(days=7))
    assert job_of("{handler: a, history: {max_age: 1d}}", top).history.max_age == timedelta(days=1)


def test_all_settings_are_taken() -> None:
    text = (
        "jobs: {}\nsettings: {database: 'sqlite:///x.db', threads: 3, heartbeat: 5s, lease: 20s, grace: 0, imports: [a.b],"
        " history: {max_age: 1d}, poll: 200ms, log_format: json, queues: {mail: {limit: 2, rate: 100/1m, max_queued: 9}}}\n"
    )

    assert state_of(text).settings == Settings(
        database="sqlite:///x.db",
        threads=3,
        heartbeat=timedelta(seconds=5),
        lease=timedelta(seconds=20),
        grace=timedelta(0),
        imports=("a.b",),
        history_max_age=timedelta(days=1),
        poll=timedelta(milliseconds=200),
        log_format="json",
        queues={"mail": QueueLimits(limit=2, rate=Rate(100, timedelta(minutes=1)), max_queued=9)},
    )


def test_no_jobs_said_aloud_is_an_empty_state() -> None:
    assert dict(state_of("jobs: {}\n").jobs) == {}


WRONG = [
    (
        "jobs: {}\nsettings: {database: foo}\n",
        "2:22: error: settings.database: no URL: it begins with no scheme (write sqlite:///jobsched.db or postgresql://",
    ),
    ("jobs: {}\nsettings: {database: 'foo.db?a=://'}\n", "2:22: error: settings.database: no URL"),
    ("jobs: {}\nsettings: {database: ''}\n", "2:22: error: settings.database: is empty"),
    (
        "jobs: {}\ncalendar: {}\n",
        "2:1: error: calendar: unknown field (write `calendars`, which is not supported yet)",
    ),
    ("", "1:1: error: is empty: it has no `jobs` (write `jobs: {}` if there are none)"),
    ("# nothing\n", "1:1: error: is empty: it has no `jobs`"),
    ("version: 1\n", "1:1: error: has no `jobs` (write `jobs: {}` if there are none)"),
    ("jobs:\n", "1:1: error: jobs: has no value (write `jobs: {}` if there are none)"),
    ("- a\n", "1:1: error: expected a mapping with `jobs`, not a list"),
    (
        "jobs: [a]\n",
        "1:7: error: jobs: expected a mapping of jobs by name, not a list (write the name of each as its key)",
    ),
    ("jobs: {x: }\n", "1:8: error: jobs.x: has no value (write at least one of"),
    ("jobs: {x: y}\n", '1:11: error: jobs.x: expected a mapping, not "y"'),
    ("version: 2\njobs: {}\n", "1:10: error: version: expected 1, not 2"),
    ('version: "1"\njobs: {}\n', '1:10: error: version: expected 1, not "1"'),
    ("namespace: a b\njobs: {}\n", '1:12: error: namespace: "a b" is no name'),
    ("nonsense: 1\njobs: {}\n", "1:1: error: nonsense: unknown field (known here: version, namespace, settings"),
    ("retries: 1\njobs: {}\n", "1:1: error: retries: unknown field (write it under `defaults`)"),
    ("poll: 1s\njobs: {}\n", "1:1: error: poll: unknown field (write it under `settings`)"),
    ("cron: 1s\njobs: {}\n", "1:1: error: cron: unknown field (write it in a job, below the job's name)"),
    (
        "x-base: {}\njobs: {}\n",
        "1:1: error: x-base: unknown field (an anchor may stand at its first use; keys of your own",
    ),
    (
        "jobs:\n  every: 5s\n",
        "2:10: error: jobs.every: `every` is a field of a job, and here the name of one (indent it",
    ),
    ('jobs:\n  a:\n    shell: "x\n    every: 5s\n', "3:12: error: a quoted text is not closed; is the file cut short?"),
    (
        'jobs: {x: {command: ["true"], zzz: 1}}\n',
        "1:31: error: jobs.x.zzz: unknown field (known here: handler, command, shell, http, cron, every, at, timezone … ",
    ),
    (
        'jobs: {x: {command: ["true"], timeout: {after: 5s, zzz: 1}}}\n',
        "1:52: error: jobs.x.timeout.zzz: unknown field (known here: after, kill_after)",
    ),
    (
        "jobs: {}\nnotifiers: {hook: {shell: ls, webhook: x}}\n",
        "2:31: error: notifiers.hook.webhook: unknown field (known here: apprise, http, command, shell, handler, title, text)",
    ),
    (
        "jobs: {}\nsettings: {queues: {mail: {limt: 1}}}\n",
        "2:28: error: settings.queues.mail.limt: unknown field (did you mean `limit`?)",
    ),
    ("jobs: {}\nschedules: {}\n", "2:1: error: schedules: unknown field (write `jobs`)"),
    ("jobs: {}\nsettings:\n", "2:10: error: settings: has no value"),
    ("jobs: {}\nsettings: {threads: 0}\n", "2:21: error: settings.threads: must be at least 1, not 0"),
    (
        "jobs: {}\nsettings: {api: {tokens: {admin: hunter2}}}\n",
        "2:34: error: settings.api.tokens.admin: must be a reference to a variable of the environment (write ${JOB",
    ),
    (
        'jobs: {}\nsettings: {api: {tokens: {read: "${A:-b}"}}}\n',
        "2:33: error: settings.api.tokens.read: must be a reference",
    ),
    ('jobs: {}\nsettings: {threads: "8"}\n', '2:21: error: settings.threads: expected a whole number, not "8"'),
    ("jobs: {}\nsettings: {workers: 3}\n", "2:12: error: settings.workers: unknown field (write `threads`)"),
    ("jobs: {}\nsettings: {thread: 3}\n", "2:12: error: settings.thread: unknown field (did you mean `threads`?)"),
    (
        "jobs: {}\nsettings: {lease: 20s}\n",
        "2:19: error: settings.lease: a lease of 20s is less than 3 heartbeats of 10s (write lease: 30s or more)",
    ),
    (
        "jobs: {}\nsettings: {heartbeat: 20s}\n",
        "2:23: error: settings.heartbeat: a lease of 30s is less than 3 heartbeats of 20s (write lease: 1m or more)",
    ),
    ('jobs: {}\nsettings: {database: "${X"}\n', "2:22: error: settings.database: `${` begins a reference"),
    ("jobs: {}\nsettings: {imports: [a-b]}\n", '2:22: error: settings.imports[0]: "a-b" is no name of a Python module'),
    (
        "jobs: {}\ndefaults: {handler: x}\n",
        "2:12: error: defaults.handler: unknown field (each job has its own; write it in the job)",
    ),
    ("jobs: {}\ndefaults: {timezone: Mars}\n", "2:22: error: defaults.timezone: no time zone 'Mars'"),
    ("jobs: {}\ndefaults: {payload: {a: .nan}}\n", "2:25: error: defaults.payload.a: nan is no number"),
    (
        "jobs: {}\nsettings: {queues: {a: {limit: 0}}}\n",
        "2:32: error: settings.queues.a.limit: must be at least 1, not 0",
    ),
    (
        "jobs: {}\nsettings: {queues: {a: {}}}\n",
        "2:24: error: settings.queues.a: says nothing of its queue (write `limit`, `rate`, `max_queued` or `threads` below it)",
    ),
    (
        "jobs: {}\nsettings: {queues: {a: {rate: 0/1m}}}\n",
        "2:31: error: settings.queues.a.rate: a rate of 0 would let nothing run; to hold a queue: jobsched pause --queue",
    ),
    (
        "jobs: {}\nsettings: {queues: {a: {rate: 100}}}\n",
        "2:31: error: settings.queues.a.rate: 100 does not say in how long; write how many in how long, like 100/1m",
    ),
    (
        "jobs: {}\nsettings: {queues: {a: {rate: x/1m}}}\n",
        "2:31: error: settings.queues.a.rate: 'x' is no number of runs; write how many in how long, like 100/1m",
    ),
    (
        "jobs: {}\nsettings: {queues: {a: {max_queued: 0}}}\n",
        "2:37: error: settings.queues.a.max_queued: must be at least 1, not 0",
    ),
    ("jobs: {}\ncalendars: {a: {weekdays: [sat]}}\n", "2:1: error: calendars: not supported yet"),
    ("jobs:\n  a b: {handler: x}\n", '2:3: error: jobs.a b: "a b" is no name (use letters, digits'),
    ("jobs:\n  -a: {handler: x}\n", '2:3: error: jobs.-a: "-a" is no name'),
    (f"jobs:\n  {'a' * 101}: {{handler: x}}\n", f"2:3: error: jobs.{'a' * 101}: a name has at most 100 characters"),
    ("jobs:\n  x: {}\n", "2:3: error: jobs.x: nothing to perform (write one of `handler`, `command`, `shell`, `http`)"),
    (
        "jobs:\n  x: {handler: a, shell: b}\n",
        "2:19: error: jobs.x.shell: `handler` and `shell` in one job; a job performs one thing",
    ),
    (
        "jobs:\n  x:\n    handler: a b\n",
        '3:14: error: jobs.x.handler: "a b" names no Python callable (write `module:callable`',
    ),
    ("jobs:\n  x:\n    handler: a:b:c\n", '3:14: error: jobs.x.handler: "a:b:c" names no Python callable'),
    ("jobs:\n  x:\n    shell: ''\n", "3:12: error: jobs.x.shell: is empty"),
    (
        "jobs:\n  x:\n    command: echo hi\n",
        '3:14: error: jobs.x.command: expected a list, not "echo hi" (write a list, ["echo", "hi"], or `shell`)',
    ),
    ("jobs:\n  x:\n    command: []\n", "3:14: error: jobs.x.command: an empty list"),
    ("jobs:\n  x:\n    command: ['', a]\n", "3:14: error: jobs.x.command: the first word is the program; it is empty"),
    (
        "jobs:\n  x:\n    command: [a, 1]\n",
        '3:18: error: jobs.x.command[1]: expected a text, not 1 (put it in quotes: "1")',
    ),
    ("jobs:\n  x:\n    http: {method: GET}\n", "3:5: error: jobs.x.http: `url` is missing"),
    ("jobs:\n  x:\n    http: 'http://x'\n", '3:11: error: jobs.x.http: expected a mapping, not "http://x"'),
    (
        "jobs:\n  x:\n    http: {url: 'ftp://x'}\n",
        '3:17: error: jobs.x.http.url: expected an http or https URL, not "ftp://x"',
    ),
    (
        "jobs:\n  x:\n    http: {url: 'http://x', method: get}\n",
        "3:37: error: jobs.x.http.method: expected one of GET, POST",
    ),
    (
        "jobs:\n  x:\n    http: {url: 'http://x', headers: {a b: c}}\n",
        '3:39: error: jobs.x.http.headers.a b: "a b" is no name of a header',
    ),
    (
        "jobs:\n  x:\n    http: {url: 'http://x', expect: 99}\n",
        "3:37: error: jobs.x.http.expect: must be at least 100, not 99",
    ),
    (
        "jobs:\n  x:\n    http: {url: 'http://x', body: 99}\n",
        "3:29: error: jobs.x.http.body: unknown field (write `json`)",
    ),
    (
        "jobs:\n  x:\n    http: {url: 'http://x', json: {a: '${'}}\n",
        "3:35: error: jobs.x.http.json: `${` begins a reference",
    ),
    (
        "jobs:\n  x:\n    shell: a\n    env: {PORT: 80}\n",
        '4:17: error: jobs.x.env.PORT: expected a text, not 80 (put it in quotes: "80")',
    ),
    (
        "jobs:\n  x:\n    shell: a\n    executor: process\n",
        "4:5: error: jobs.x.executor: `executor` is for a Python `handler`; it has no effect here",
    ),
    ("jobs:\n  x:\n    shell: a\n    env: {A: '${}'}\n", "4:14: error: jobs.x.env.A: `${` begins a reference"),
    (
        "jobs:\n  x:\n    shell: a\n    env: {A=: b}\n",
        "4:10: error: jobs.x.env: 'A=' cannot be the name of an environment variable",
    ),
]
WRONG_FIELDS = [
    ("env: {A: b}", "5: error: jobs.nightly.env: `env` is for `command` and `shell`; it has no effect here"),
    ("cwd: /tmp", "5: error: jobs.nightly.cwd: `cwd` is for `command` and `shell`; it has no effect here"),
    (
        "start_at: 2027-01-01T00:00:00Z",
        "5: error: jobs.nightly.start_at: `start_at` is for `cron`, `every` and `at`; it",
    ),
    ("end_at: 2027-01-01T00:00:00Z", "5: error: jobs.nightly.end_at: `end_at` is for `cron`, `every` and `at`; it has"),
    ("jitter: 5s", "5: error: jobs.nightly.jitter: `jitter` is for `cron`, `every` and `at`; it has no effect here"),
    ("dst: {gap: skip}", "5: error: jobs.nightly.dst: `dst` is for `cron`; it has no effect here"),
    ('cron: "* * * *"', "11: error: jobs.nightly.cron: 4 fields; write 5"),
    ("cron: 5", '11: error: jobs.nightly.cron: expected a text, not 5 (put it in quotes: "5")'),
    ("cron:", "10: error: jobs.nightly.cron: has no value (write one, or remove the line)"),
    ("cron: []", "11: error: jobs.nightly.cron: an empty list"),
    ('cron: ["* * * * *", "61 * * * *"]', "25: error: jobs.nightly.cron[1]: minute: 61 is above 59"),
    ('cron: "0 0 30 2 *"', "11: error: jobs.nightly.cron: day-of-month: no date ever matches; it never fires"),
    ('cron: "R 2 * * *"', "11: error: jobs.nightly.cron: minute: "),
    ("every: 500ms", "12: error: jobs.nightly.every: must be at least 1s"),
    ("every: 5 minutes", "12: error: jobs.nightly.every: '5 minutes' is no duration; write 200ms, 30s"),
    ("every: -5", "12: error: jobs.nightly.every: a duration cannot be negative"),
    ("every: .nan", "12: error: jobs.nightly.every: nan is no duration"),
    ("every:", "11: error: jobs.nightly.every: has no value"),
    ("at: 2027-01-01", "9: error: jobs.nightly.at: '2027-01-01' has no zone; end it with Z"),
    ("at: soon", "9: error: jobs.nightly.at: 'soon' is no RFC 3339 instant"),
    ("at: 5", "9: error: jobs.nightly.at: expected an instant"),
    (
        "timezone: Europe/Rom",
        "15: error: jobs.nightly.timezone: no time zone 'Europe/Rom'; did you mean 'Europe/Rome'?",
    ),
    ("timezone: ../../etc/passwd", "15: error: jobs.nightly.timezone: no time zone '../../etc/passwd'"),
    ("dst: {gap: later}", '16: error: jobs.nightly.dst.gap: expected one of run_after, skip, not "later"'),
    ("calendar: {exclude: [a]}", "5: error: jobs.nightly.calendar: not supported yet"),
    ("payload: [1]", "14: error: jobs.nightly.payload: expected a mapping, not a list (write {name: value})"),
    ("ping: http://x", '11: error: jobs.nightly.ping: expected a mapping, not "http://x" (write {success: https://…'),
    (
        "on_failure: a:b",
        '17: error: jobs.nightly.on_failure: expected a mapping, not "a:b" (write {handler: module:call',
    ),
    (
        "on_success: {shell: x}",
        "5: error: jobs.nightly.on_success: unknown field (jobs do not follow each other; let the",
    ),
    ("rate_limit: 1/m", "5: error: jobs.nightly.rate_limit: unknown field (write `rate` of its queue"),
    ("payload: {a: .inf}", "18: error: jobs.nightly.payload.a: inf is no number that JSON knows"),
    ("payload: {a: 99999999999999999999}", "18: error: jobs.nightly.payload.a: a whole number of more than 64 bits"),
    ("payload: {a: {b: [.nan]}}", "23: error: jobs.nightly.payload.a.b[0]: nan is no number that JSON knows"),
    (
        f"payload: {{a: {'x' * 600_000}, b: {'x' * 600_000}}}",
        "5: error: jobs.nightly.payload: larger than 1 MiB as JSON",
    ),
    ("queue: a,b", '12: error: jobs.nightly.queue: "a,b" is no name'),
    ("priority: 3000000000", "15: error: jobs.nightly.priority: must be at most 2147483647, not 3000000000"),
    ("priority: 1.5", "15: error: jobs.nightly.priority: expected a whole number, not 1.5"),
    ("priority: true", "15: error: jobs.nightly.priority: expected a whole number, not true"),
    (
        "concurrency: {key: payload.}",
        "24: error: jobs.nightly.concurrency.key: 'payload.' names no field of the payload",
    ),
    ("concurrency: {key: payload.a b}", "24: error: jobs.nightly.concurrency.key: 'payload.a b' names no field"),
    ("concurrency: {key: a, policy: allow}", "19: error: jobs.nightly.concurrency.key: a key with policy allow"),
    (
        "concurrency: alow",
        '18: error: jobs.nightly.concurrency: expected one of allow, forbid, replace, queue, not "alow" (did you mean allow?)',
    ),
    ("concurrency: 0", "18: error: jobs.nightly.concurrency: must be at least 1, not 0"),
    (
        "concurrency: true",
        "18: error: jobs.nightly.concurrency: expected a policy, a whole number or a mapping, not true",
    ),
    ("concurrency: {policy: allow, limit: 2}", "34: error: jobs.nightly.concurrency.limit: a limit with policy allow"),
    ("catch_up: all", "15: error: jobs.nightly.catch_up: catch_up all needs concurrency queue or allow"),
    ("starting_deadline: 0", "24: error: jobs.nightly.starting_deadline: must be more than 0"),
    (
        "starting_deadline: 5m",
        "5: error: jobs.nightly.starting_deadline: `starting_deadline` is for `cron`, `every` and `at`",
    ),
    ("max_catch_up: 0", "19: error: jobs.nightly.max_catch_up: must be at least 1, not 0"),
    (
        "max_catch_up: 1_000",
        '19: error: jobs.nightly.max_catch_up: expected a whole number, not "1_000" (without quotes and underscores: 1000)',
    ),
    ("retries: -1", "14: error: jobs.nightly.retries: must be at least 0, not -1"),
    (
        'retries: "3"',
        '14: error: jobs.nightly.retries: expected a whole number or a mapping, not "3" (without quotes and underscores: 3)',
    ),
    ("retries: yes", '14: error: jobs.nightly.retries: expected a whole number or a mapping, not "yes"'),
    ("retries: 3.0", "14: error: jobs.nightly.retries: expected a whole number or a mapping, not 3.0"),
    ("retries: {max: 3, wait: 3}", "23: error: jobs.nightly.retries.wait: unknown field (write `delay`)"),
    (
        "retries: {no_retry_on: [exit code 64]}",
        '29: error: jobs.nightly.retries.no_retry_on[0]: "exit code 64" names no error (write a class like',
    ),
    ("retries: {retry_on: []}", "25: error: jobs.nightly.retries.retry_on: an empty list"),
    ("retries: {factor: 0.5}", "23: error: jobs.nightly.retries.factor: must be at least 1, not 0.5"),
    ("retries: {factor: .inf}", "23: error: jobs.nightly.retries.factor: "),
    ("retries: {jitter: 2}", "23: error: jobs.nightly.retries.jitter: must be at most 1, not 2"),
    (
        "timeout:",
        "13: error: jobs.nightly.timeout: has no value (write `timeout: none` for no timeout, or remove the line)",
    ),
    ("timeout: 0", "14: error: jobs.nightly.timeout: must be more than 0"),
    ("timeout: {kill_after: 3}", "5: error: jobs.nightly.timeout: `after` is missing"),
    ("timeout: {after: soon}", "22: error: jobs.nightly.timeout.after: 'soon' is no duration"),
    ("executor: fiber", '15: error: jobs.nightly.executor: expected one of thread, process, not "fiber"'),
    ("on_crash: ignore", '15: error: jobs.nightly.on_crash: expected one of retry, fail, not "ignore"'),
    ("suspend: yes", '14: error: jobs.nightly.suspend: expected true or false, not "yes" (write true)'),
    ("suspend: off", '14: error: jobs.nightly.suspend: expected true or false, not "off" (write false)'),
    ("suspend: 1", "14: error: jobs.nightly.suspend: expected true or false, not 1"),
    ("history: {success: -1}", "24: error: jobs.nightly.history.success: must be at least 0, not -1"),
    ("history: 5", "14: error: jobs.nightly.history: expected a mapping, not 5"),
    (
        "on_failure: {}",
        "5: error: jobs.nightly.on_failure: nothing to perform (write one of `handler`, `command`, `shell`, `http`)",
    ),
    (
        "on_failure: {shell: x, handler: a}",
        (
            "28: error: jobs.nightly.on_failure.handler: "
            "`shell` and `handler` in one handler of failures; a handler of failures performs one thing"
        ),
    ),
    (
        "on_failure:",
        "16: error: jobs.nightly.on_failure: has no value (write `on_failure: none` for nothing, or remove the line)",
    ),
    ("on_failure: {shell: x, retries: -1}", "37: error: jobs.nightly.on_failure.retries: must be at least 0, not -1"),
    ("tags: a", '11: error: jobs.nightly.tags: expected a list, not "a" (write ["a"])'),
    ("owner: ''", "12: error: jobs.nightly.owner: is empty"),
    ("descripton: x", "5: error: jobs.nightly.descripton: unknown field (did you mean `description`?)"),
    ("onCrash: fail", "5: error: jobs.nightly.onCrash: unknown field (write `on_crash`)"),
    ("handler: d", "5: error: jobs.nightly.handler: `handler` stands here a second time; the first is on line 3"),
]


@pytest.mark.parametrize(("text", "expected"), WRONG)
def test_what_is_wrong_is_said_with_its_place(text: str, expected: str) -> None:
    [error] = errors_of(text)

    assert error.startswith(f"jobs.yaml:{expected}")


@pytest.mark.parametrize(("field", "expected"), WRONG_FIELDS)
def test_a_wrong_field_is_said_with_its_place(field: str, expected: str) -> None:
    [error] = errors_of(f"{A_JOB}    {field}\n")

    assert error.startswith(f"jobs.yaml:4:{expected}")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            'cron: "@daily"\n    every: 5m',
            "5:5: error: jobs.nightly.every: `cron` and `every` in one job; a job has one schedule",
        ),
        ("every: 5m\n    at: 2027-01-01T00:00:00Z", "5:5: error: jobs.nightly.at: `every` and `at` in one job"),
        (
            "payload: {a: [1]}\n    concurrency: {key: payload.a}",
            "5:24: error: jobs.nightly.concurrency.key: payload.a is a list; a key is one value",
        ),
        (
            "every: 5m\n    concurrency: {key: payload.a.b}",
            "5:24: error: jobs.nightly.concurrency.key: the payload has no a.b (add it to the payload)",
        ),
        (
            "every: 5m\n    jitter: 5m",
            "5:13: error: jobs.nightly.jitter: a jitter of 5m is not less than the 5m between two slots",
        ),
        (
            'cron: "*/5 * * * *"\n    jitter: 5m',
            "5:13: error: jobs.nightly.jitter: a jitter of 5m is not less than the 5m",
        ),
        (
            'cron: ["0 1 * * *", "0 3 * * *"]\n    jitter: 2h',
            "5:13: error: jobs.nightly.jitter: a jitter of 2h is not less than the 2h",
        ),
        (
            "start_at: 2027-01-01T00:00:00Z\n    end_at: 2026-01-01T00:00:00Z\n    every: 1d",
            "5:13: error: jobs.nightly.end_at: start_at must lie before end_at",
        ),
        (
            "catch_up: all\n    concurrency: 3",
            "4:15: error: jobs.nightly.catch_up: catch_up all needs concurrency queue or allow",
        ),
    ],
)
def test_fields_that_do_not_fit_each_other_are_refused(fields: str, expected: str) -> None:
    [error] = errors_of(f"{A_JOB}    {fields}\n")

    assert error.startswith(f"jobs.yaml:{expected}")


@pytest.mark.parametrize(
    ("key", "ours"),
    [
        ("schedule", "cron"),
        ("crontab", "cron"),
        ("concurrencyPolicy", "concurrency: allow"),
        ("startingDeadlineSeconds", "starting_deadline"),
        ("timeZone", "timezone"),
        ("tz", "timezone"),
        ("max_instances", "concurrency: 3"),
        ("misfire_grace_time", "starting_deadline"),
        ("coalesce", "catch_up: latest"),
        ("enabled", "suspend: true"),
        ("disabled", "suspend"),
        ("successfulJobsHistoryLimit", "history: {success: …}"),
        ("failedJobsHistoryLimit", "history: {failed: …}"),
        ("backoffLimit", "retries"),
        ("activeDeadlineSeconds", "timeout"),
        ("task", "handler"),
        ("func", "handler"),
        ("args", "payload"),
        ("kwargs", "payload"),
        ("when", "cron"),
        ("retry", "retries"),
        ("cmd", "command"),
        ("run", "command"),
        ("script", "shell"),
        ("environment", "env"),
        ("workdir", "cwd"),
        ("workingDirectory", "cwd"),
        ("interval", "every"),
        ("run_date", "at"),
    ],
)
def test_the_spellings_of_others_are_answered_with_ours(key: str, ours: str) -> None:
    [error] = errors_of(f"{A_JOB}    {key}: 1\n")

    assert error.startswith(f"jobs.yaml:4:5: error: jobs.nightly.{key}: unknown field (write `{ours}`")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            "at: 2026-01-01T00:00:00Z\n    start_at: 2027-01-01T00:00:00Z",
            "4:9: error: jobs.nightly.at: lies before start_at, 2027-01-01T00:00:00Z: it never fires",
        ),
        (
            "at: 2028-01-01T00:00:00Z\n    end_at: 2027-01-01T00:00:00Z",
            "4:9: error: jobs.nightly.at: lies after end_at, 2027-01-01T00:00:00Z: it never fires",
        ),
        (
            'cron: "0 0 1 1 *"\n    start_at: 2026-01-02T00:00:00Z\n    end_at: 2026-12-31T00:00:00Z',
            "6:13: error: jobs.nightly.end_at: no slot lies between start_at and end_at: it never fires (the first one is 2027",
        ),
        (
            'cron: ["0 0 1 1 * 0 2025", "0 0 1 2 * 0 2025"]\n    start_at: 2026-01-01T00:00:00Z',
            "5:15: error: jobs.nightly.start_at: no slot lies after start_at: it never fires",
        ),
        (
            'cron: "0 0 1 1 * 0 2030"\n    end_at: 2026-01-01T00:00:00Z',
            "5:13: error: jobs.nightly.end_at: no slot lies before end_at: it never fires (the first one is 2030-01-01",
        ),
        (
            "every: 1d\n    end_at: 1960-01-01T00:00:00Z",
            "5:13: error: jobs.nightly.end_at: no slot lies before end_at: it never fires",
        ),
        (
            'cron: "30 2 29 3 * 0 2026"\n    timezone: Europe/Rome\n    dst: {gap: skip}',
            "4:11: error: jobs.nightly.cron: the clocks jump over all its times, and `dst` skips those: it never fires",
        ),
    ],
)
def test_a_schedule_that_can_never_fire_is_refused_on_any_day(fields: str, expected: str) -> None:
    text = f"{A_JOB}    {fields}\n"

    [error] = errors_of(text)

    assert error.startswith(f"jobs.yaml:{expected}")
    for year in (1990, 2026, 2090):
        assert [str(found) for found in checked(text, now=datetime(year, 1, 1, tzinfo=UTC)).diagnostics] == [error]


@pytest.mark.parametrize(
    "fields",
    [
        "at: 2026-01-01T00:00:00Z, start_at: 2026-01-01T00:00:00Z, end_at: 2027-01-01T00:00:00Z",
        "at: 2026-01-01T00:00:00Z, end_at: 2026-01-01T00:00:00Z",
        "at: 1950-01-01T00:00:00Z",
        "cron: '0 0 1 1 *', start_at: 2026-01-01T00:00:00Z, end_at: 2026-01-01T00:00:01Z",
        "cron: '0 0 1 1 *', start_at: 2025-12-31T00:00:00Z, end_at: 2026-01-01T00:00:00Z",
        "cron: '0 0 1 1 * 0 2020'",
        "cron: '0 0 1 1 * 0 1970', timezone: Asia/Tokyo",
        "cron: ['0 0 1 1 * 0 2020', '0 0 1 1 * 0 2030'], start_at: 2026-01-01T00:00:00Z",
        "cron: '30 2 * 3 L0', timezone: Europe/Rome, dst: {gap: skip}",
        "every: 30d, start_at: 2026-01-01T00:00:00Z, end_at: 2026-01-02T00:00:00Z",
        "every: 1d, start_at: 0001-01-01T00:00:00Z, timezone: America/New_York",
        "cron: '@daily', start_at: 0001-01-01T00:00:00Z, timezone: America/New_York",
        "cron: '@daily', end_at: 9999-12-31T23:59:59Z",
    ],
)
def test_a_schedule_with_one_slot_within_its_bounds_is_taken(fields: str) -> None:
    assert job_of(f"{{handler: a, {fields}}}").name == "x"


def test_bounds_from_the_defaults_that_leave_no_slot_are_refused_at_the_job() -> None:
    [error] = errors_of(f"defaults: {{end_at: 2026-01-01T00:00:00Z}}\n{A_JOB}    at: 2027-01-01T00:00:00Z\n")

    assert error.startswith("jobs.yaml:5:9: error: jobs.nightly.at: lies after end_at")


@pytest.mark.parametrize("wrong", ["cron: 5", "schedule: '@daily'"])
def test_a_field_is_not_called_without_effect_when_the_one_it_serves_is_wrong(wrong: str) -> None:
    [error] = errors_of(f"{A_JOB}    {wrong}\n    jitter: 5s\n    start_at: 2026-01-01T00:00:00Z\n")

    assert error.startswith("jobs.yaml:4:")


@pytest.mark.parametrize(
    ("key", "ours"),
    [
        ("holidays", "write `calendar`, which is not supported yet"),
        ("notify", "write `alerts: {notify: …}`"),
        ("process_pool", "write `executor: process`"),
        ("concurrency: {group: a}", "write `key`"),
        ("tz", "write `timezone`"),
        ("concurrency: {mode: a}", "write `policy`"),
    ],
)
def test_advice_to_write_what_is_not_supported_yet_says_so(key: str, ours: str) -> None:
    [error] = errors_of(f"{A_JOB}    {key}{'' if key.endswith('}') else ': 1'}\n")

    assert error.endswith(f"unknown field ({ours})")


@pytest.mark.parametrize(
    ("one", "other", "wrong"),
    [
        ("{key: gpu, limit: 2}", "{key: gpu, limit: 3}", "key 'gpu' has limit 3 here and 2 in job a"),
        ("{key: gpu}", "{key: gpu, limit: 3}", "key 'gpu' has limit 3 here and 1 in job a"),
        ("{key: payload.x}", "{key: payload.x, limit: 3}", "key 'payload.x' has limit 3 here and 1 in job a"),
        ("4", "{key: 'job:a', limit: 3}", "key 'job:a' has limit 3 here and 4 in job a"),
    ],
)
def test_jobs_that_share_a_key_with_another_limit_are_refused(one: str, other: str, wrong: str) -> None:
    [error] = errors_of(f"jobs:\n  a: {{shell: x, concurrency: {one}}}\n  b: {{shell: x, concurrency: {other}}}\n")

    assert error.startswith("jobs.yaml:3:")
    assert f": error: jobs.b.concurrency.limit: {wrong} (jobs that share a key share its limit)" in error


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("{key: gpu, limit: 2}", "{key: gpu, limit: 2, policy: queue}"),
        ("{key: gpu, limit: 2}", "{key: cpu, limit: 3}"),
        ("{key: payload.x, limit: 2}", "{key: payload.y, limit: 3}"),
        ("4", "{key: 'job:a', limit: 4}"),
        ("allow", "{key: 'job:a', limit: 4}"),
    ],
)
def test_jobs_may_share_a_key_and_its_limit(one: str, other: str) -> None:
    state = state_of(f"jobs:\n  a: {{shell: x, concurrency: {one}}}\n  b: {{shell: x, concurrency: {other}}}\n")

    assert list(state.jobs) == ["a", "b"]


def test_a_job_without_a_schedule_may_get_its_key_with_the_trigger() -> None:
    state = state_of(f"{A_JOB}    concurrency: {{key: payload.region}}\n")

    assert state.jobs["nightly"].key_of({"region": "eu"}) == "payload.region=eu"


def test_advice_is_plain_once_the_field_is_supported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unsupported, "JOB_FIELDS", {})

    [error] = errors_of(f"{A_JOB}    startingDeadlineSeconds: 1\n")

    assert error.endswith("unknown field (write `starting_deadline`)")


def test_all_errors_are_reported_in_one_pass_by_position() -> None:
    text = f"version: 3\n{A_JOB}    cron: x\n    retries: x\n  nightly: {{}}\n  b: {{shell: a, tz: UTC}}\nnonsense: 1\n"

    assert [error.split(" error: ")[0] for error in errors_of(text)] == [
        "jobs.yaml:1:10:",
        "jobs.yaml:5:11:",
        "jobs.yaml:6:14:",
        "jobs.yaml:7:3:",
        "jobs.yaml:8:17:",
        "jobs.yaml:9:1:",
    ]


def test_what_is_wrong_at_the_top_does_not_hide_what_is_wrong_in_a_job() -> None:
    errors = errors_of(f"settings: {{thread: 3}}\nnamespace: a b\n{A_JOB}    cron: x\n")

    assert [error.partition(" error: ")[2].partition(":")[0] for error in errors] == [
        "settings.thread",
        "namespace",
        "jobs.nightly.cron",
    ]


def test_warnings_are_given_beside_the_errors_of_others() -> None:
    text = (
        'settings: {database: "${DB}"}\nnonsense: 1\n'
        "jobs:\n  bad: {shell: a, cron: x, retries: {max: 1, delay: 1h}}\n"
        "  good: {shell: a, at: 2020-01-01T00:00:00Z, retries: {max: 1, delay: 1h}}\n"
    )

    loaded = check_sources([Source("jobs.yaml", text.encode())], {}, now=datetime(2026, 1, 1, tzinfo=UTC))

    assert loaded.state is None
    assert [(found.severity, found.path) for found in loaded.diagnostics] == [
        ("warning", "settings.database"),
        ("error", "nonsense"),
        ("error", "jobs.bad.cron"),
        ("warning", "jobs.good.at"),
        ("warning", "jobs.good.retries"),
    ]


def test_more_warnings_than_anybody_reads_do_not_make_the_files_wrong() -> None:
    jobs = "".join(f"  j{number}: {{shell: a}}\n" for number in range(MAX_DIAGNOSTICS + 1))

    loaded = checked(f"defaults: {{retries: {{max: 1, delay: 1h}}}}\njobs:\n{jobs}")

    assert loaded.state is not None
    assert len(loaded.state.jobs) == MAX_DIAGNOSTICS + 1
    assert {found.severity for found in loaded.diagnostics} == {"warning"}


@pytest.mark.parametrize(
    ("fields", "paths"),
    [
        ('{command: [echo, "${HOME}", "${A:-b}"]}', ["command[1]", "command[2]"]),
        ('{shell: a, cwd: "${HOME}"}', ["cwd"]),
        ('{handler: a, payload: {k: {l: [1, "${TOKEN}"]}, m: "${N:-}"}}', ["payload.k.l[1]", "payload.m"]),
        ('{command: [echo, "x${HOME}", "$HOME", "$${HOME}", "${", "${1}"]}', []),
        ('{shell: "${HOME}", env: {A: "${HOME}"}}', []),
        ('{http: {url: "${URL}", headers: {A: "${T}"}, json: "${J}"}}', []),
    ],
)
def test_a_reference_where_none_is_resolved_is_warned_about(fields: str, paths: list[str]) -> None:
    loaded = checked(f"jobs:\n  x: {fields}\n")

    assert loaded.state is not None
    assert [(found.severity, found.path) for found in loaded.diagnostics] == [
        ("warning", f"jobs.x.{path}") for path in paths
    ]


def test_a_reference_that_is_not_resolved_is_warned_about_with_its_place_and_where_it_would_be() -> None:
    [found] = checked('jobs:\n  x: {command: [curl, "${URL}"]}\n').diagnostics

    assert str(found) == (
        "jobs.yaml:2:23: warning: jobs.x.command[1]: ${URL} is taken literally: references are resolved in settings, env"
        " and http alone (the program finds it in its environment; a `shell` expands its own variables)"
    )


def test_a_reference_in_the_defaults_is_warned_about_once() -> None:
    loaded = checked('defaults: {payload: {a: "${B}"}}\njobs: {x: {handler: a}, y: {handler: b}}\n')

    assert [found.path for found in loaded.diagnostics] == ["defaults.payload.a"]


def test_where_the_text_itself_is_wrong_nothing_more_is_said() -> None:
    assert len(errors_of(f"{A_JOB}    retries: !x 3\n")) == 1


def test_catch_up_all_from_the_defaults_is_refused_at_the_job() -> None:
    [error] = errors_of(f"defaults: {{catch_up: all}}\n{A_JOB}")

    assert error.startswith("jobs.yaml:3:3: error: jobs.nightly: catch_up all needs concurrency queue or allow")


def test_a_definition_is_what_a_file_may_say() -> None:
    job = state_of(EXAMPLE).jobs["nightly-invoices"]

    again = state_of(json.dumps({"jobs": {job.name: definition(job)}})).jobs[job.name]

    assert definition(again) == definition(job)


def test_a_job_knows_which_of_its_retries_and_timeout_it_says_itself() -> None:
    jobs = state_of("""
        defaults: {retries: {max: 2, delay: 5s}, timeout: 15m}
        jobs:
          silent: {handler: "a:b"}
          number: {handler: "a:b", retries: 0}
          parts: {handler: "a:b", retries: {max: 1, retry_on: [OSError]}, timeout: {after: 60s, kill_after: 5s}}
          timed: {handler: "a:b", timeout: 60s}
          timeless: {handler: "a:b", timeout: none}
          command: {shell: "true", retries: 1}
    """).jobs

    assert {name: sorted(job.given) for name, job in jobs.items()} == {
        "silent": [],
        "number": ["retries.max"],
        "parts": ["retries.max", "retries.retry_on", "timeout.after", "timeout.kill_after"],
        "timed": ["timeout.after"],
        "timeless": ["timeout.after", "timeout.kill_after"],
        "command": [],
    }


def test_a_file_cut_short_anywhere_is_an_error_or_a_state() -> None:
    whole = EXAMPLE.encode()
    for end in range(len(whole)):
        loaded = check_sources([Source("jobs.yaml", whole[:end])])

        assert (loaded.state is None) == any(found.severity == "error" for found in loaded.diagnostics)


def test_what_is_an_error_does_not_hang_on_the_date() -> None:
    text = f"{A_JOB}    at: 2020-01-01T00:00:00Z\n"

    loaded = checked(text, now=datetime(2026, 1, 1, tzinfo=UTC))

    assert loaded.state is not None
    assert [str(found) for found in loaded.diagnostics] == [
        "jobs.yaml:4:9: warning: jobs.nightly.at: the schedule lies wholly in the past; it will not run again"
    ]
    assert checked(text, now=datetime(2019, 1, 1, tzinfo=UTC)).diagnostics == ()


@pytest.mark.parametrize("fields", ["every: 1d\n    end_at: 2020-01-01T00:00:00Z", 'cron: "0 0 1 1 * 0 2020"'])
def test_schedules_with_an_end_in_the_past_are_warned_about(fields: str) -> None:
    loaded = checked(f"{A_JOB}    {fields}\n", now=datetime(2026, 1, 1, tzinfo=UTC))

    assert ["wholly in the past" in found.message for found in loaded.diagnostics] == [True]


@pytest.mark.parametrize(
    ("cron", "told", "each"),
    [
        ("*/90 * * * *", "minute: */90 is 0 alone, since a step of 90 leads out of its range", "each 1h30m"),
        ("0 8/36 * * *", "hour: 8/36 is 8 alone, since a step of 36 leads out of its range", "each 1d12h"),
        ("0 0 */40 * *", "day-of-month: */40 is 1 alone, since a step of 40 leads out of its range", "each 40d"),
        ("10-20/50 * * * *", "minute: 10-20/50 is 10 alone, since a step of 50 leads out of its range", "each 50m"),
        ("0 0 * * 0,*/8", "day-of-week: */8 is 0 alone, since a step of 8 leads out of its range", "write 0 if"),
        ("* * * * * */75", "second: */75 is 0 alone, since a step of 75 leads out of its range", "each 1m15s"),
    ],
)
def test_a_step_that_leads_out_of_its_field_is_warned_about(cron: str, told: str, each: str) -> None:
    text = f"{A_JOB}    cron: {cron!r}\n"

    [found] = checked(text, now=datetime(2026, 1, 1, tzinfo=UTC)).diagnostics

    assert (found.severity, found.path, found.message) == ("warning", "jobs.nightly.cron", told)
    assert each in found.hint


@pytest.mark.parametrize(
    "cron", ["*/60 */24 * */12 */7", "5/60 8/24 * * *", "5-50/15 8-20/2 1/15 * *", "H/90 H/30 * * *", "@hourly"]
)
def test_steps_that_do_what_they_say_are_not_warned_about(cron: str) -> None:
    assert checked(f"{A_JOB}    cron: {cron!r}\n", now=datetime(2026, 1, 1, tzinfo=UTC)).diagnostics == ()


@pytest.mark.parametrize(
    ("cron", "hint"),
    [
        ("0 0 5 * * *", "as Quartz and Spring have it, write '0 5 * * *'; write 0-59 if not"),
        ("*/10 * * * * *", "write '* * * * * */10'; write 0-59 if not"),
        ("0 0 5 * * * 2030", "write '0 5 * * * 0 2030'; write 0-59 if not"),
        ("0 8 * * fri *", "write 0-59 if that is meant"),
    ],
)
def test_each_second_of_some_minutes_is_warned_about(cron: str, hint: str) -> None:
    [found] = checked(f"{A_JOB}    cron: {cron!r}\n", now=datetime(2026, 1, 1, tzinfo=UTC)).diagnostics

    assert (found.severity, found.path) == ("warning", "jobs.nightly.cron")
    assert found.message == "the sixth field is the second: this is a slot in each second of its minutes"
    assert found.hint.endswith(hint)


@pytest.mark.parametrize("cron", ["* * * * * *", "* 9-17 * * mon-fri *", "0 0 5 * * 0-59", "0 5 * * * 30", "0 5 * * *"])
def test_seconds_that_are_meant_are_not_warned_about(cron: str) -> None:
    assert checked(f"{A_JOB}    cron: {cron!r}\n", now=datetime(2026, 1, 1, tzinfo=UTC)).diagnostics == ()


def test_a_delay_that_is_cut_is_warned_about() -> None:
    loaded = checked(f"{A_JOB}    retries: {{max: 1, delay: 1h}}\n")

    assert [str(found) for found in loaded.diagnostics] == [
        "jobs.yaml:4:14: warning: jobs.nightly.retries: the delay of 1h is cut to max_delay, 10m (set max_delay too)"
    ]


def test_variables_that_the_environment_lacks_are_warned_about_where_it_is_given() -> None:
    text = 'settings: {database: "${DB}"}\njobs:\n  x: {shell: a, env: {A: "${B}${C:-c}${D}"}}\n  y: {http: {url: "${U}"}}\n'
    source = Source("jobs.yaml", text.encode())

    assert check_sources([source]).diagnostics == ()
    found = check_sources([source], {"D": ""}).diagnostics
    assert [(each.path, each.severity, each.message) for each in found] == [
        ("settings.database", "warning", "the environment has no variable DB"),
        ("jobs.x.env", "warning", "the environment has no variable B"),
        ("jobs.y.http", "warning", "the environment has no variable U"),
    ]


def test_several_files_are_one_state_each_with_its_own_defaults() -> None:
    first = Source("a.yaml", b"settings: {threads: 3}\ndefaults: {queue: q}\njobs: {x: {handler: a}}\n")
    second = Source("b.yaml", b"jobs: {y: {handler: a}}\n")

    state = check_sources([first, second]).state

    assert state is not None
    assert {name: job.queue for name, job in state.jobs.items()} == {"x": "q", "y": "default"}
    assert (state.settings.threads, state.settings_file, state.files) == (3, "a.yaml", ("a.yaml", "b.yaml"))


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (
            "jobs: {x: {handler: a}}",
            "jobs: {x: {handler: a}}",
            "b.yaml:1:8: error: jobs.x: this job stands in a.yaml:1 too",
        ),
        (
            "jobs: {}\nsettings: {}",
            "jobs: {}\nsettings: {}",
            "b.yaml:2:1: error: settings: settings stand in a.yaml too",
        ),
        (
            "jobs: {}",
            "jobs: {}\nnamespace: b",
            "b.yaml:2:12: error: namespace: namespace b here, default in a.yaml: several at once are not supported yet",
        ),
        (
            "jobs: {x: {handler: a}}",
            "jobs: {x: {handler: a}}\nnamespace: b",
            "b.yaml:2:12: error: namespace: namespace b here, default in a.yaml: several at once are not supported yet",
        ),
        (
            "jobs: {x: {handler: a}}",
            "jobs: {x: {handler: a}}\nnamespace: a b",
            'b.yaml:2:12: error: namespace: "a b" is no name',
        ),
    ],
)
def test_what_only_one_of_several_files_may_have(first: str, second: str, expected: str) -> None:
    [error] = errors_of([Source("a.yaml", first.encode()), Source("b.yaml", second.encode())])

    assert error.startswith(expected)


def test_no_files_are_no_state() -> None:
    assert check_sources([]) == Loaded(state=None, diagnostics=())


def test_a_wrong_file_does_not_hide_the_errors_of_the_next() -> None:
    assert len(errors_of([Source("a.yaml", b"["), Source("b.yaml", b"jobs: {x: {}}")])) == 2


def test_the_hash_of_one_file_is_that_of_its_bytes_and_names_do_not_count() -> None:
    assert content_hash([Source("a", b"x")]) == hashlib.sha256(b"x").hexdigest()
    assert content_hash([Source("a", b"x"), Source("b", b"y")]) == content_hash([Source("c", b"x"), Source("d", b"y")])
    assert content_hash([Source("a", b"x"), Source("b", b"y")]) != content_hash([Source("a", b"xy")])


def test_a_folder_is_its_yaml_files_sorted_and_a_file_is_taken_once(tmp_path: Path) -> None:
    for name in ("b.yaml", "a.yml", ".hidden.yaml", "notes.txt"):
        (tmp_path / name).write_text("jobs: {}\n")

    assert files_of([tmp_path, tmp_path / "b.yaml"]) == [tmp_path / "a.yml", tmp_path / "b.yaml"]
    assert load([tmp_path, tmp_path / "b.yaml"]).files == (str(tmp_path / "a.yml"), str(tmp_path / "b.yaml"))


def test_what_cannot_be_read_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    with pytest.raises(ConfigError) as raised:
        load([tmp_path / "absent.yaml", tmp_path / "empty"])

    assert [str(found).removeprefix(str(tmp_path)) for found in raised.value.diagnostics] == [
        "/absent.yaml:1:1: error: no such file (write it, or give the path of another)",
        f"/empty:1:1: error: the folder {tmp_path}/empty has no *.yaml or *.yml (name a file, or put one there)",
    ]


def test_a_file_without_permission_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "jobs.yaml").write_text("jobs: {}\n")
    monkeypatch.setattr(Path, "open", refuse)

    [found] = check([tmp_path / "jobs.yaml"]).diagnostics

    assert (found.message, found.hint) == ("permission denied", "let the user that runs jobsched read it")


def test_a_named_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "jobs.yaml")

    for path in (tmp_path / "jobs.yaml", tmp_path):
        [found] = check([path]).diagnostics

        assert (found.severity, found.file) == ("error", str(tmp_path / "jobs.yaml"))
        assert found.message == "is a named pipe, and reading it might wait for ever"
        assert found.hint == "give a regular file, or pipe it in and give /dev/stdin"


def test_a_pipe_that_was_handed_over_is_read() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"jobs: {x: {handler: a}}\n")
    os.close(writing)

    try:
        loaded = check([Path(f"/dev/fd/{reading}")])
    finally:
        os.close(reading)

    assert loaded.diagnostics == ()
    assert loaded.state is not None
    assert list(loaded.state.jobs) == ["x"]


def test_a_file_that_anybody_may_write_is_warned_about(tmp_path: Path) -> None:
    path = tmp_path / "jobs.yaml"
    path.write_text("jobs: {}\n")
    path.chmod(0o666)

    loaded = check([path])

    assert loaded.state is not None
    assert [(found.severity, found.hint) for found in loaded.diagnostics] == [("warning", f"chmod go-w {path}")]


def test_load_raises_errors_and_keeps_warnings_to_itself(tmp_path: Path) -> None:
    path = tmp_path / "jobs.yaml"
    path.write_text("jobs: {x: {retries: {max: 1, delay: 1h}}, y: {handler: a, retries: {max: 1, delay: 1h}}}\n")

    with pytest.raises(ConfigError, match=r"jobs.yaml:1:8: error: jobs.x: nothing to perform"):
        load([path])
    path.write_text("jobs: {y: {handler: a, retries: {max: 1, delay: 1h}}}\n")
    assert list(load([path]).jobs) == ["y"]


def test_without_a_path_it_is_jobs_yaml_of_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "jobs.yaml").write_text("jobs: {}\n")

    assert load([]).files == ("jobs.yaml",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            'settings: {threads: "8", heartbeat: 20s, lease: 30s}\n' + A_JOB,
            ["expected a whole number", "a lease of 30s is less than 3 heartbeats of 20s"],
        ),
        (
            'jobs: {c: {command: [date], at: "x", cron: "* * * * *"}}\n',
            ["", "`at` and `cron` in one job"],
        ),
        (
            "jobs: {c: {timeout: x, cron: '* * * * *'}}\n",
            ["nothing to perform", ""],
        ),
        (
            "jobs: {c: {handler: a.b:c, cron: '* * * * *', catch_up: all, timeout: x}}\n",
            ["catch_up all needs concurrency queue", ""],
        ),
        (
            "defaults: {priority: x, catch_up: all}\njobs: {c: {handler: a.b:c, cron: '* * * * *'}}\n",
            ["expected a whole number", "catch_up all needs concurrency queue"],
        ),
        (
            (
                "jobs:\n  a: {command: [date], timeout: x, concurrency: {key: k, limit: 1}}\n"
                "  b: {command: [date], concurrency: {key: k, limit: 2}}\n"
            ),
            ["", "key 'k' has limit 2 here and 1 in job a"],
        ),
    ],
)
def test_what_fields_demand_of_each_other_is_said_beside_another_field_that_is_wrong(
    text: str, expected: list[str]
) -> None:
    found = [diagnostic.message for diagnostic in checked(text).diagnostics]

    assert len(found) == len(expected)
    assert all(message.startswith(begin) for message, begin in zip(found, expected, strict=True)), found


@pytest.mark.parametrize(
    "text",
    [
        "jobs: {c: {handler: a.b:c, cron: '* * * * *', concurrency: 0, catch_up: all}}\n",
        "jobs: {c: {handler: a.b:c, cron: '* * * * *', concurency: queue, catch_up: all}}\n",
        "defaults: {concurrency: 0}\njobs: {c: {handler: a.b:c, cron: '* * * * *', catch_up: all}}\n",
        "settings: {lease: 20s, heartbeat: x}\n" + A_JOB,
        "settings: {lease: 20s, hearbeat: 5s}\n" + A_JOB,
        "jobs: {c: {handler: a.b:c, cron: '* * * * *', start_at: x, end_at: '2027-01-01T00:00:00Z'}}\n",
        (
            "defaults: {start_at: '2030-01-01T00:00:00Z'}\n"
            "jobs: {c: {handler: a.b:c, cron: '* * * * *', start_at: x, end_at: '2027-01-01T00:00:00Z'}}\n"
        ),
        "jobs: {c: {comand: [date], cron: '* * * * *'}}\n",
    ],
)
def test_nothing_is_said_that_may_be_the_fault_of_a_field_that_is_wrong(text: str) -> None:
    assert len(checked(text).diagnostics) == 1
