"""The reference of the command line: usage and options from click, shapes of JSON from the functions that print it."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from textwrap import dedent
from typing import Any

import click

from jobsched.cli.backfill_command import as_json as backfill_as_json
from jobsched.cli.backup_command import as_json as backup_as_json
from jobsched.cli.doctor_command import as_json as finding_as_json
from jobsched.cli.main import COMMANDS, cli
from jobsched.cli.status_command import Seen
from jobsched.cli.status_command import as_json as status_as_json
from jobsched.config.diagnostics import Diagnostic
from jobsched.config.diagnostics import as_json as diagnostic_as_json
from jobsched.handlers.sqlite_copy import Copied
from jobsched.model.alert import AlertKind, Breach
from jobsched.model.audit import Action, AuditRow, Via
from jobsched.model.backfill import Backfill
from jobsched.model.batch import BatchCounts
from jobsched.model.definition import FieldChange
from jobsched.model.handler import CommandHandler
from jobsched.model.job import Job
from jobsched.model.pause import Pause, PauseScope
from jobsched.model.queue import QueueLimits, Rate
from jobsched.model.report import (
    answer_as_json,
    audit_as_json,
    batch_as_json,
    breach_as_json,
    job_as_json,
    line_as_json,
    pause_as_json,
    run_as_json,
    stats_as_json,
)
from jobsched.model.run import Answer, Covers, LogLine, Refusal, Run, RunState, Source
from jobsched.model.state import Generation, Node, StoredJob
from jobsched.model.stats import Stats
from jobsched.observe.doctor.finding import Finding
from jobsched.schedule.fates import Fate, Unrecorded, fate_as_json
from jobsched.sync.apply import SyncReport
from jobsched.sync.plan import JobPlan, Plan
from jobsched.sync.report import plan_as_json, sync_as_json

HEAD = """\
# The command line

<!-- Written by `make reference` from the commands; do not edit. -->

Without PATH, commands read `./jobs.yaml`, also to find the database and the namespace. The database is that of `--database`, else of
`JOBSCHED_DATABASE_URL`, else of the file's `settings.database`, else `sqlite:///jobsched.db`. Commands that only read never create one.

**Exit codes**: 0 all is well; 1 an error, said on standard error; 2 wrong usage, and a value that an option cannot have; 130 ended by Ctrl-C, without a word. Where a command means more by its exit code, that is said below.

