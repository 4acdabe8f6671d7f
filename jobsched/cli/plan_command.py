"""jobsched plan."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jobsched.cli.output import print_json, say
from jobsched.cli.pause_text import until_text
from jobsched.cli.target import (
    database_of,
    database_option,
    files,
    load_and_warn,
    paths_argument,
    refuse_other_schema,
    text_output_option,
)
from jobsched.model.wording import printable

if TYPE_CHECKING:
    from jobsched.model.desired import DesiredState
    from jobsched.model.state import ActualState
    from jobsched.sync.plan import JobPlan, Plan, QueuePlan

_MOST_NAMED = 10
_SIGNS = {"create": ("+", "green"), "update": ("~", "yellow"), "remove": ("-", "red")}


class PlanCommand(click.Command):
    """With --detailed-exitcode 2 means changes, so wrong usage must not end with it (DESIGN §10)."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        detailed = "--detailed-exitcode" in args
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            if not detailed:
                raise
            error.show()
            ctx.exit(1)


@click.command("plan", cls=PlanCommand)
@paths_argument
@database_option
@click.option("--detailed-exitcode", is_flag=True, help="0: nothing to do, 2: changes, 1: an error.")
@text_output_option
@click.pass_context
def command(
    ctx: click.Context, paths: Sequence[Path], *, database: str | None, detailed_exitcode: bool, output: str
) -> None:
    """Show what sync would create, update (field by field) and remove, and what that does to the next slots."""
    from jobsched.sync.plan import plan
    from jobsched.sync.report import plan_as_json

    chosen = files(paths)
    desired = load_and_warn(chosen)
    actual, now = _actual(database_of(database, desired), desired)
    planned = plan(desired, actual, now)
    if output == "json":
        print_json(plan_as_json(planned))
    else:
        print_plan(planned, desired)
        if planned.brakes:
            removed = len(planned.of("remove"))
            say(
                f"sync would refuse to remove {removed} of {planned.total} jobs; if that is meant, sync with --allow-delete",
                fg="red",
            )
    if detailed_exitcode and not planned.empty:
        ctx.exit(2)


def _actual(url: str, desired: "DesiredState") -> "tuple[ActualState, datetime]":
    """The stored state; an empty one for a database that is not set up yet, which is not created for the question."""
    from jobsched.clock import SystemClock
    from jobsched.model.state import ActualState
    from jobsched.store.open import open_store

    store = open_store(url)
    try:
        if store.schema().state == "missing":
            return ActualState(namespace=desired.namespace, jobs={}, generation=None), SystemClock().now()
        refuse_other_schema(store.schema(), store.name)
        return store.actual(desired.namespace), store.now()
    finally:
        store.close()


def print_plan(planned: "Plan", desired: "DesiredState") -> None:
    """The plan for people: a sign a job, its changed fields, its next slot."""
    for item in planned.jobs:
        sign, colour = _SIGNS[item.action]
        place = desired.positions.get(item.name)
        where = f"  ({place[0]}:{place[1]})" if place else ""
        say(f"{sign} {item.name}{where}", fg=colour)
        for change in item.changes:
            say(f"    {change.field}: {_value(change.old)} -> {_value(change.new)}")
        if item.next_before != item.next_after:
            say(f"    next slot: {_slot(item, before=True)} -> {_slot(item, before=False)}")
        if item.pause is not None and item.action != "remove":
            say(f"    paused {until_text(item.pause)}", fg="yellow")
    for queue in planned.queues:
        say(f"~ queue {queue.queue}: {', '.join(_changed_limits(queue))}", fg="yellow")
    counts = [f"{len(planned.of(action))} to {action}" for action in _SIGNS]
    say(f"{planned.namespace}: {', '.join(counts)}, {planned.unchanged} unchanged")
    if planned.paused:
        say(_unchanged_but_paused(planned.paused), fg="yellow")


def _changed_limits(queue: "QueuePlan") -> Iterator[str]:
    before, after = queue.before.as_json(), queue.after.as_json()
    for word in before:
        if before[word] != after[word]:
            yield f"{word} {_limit(before[word])} -> {_limit(after[word])}"


def _limit(limit: int | str | None) -> str:
    return "none" if limit is None else str(limit)


def _slot(item: "JobPlan", *, before: bool) -> str:
    instant = item.next_before if before else item.next_after
    return "none" if instant is None else instant.isoformat(sep=" ", timespec="seconds")


def _unchanged_but_paused(names: Sequence[str]) -> str:
    job = "unchanged job is" if len(names) == 1 else "unchanged jobs are"
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"{len(names)} {job} paused: {', '.join(names[:_MOST_NAMED])}{more}"


def _value(value: Any) -> str:
    import json

    return "(default)" if value is None else printable(json.dumps(value, ensure_ascii=False))
