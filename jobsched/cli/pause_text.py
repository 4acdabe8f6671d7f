"""What is paused, since when, by whom and why, for people; and what `pause` and `resume` are told to hold or let go."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

from jobsched.cli.names import job_names, queue_names
from jobsched.cli.output import Cell, Roomy, say, say_prose
from jobsched.model.wording import local_time, moment, relative

if TYPE_CHECKING:
    from jobsched.model.pause import Pause, PauseScope

_A_DAY = timedelta(days=1)
_MOST_SAID = 5


def target_options(*, queue: str, everything: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """JOBs, --queue or --all, with what the options mean to the command."""

    def add(command: Callable[..., None]) -> Callable[..., None]:
        for option in (
            click.option("--all", "everything", is_flag=True, help=everything),
            click.option("--queue", metavar="Q", shell_complete=queue_names, help=queue),
            click.argument("jobs", nargs=-1, metavar="[JOB]...", shell_complete=job_names),
        ):
            command = option(command)
        return command

    return add


def check_target(jobs: Sequence[str], queue: str | None, *, everything: bool) -> None:
    """Raises click.UsageError unless it is one of the three."""
    if (bool(jobs), bool(queue), everything).count(True) != 1:
        raise click.UsageError("give one or more JOBs, or --queue Q, or --all")


def target_text(scope: "PauseScope", name: str, namespace: str) -> str:
    """What is, or would be, held: `nightly`, `queue mail`, `all of default`."""
    return {"job": name, "queue": f"queue {name}", "all": f"all of {namespace}"}[str(scope)]


def held(pause: "Pause") -> str:
    """What it holds."""
    return target_text(pause.scope, pause.name, pause.namespace)


def until_text(pause: "Pause") -> str:
    """`until 2026-11-22 02:30:00+01:00`, or `until it is resumed`."""
    return "until it is resumed" if pause.until is None else f"until {local_time(pause.until)}"


def since_text(pause: "Pause") -> str:
    """`since 2026-11-22 02:30:00+01:00 by ann@desk: a move`."""
    return f"since {local_time(pause.since)} by {pause.by}" + (f": {pause.reason}" if pause.reason else "")


def line(pause: "Pause", now: datetime) -> str:
    """All of it: `nightly: paused since … by …: a move; until … (in 2h)`."""
    away = ""
    if pause.until is not None:
        away = " (over: the next node that looks ends it)" if pause.is_over(now) else f" ({relative(pause.until, now)})"
    return f"{held(pause)}: paused {since_text(pause)}; {until_text(pause)}{away}"


def line_with_way_out(pause: "Pause", now: datetime) -> str:
    """All of it, and how to end it."""
    return f"{line(pause, now)}; to end it: {way_out(pause)}"


def way_out(pause: "Pause") -> str:
    """The command that ends it."""
    target = {"job": pause.name, "queue": f"--queue {pause.name}", "all": "--all"}[str(pause.scope)]
    return f"jobsched resume {target}"


def cell(pause: "Pause", now: datetime) -> Cell:
    """`paused until 2026-11-22 02:30:00+01:00 (in 2h)`; where there is no room, `paused until 02:30`, with its day if it is far."""
    if pause.until is None:
        return "paused"
    local = pause.until.astimezone()
    short = f"{local:%H:%M}" if pause.until - now < _A_DAY else f"{local:%m-%d %H:%M}"
    return Roomy(f"paused until {moment(pause.until, now)}", f"paused until {short}")


def say_pauses(pauses: "Sequence[Pause]", now: datetime) -> None:
    """A line for each, and how many more there are."""
    for pause in pauses[:_MOST_SAID]:
        say_prose(line(pause, now), fg="yellow")
    if len(pauses) > _MOST_SAID:
        say(f"and {len(pauses) - _MOST_SAID} more are paused; see: jobsched list", fg="yellow")
