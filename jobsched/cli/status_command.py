"""jobsched status."""

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

import click

from jobsched.cli.elsewhere import elsewhere
from jobsched.cli.output import Cell, Roomy, clear_screen, print_json, print_json_line, print_table, say, say_prose
from jobsched.cli.pause_text import say_pauses
from jobsched.cli.target import client_of, database_option, find_target, namespace_option, output_option
from jobsched.clock import SystemClock
from jobsched.errors import StoreUnavailableError
from jobsched.model.wording import moment, relative, rough

if TYPE_CHECKING:
    from jobsched.client import Client
    from jobsched.model.alert import Breach
    from jobsched.model.pause import Pause
    from jobsched.model.queue import QueueLimits
    from jobsched.model.run import Run, RunState
    from jobsched.model.state import Generation, Node

_WATCH_SECONDS = 2.0
_UNSENT_SINCE = timedelta(days=1)
#: So many running runs are listed, the newest; how many there are stands with the queues.
_MOST_RUNNING = 20


@click.command("status")
@click.option("--watch", is_flag=True, help=f"Show it anew every {_WATCH_SECONDS:g} s, until Ctrl-C.")
@database_option
@namespace_option
@output_option
def command(*, watch: bool, database: str | None, namespace: str | None, output: str) -> None:
    """Show the newest generation, the nodes, the queues and what is paused.

    With --watch, -o json prints one object a line.
    """
    with client_of(find_target(database, namespace)) as client:
        if watch:
            _watch(client, output)
        seen = _look(client)
    if seen.elsewhere is not None:
        say_prose(seen.elsewhere, err=True, fg="yellow")
    if output == "json":
        print_json(as_json(seen))
    else:
        _print(seen)


@dataclass(frozen=True, slots=True)
class Seen:
    """One look at the store."""

    namespace: str
    now: datetime
    newest: "Generation | None"
    nodes: "list[Node]"
    counts: "dict[tuple[str, RunState], int]"
    limits: "dict[str, QueueLimits]"
    next_at: datetime | None
    running: "list[Run]"  #: the newest
    progress: dict[int, str]
    pauses: "list[Pause]"
    breaches: "tuple[Breach, ...]" = ()  #: that are not over
    unsent: int = 0  #: messages of alerts of the last day that could not be sent, as far as counted
    late_job: str | None = None  #: whose slot has been due the longest
    elsewhere: str | None = None  #: why this namespace may not be the one that is meant


def _look(client: "Client") -> Seen:
    from jobsched.model.run import RunState

    generations = client.generations(1)
    running = client.runs(states=[RunState.RUNNING], limit=_MOST_RUNNING)
    now = client.store.now()
    late = client.store.due([client.namespace], now, 1)
    return Seen(
        namespace=client.namespace,
        now=now,
        newest=generations[0] if generations else None,
        nodes=client.nodes(),
        counts=client.counts(),
        limits=client.queue_limits(),
        next_at=client.store.next_due([client.namespace]),
        running=running,
        progress=client.progress(running),
        pauses=client.pauses(),
        breaches=tuple(client.open_breaches()),
        unsent=len(client.unsent_alerts(now - _UNSENT_SINCE)),
        late_job=late[0].name if late else None,
        elsewhere=None if generations else elsewhere(client),
    )


def _watch(client: "Client", output: str) -> NoReturn:
    """Look again and again; a database that goes away meanwhile is shown as that."""
    clock, never = SystemClock(), threading.Event()
    while True:
        try:
            seen = _look(client)
        except StoreUnavailableError as error:
            clear_screen()
            say(f"error: {error}", err=True, fg="red")
        else:
            if output == "json":
                print_json_line(as_json(seen))
            else:
                clear_screen()
                _print(seen)
        clock.wait(never, _WATCH_SECONDS)


def _print(seen: Seen) -> None:
    from jobsched.model.instants import parse_instant

    now = seen.now
    say(_generation_text(seen.namespace, seen.newest, now))
    print_table(
        ["NODE", "HOST", "PID", "STATE", "HEARTBEAT", "RUNNING", "NOTES"],
        [_node_row(node, now) for node in seen.nodes],
        empty="no node runs; start one with: jobsched run",
    )
    say()
    print_table(["QUEUE", "STATE", "RUNS", "LIMIT", *_more_limits(seen)], _queue_rows(seen), empty="no unfinished runs")
    say_pauses(seen.pauses, now)
    if seen.breaches:
        count = len(seen.breaches)
        say_prose(f"{count} {'alert is' if count == 1 else 'alerts are'} open; see: jobsched alert list", fg="yellow")
    if seen.unsent:
        what = "alert" if seen.unsent == 1 else "alerts"
        say_prose(
            f"{seen.unsent} {what} of the last day could not be sent; see: jobsched runs --queue alerts", fg="red"
        )
    if seen.running:
        say()
        print_table(["RUN", "JOB", "ATTEMPT", "FOR", "NOTES"], [_run_row(seen, run) for run in seen.running], empty="")
    if seen.next_at is not None:
        say(next_text(seen, seen.next_at))
    for node in seen.nodes:
        if node.alive and node.info.get("error"):
            since = parse_instant(str(node.info["error_since"]))
            say(f"\nnode {node.id}, since {moment(since, now)}:", fg="red")
            say_prose(str(node.info["error"]))