**Output**: what was asked for goes to standard output, errors, warnings and progress bars (on a terminal only) to standard error. `NO_COLOR` is heeded. Instants in JSON are RFC 3339 in UTC;
tables show this machine's time with its offset. Lists are bare arrays. JSON may gain fields; it loses none within a major version.
"""

EXIT_CODES = {
    "validate": "0 valid; 1 errors, with `--strict` also warnings; 2 wrong usage.",
    "plan": "0; with `--detailed-exitcode`: 0 nothing to do, 2 changes, 1 an error, wrong usage too.",
    "sync": "0 applied, or nothing to do; 1 refused (errors, the brake, the database).",
    "run": "0 when it was stopped and all was saved; 1 if it could not start, or not save all; with `--until-idle` also if a run failed. "
    "75 when too many threads had to be given up (`max_abandoned`): start it anew. After a third signal: 128 and the signal's number.",
    "metrics": "0; 1 if the database does not answer: a node that is scraped says that instead.",
    "trigger": "0; with `--wait`: 0 only if the run succeeded.",
    "enqueue": "0 made, or there already; 1 if it cannot be made, or its queue is full (`max_queued`).",
    "init": "0 written; 1 if the file is there.",
    "exec": "0 done; 1 failed; of a command its own, 128 and the signal's number when one ended it; 130 and 143 when it was stopped.",
    "cancel": "0; 1 if one was over already, or it was declined; with `--wait`: 1 if one ended otherwise.",
    "doctor": "0; 1 if a finding is an error; warnings do not count.",
    "health": "0 alive, with `--ready` also at work; 1 if not, or if nobody wrote the file.",
    "alert": "`test`: 0 if the message was sent, 1 if not, or if nobody sent it in time.",
    "create": "0 declared; 1 if it cannot be, or there is a job of this name.",
    "update": "0 changed, or so already; 1 if it cannot be, or a file declares it.",
    "remove": "0 removed; 1 if there is none, or a file declares it.",
    "requeue": "0; 1 if one was refused, or if all that was found are rows that stand for several slots.",
    "delete": "0; 1 if one was refused, or it was declined.",
    "backfill": "0; 1 if it was declined, or there is nothing that can be filled; 2 on wrong usage, also if `--yes` is missing where nobody can be asked.",
    "backup": "0 copied and checked; 1 if not: then nothing has changed. Always 1 on PostgreSQL, which has tools of its own.",
    "db": "`check`: 0 if the schema fits, 1 if not.",
}

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
SLOT = datetime(2026, 11, 22, 1, 30, tzinfo=UTC)
RUN = Run(
    id=7,
    namespace="default",
    job="nightly",
    handler="billing.jobs:send_invoices",
    source=Source.SLOT,
    queue="default",
    priority=0,
    state=RunState.SUCCEEDED,
    reason=None,
    attempt=2,
    max_attempts=3,
    scheduled_at=SLOT,
    available_at=SLOT + timedelta(seconds=10),
    started_at=SLOT + timedelta(seconds=10),
    finished_at=SLOT + timedelta(seconds=12),
    node=1,
    generation=3,
    payload={"dry_run": False},
    result={"sent": 40},
    error=(
        {"attempt": 1, "at": "2026-11-22T01:30:00Z", "reason": "error", "type": "ValueError", "message": "no template"},
    ),
    covers=None,
    created_at=SLOT,
)
UNDER_WAY = replace(RUN, id=8, state=RunState.RUNNING, attempt=1, finished_at=None, result=None, error=())
JOB = StoredJob(
    job=Job(namespace="default", name="disk", handler=CommandHandler(("df", "-h")), every=timedelta(minutes=5)),
    revision=1,
    schedule_revision=1,
    cursor=NOW,
    next_at=NOW + timedelta(minutes=5),
    generation=3,
)
GENERATION = Generation(
    namespace="default",
    number=3,
    content_hash="9f2c…",
    commit=None,
    applied_at=NOW,
    applied_by="ana@build",
    summary={"created": ["disk"], "updated": {"nightly": ["retries"]}, "removed": []},
)
NODE = Node(
    id=1,
    host="worker-1",
    pid=4242,
    version="0.1.0",
    started_at=NOW,
    heartbeat_at=NOW,
    alive=True,
    namespaces=("default",),
    info={
        "threads": 8,
        "running": 1,
        "abandoned_threads": 0,
        "generations": {"default": 3},
        "skew_seconds": 0.002,
        "hash": "9f2c…",
        "stale": False,
    },
)
PLAN = Plan(
    namespace="default",
    at=NOW,
    jobs=(
        JobPlan(
            name="nightly",
            action="update",
            changes=(FieldChange("retries", None, 5),),
            next_before=SLOT + timedelta(days=1),
            next_after=SLOT + timedelta(days=1),
        ),
    ),
    unchanged=1,
    total=2,
    seen_generation=2,
)
ANSWERS = [Answer(7, RunState.PENDING), Answer(8, RunState.SUCCEEDED, Refusal.SUCCEEDED)]
STATS = Stats(
    since=NOW - timedelta(days=1),
    unfinished={("default", RunState.RUNNING): 1},
    finished={("nightly", RunState.SUCCEEDED): 3, (None, RunState.FAILED): 1},
)
BATCH = BatchCounts("import-42", {RunState.RUNNING: 1, RunState.SUCCEEDED: 3})
COVERS = Covers(SLOT - timedelta(days=2), SLOT, 3)

BREACH = Breach(
    id=12,
    namespace="default",
    job="nightly",
    kind=AlertKind.FINAL_FAILURE,
    subject="7.3",
    details={"run": 7, "attempt": 3, "reason": "error", "error": "ValueError: no such customer"},
    opened_at=NOW,
    told_at=NOW,
)
FINDING = Finding(
    "warning",
    "transactions",
    "a transaction of process 4711 (ana, psql) has been open for 12m and pins dead rows: claims become slower",
    "end it: select pg_terminate_backend(4711)",
    {"pid": 4711, "user": "ana", "application": "psql", "seconds": 732},
)

PAUSE = Pause(
    namespace="default",
    scope=PauseScope.QUEUE,
    name="mail",
    since=NOW,
    by="ana@desk",
    reason="the provider is down",
    until=NOW + timedelta(hours=2),
)

ACT = AuditRow(
    id=41,
    namespace="default",
    at=NOW,
    by="ana@desk",
    via=Via.CLI,
    action=Action.PAUSE,
    job=None,
    queue="mail",
    run=None,
    count=1,
    details={"reason": "the provider is down", "until": "2026-11-22T10:00:00Z"},
)


def _words(each: type[StrEnum]) -> str:
    *most, last = (f"`{word}`" for word in each)
    return f"{', '.join(most)} or {last}"


#: Command → what its JSON is, and an example of it.
JSON: dict[str, tuple[str, Callable[[], Any]]] = {
    "validate": (
        "`--format json`: an array of findings, empty if there are none",
        lambda: [
            diagnostic_as_json(
                Diagnostic("jobs.yaml", 6, 5, "error", "jobs.greet.retrys", "unknown field", "did you mean `retries`?")
            )
        ],
    ),
    "plan": (
        (
            "`-o json`: what would be done; `action` is `create`, `update` or `remove`; `pause` is null or, of a paused job, "
            "as in `pause`; `paused` names the unchanged jobs that are paused"
        ),
        lambda: plan_as_json(PLAN),
    ),
    "sync": (
        "`-o json`: `outcome` is `applied` or `unchanged`; `plan`, as in `plan`, is null unless it was applied",
        lambda: sync_as_json(SyncReport(namespace="default", outcome="applied", generation=GENERATION, plan=PLAN)),
    ),
    "next": (
        "`-o json`: an array, of all jobs each with the name of its `job`",
        lambda: [{"scheduled_at": "2026-11-22T02:30:00+01:00", "utc": "2026-11-22T01:30:00Z"}],
    ),
    "list": (
        "`-o json`: an array of jobs by name; `last_run` is as in `runs`, or null; `pause` as in `pause`, or null; `definition` is as in jobs.yaml",
        lambda: [job_as_json(JOB, None)],
    ),
    "show": ("`-o json`: one job, as in `list`", lambda: job_as_json(JOB, None)),
    "status": (
        (
            "`-o json`; a node whose file is not applied has `error` and `error_since` too, one that cannot perform some handlers "
            "`unknown_handlers`; `running` are the newest 20"
        ),
        lambda: status_as_json(
            Seen(
                "default",
                NOW,
                GENERATION,
                [NODE],
                {("mail", RunState.RUNNING): 1},
                {"mail": QueueLimits(limit=2, rate=Rate(100, timedelta(minutes=1)))},
                NOW + timedelta(minutes=5),
                [UNDER_WAY],
                {8: "45% copying"},
                [PAUSE],
            )
        ),
    ),
    "alert list": (
        "`-o json`: an array of what is not over; `job` is null of what is no job's",
        lambda: [breach_as_json(BREACH)],
    ),
    "doctor": (
        (
            "`-o json`: an array of findings, in the order of the checks, at least one of each that applies; `level` is `ok`, `warning` or "
            "`error`; `seen` are the figures it rests on, other ones for each check; `do` is null if there is nothing to do"
        ),
        lambda: [finding_as_json(FINDING)],
    ),
    "runs": (
        (
            "`-o json`: an array of runs, newest first. "
            "`error` is null or a list, an entry for each failed attempt; `covers` is null or, on a skipped "
            f"row for several slots, like `{json.dumps(run_as_json(replace(RUN, covers=COVERS))['covers'])}` "
            "(`count` null above 1,000). `batch`, `timeout` (`30s`), `unique_key` and `unique_until` are those of an enqueued "
            "run, else null"
        ),
        lambda: [run_as_json(RUN)],
    ),
    "logs": (
        "`-o json`: an array of lines; `stream` is `stdout`, `stderr`, `log` or `progress`",
        lambda: [line_as_json(LogLine(7, 2, 0, NOW, "stdout", "40 sent"))],
    ),
    "stats": (
        (
            "`-o json`: the unfinished by queue and state, the finished by job (null: ad hoc); with `--batch` like "
            f"`{json.dumps(batch_as_json('default', BATCH))}`"
        ),
        lambda: stats_as_json("default", STATS, [PAUSE]),
    ),
    "why": (
        f"`-o json`: an array of slots, newest first; `run` is as in `runs`, or null, and then `unrecorded` is {_words(Unrecorded)}",
        lambda: [fate_as_json(Fate(SLOT, None, Unrecorded.FORGOTTEN))],
    ),
    "cancel": (
        f"`-o json`: an array of answers; `state` is null if there is no such run (any more); `refused` is null, {_words(Refusal)}",
        lambda: [answer_as_json(answer) for answer in ANSWERS],
    ),
    "requeue": ("`-o json`: answers, as of `cancel`", lambda: None),
    "delete": ("`-o json`: answers, as of `cancel`", lambda: None),
    "prune": ("`-o json`", lambda: {"namespace": "default", "deleted": 250, "changes": 0}),
    "backup": (
        "`-o json`",
        lambda: backup_as_json(
            Path("/srv/jobs/jobsched.db"),
            Copied(Path("backups/jobsched-20261122T080000Z.db"), size=155_648, pages=38, removed=1),
        ),
    ),
    "db check": (
        "`-o json`: `state` is `missing`, `older`, `current` or `newer`",
        lambda: {"database": "sqlite:///jobsched.db", "state": "older", "found": "0001_initial", "needed": "0002_next"},
    ),
    "trigger": ("`-o json`: the run, as in `runs`", lambda: None),
    "enqueue": ("`-o json`: the run, as in `runs`", lambda: None),
    "audit": (
        (
            f"`-o json`: an array of acts, newest first; `via` is {_words(Via)}, `action` {_words(Action)}; `job`, `queue` "
            "and `run` are null if it was done to several, or to none; `count` is to how many; `details` what else is known of it"
        ),
        lambda: [audit_as_json(ACT)],
    ),
    "create": ("`-o json`: the job, as in `list`", lambda: None),
    "update": ("`-o json`: the job, as in `list`", lambda: None),
    "pause": (
        "`-o json`: an array of what is paused; `scope` is `job`, `queue` or `all`, whose `name` is null",
        lambda: [pause_as_json(PAUSE)],
    ),
    "resume": ("`-o json`: an array of the pauses that it ended, as in `pause`", lambda: None),
    "backfill": (
        "`-o json`: slots by kind. `runs` got a run; of `unrecorded` of these nothing was recorded; `open`: not accounted for yet",
        lambda: backfill_as_json(
            "nightly",
            SLOT - timedelta(days=8),
            SLOT,
            Backfill(slots=9, runs=4, unrecorded=1, succeeded=3, failed=1, unfinished=1),
        ),
    ),
}


def page() -> str:
    return "\n".join([HEAD, *_commands()]).rstrip() + "\n"


def _commands() -> Iterator[str]:
    context = click.Context(cli, info_name="jobsched", **cli.context_settings)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        yield from _command(command, click.Context(command, info_name=name, parent=context), name, "##")


def _command(command: click.Command, context: click.Context, name: str, level: str) -> Iterator[str]:
    yield f"{level} {name}\n"
    yield f"```text\n{context.command_path} {' '.join(command.collect_usage_pieces(context))}\n```\n"
    yield from map(_paragraph, (command.help or "").split("\n\n"))
    found = [param.get_help_record(context) for param in command.get_params(context)]
    rows = [record for record in found if record and record[1]]
    yield "| option | meaning |"
    yield "|---|---|"
    yield from (
        f"| `{option}` | {meaning} |".replace("[default: ", "[default ") for option, meaning in map(_escaped, rows)
    )
    yield ""
    if name in EXIT_CODES:
        yield f"**Exit code**: {EXIT_CODES[name]}\n"
    if name in JSON:
        yield from _json(*JSON[name])
    if isinstance(command, click.Group):
        for each in command.list_commands(context):
            sub = command.get_command(context, each)
            assert sub is not None
            yield from _command(sub, click.Context(sub, info_name=each, parent=context), f"{name} {each}", "###")


def _paragraph(text: str) -> str:
    """As a terminal shows it: what click's mark keeps from being filled stands as it is."""
    _, marked, lines = text.partition("\b\n")
    if marked:
        return f"```text\n{dedent(lines).rstrip()}\n```\n"
    return " ".join(text.split()) + "\n"


def _escaped(row: tuple[str, str]) -> tuple[str, str]:
    return row[0].replace("|", "\\|"), row[1].replace("|", "\\|")


def _json(what: str, example: Callable[[], Any]) -> Iterator[str]:
    yield f"**JSON**: {what}.\n"
    if (value := example()) is not None:
        yield f"```json\n{json.dumps(value, ensure_ascii=False, indent=2)}\n```\n"