def _more_limits(seen: Seen) -> dict[str, str]:
    """Further columns of queues, by their heads: of what no queue has, there is none."""
    columns = {"RATE": "rate", "MAX QUEUED": "max_queued"}
    return {
        head: word
        for head, word in columns.items()
        if any(limits.as_json()[word] is not None for limits in seen.limits.values())
    }


def _queue_rows(seen: Seen) -> list[list[str]]:
    rows = []
    for (queue, state), count in sorted(seen.counts.items()):
        limits = seen.limits[queue].as_json() if queue in seen.limits else {}
        shown = [limits.get(word) for word in ("limit", *_more_limits(seen).values())]
        rows.append([queue, str(state), str(count), *("-" if limit is None else str(limit) for limit in shown)])
    return rows


def next_text(seen: Seen, slot: datetime) -> str:
    """When the next slot comes, or whose has been due for how long."""
    if slot > seen.now:
        return f"next slot: {moment(slot, seen.now)}"
    return f"a slot of {seen.late_job or 'a job'} has been due for {rough(seen.now - slot)}"


def _run_row(seen: Seen, run: "Run") -> list[str]:
    began = run.started_at or seen.now
    took = rough(max(seen.now - began, timedelta(0)))
    return [
        str(run.id),
        run.job or run.handler[:40],
        f"{run.attempt}/{run.max_attempts}",
        took,
        seen.progress.get(run.id, "-"),
    ]


def _generation_text(namespace: str, newest: "Generation | None", now: datetime) -> str:
    if newest is None:
        return f"{namespace}: nothing was ever synced"
    commit = f", commit {newest.commit[:12]}" if newest.commit else ""
    when = moment(newest.applied_at, now)
    file = f"file {newest.content_hash[:12]}" if newest.content_hash else "no file yet"
    what = f"generation {newest.number}, {file}{commit}"
    return f"{namespace}: {what}\napplied {when} by {newest.applied_by}\n"


def _node_row(node: "Node", now: datetime) -> list[Cell]:
    info = node.info
    notes = []
    if info.get("abandoned_threads"):
        threads = "thread" if info["abandoned_threads"] == 1 else "threads"
        notes.append(f"{info['abandoned_threads']} abandoned {threads}")
    if abs(info.get("skew_seconds") or 0) > 1:
        notes.append(f"clock {info['skew_seconds']:+.1f}s off")
    if info.get("stale"):
        notes.append("its file is stale")
    if info.get("error"):
        notes.append("its file is not applied")
    return [
        str(node.id),
        node.host,
        str(node.pid),
        "alive" if node.alive else "dead",
        Roomy(moment(node.heartbeat_at, now), relative(node.heartbeat_at, now)),
        f"{info.get('running', 0)}/{info.get('threads', '?')}",
        ", ".join(notes) or "-",
    ]


def as_json(seen: Seen) -> dict[str, Any]:
    from jobsched.model.instants import format_instant
    from jobsched.model.report import generation_as_json, node_as_json, pause_as_json, queues_as_json

    newest = seen.newest
    return {
        "namespace": seen.namespace,
        "generation": newest and generation_as_json(newest),
        "nodes": [node_as_json(node) for node in seen.nodes],
        "queues": queues_as_json(seen.counts, seen.pauses),
        "running": [
            {
                "run": run.id,
                "job": run.job,
                "handler": run.handler,
                "attempt": run.attempt,
                "node": run.node,
                "started_at": None if run.started_at is None else format_instant(run.started_at),
                "progress": seen.progress.get(run.id),
            }
            for run in seen.running
        ],
        "queue_limits": {queue: limits.as_json() for queue, limits in seen.limits.items()},
        "alerts": {"open": len(seen.breaches), "unsent": seen.unsent},
        "pauses": [pause_as_json(pause) for pause in seen.pauses],
        "next_at": None if seen.next_at is None else format_instant(seen.next_at),
    }
