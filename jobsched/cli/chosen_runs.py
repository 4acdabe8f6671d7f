"""Runs that a command is to deal with: by their numbers, or all of a job that are in some states."""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from jobsched.cli.confirmation import confirm
from jobsched.cli.names import job_names
from jobsched.cli.progress import progress
from jobsched.cli.since import since_of

if TYPE_CHECKING:
    from jobsched.client import Client
    from jobsched.model.run import Answer, Run

_PAGE = 1000
#: So many runs are dealt with unasked.
_UNASKED = 100

_JOB = "All runs of this job that are in --state."
_SINCE = "With --job: made since an RFC 3339 instant, or within a duration: 1h, 2d."
_STATE = "With --job: in this state; may be repeated."
_YES = f"With --job: do not ask, as is done for more than {_UNASKED} runs."


class Wanted(NamedTuple):
    """What the command line says of the runs."""

    run_ids: tuple[int, ...]
    job: str | None
    states: tuple[str, ...]
    since: str | None
    yes: bool


def runs_wanted(*states: str, default: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The argument and the options that say which runs are meant. The command gets all of them as its first: a `Wanted`.

    `states`: those that --state knows. `default`: what is meant without it, in words.
    """
    parameters = (
        click.argument("run_ids", nargs=-1, metavar="[RUN]...", type=int),
        click.option("--job", metavar="JOB", shell_complete=job_names, help=_JOB),
        click.option("--since", metavar="T", help=_SINCE),
        click.option(
            "--state", "states", type=click.Choice(states), multiple=True, help=f"{_STATE}  [default: {default}]"
        ),
        click.option("--yes", is_flag=True, help=_YES),
    )

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def chosen(**given: Any) -> None:
            wanted = Wanted(**{name: given.pop(name) for name in Wanted._fields if name in given})
            _check_choice(wanted)
            command(wanted, **given)

        for parameter in reversed(parameters):
            parameter(chosen)
        return chosen

    return decorate


def _check_choice(wanted: Wanted) -> None:
    """Raises click.UsageError unless there are numbers, or a job."""
    if bool(wanted.run_ids) == (wanted.job is not None):
        raise click.UsageError("give the numbers of runs, or --job")
    if wanted.job is None and (wanted.since or wanted.states):
        raise click.UsageError("--since and --state go with --job")


def runs_of_job(client: "Client", wanted: Wanted, default: Sequence[str]) -> "list[Run]":
    """Oldest first, in the order of their slots. `default`: the states, unless some are named.

    Raises UnknownJobError for a job that is neither declared nor has runs.
    """
    from jobsched.model.run import RunState

    assert wanted.job is not None
    states = [RunState(state) for state in wanted.states or default]
    since = None if wanted.since is None else since_of(wanted.since, client.store.now())
    found: list[Run] = []
    while page := client.runs(
        job=wanted.job, states=states, since=since, before_id=found[-1].id if found else None, limit=_PAGE
    ):
        found += page
    if not found and not client.runs(job=wanted.job, limit=1):
        client.job(wanted.job)
    return found[::-1]


def confirm_many(wanted: Wanted, count: int, verb: str, *, declined: str) -> None:
    """Ask if they are many, unless --yes was given."""
    if count > _UNASKED and not wanted.yes:
        confirm(f"{verb} {count:,} runs of {wanted.job}?", declined=declined)


def in_parts(
    do: "Callable[[Sequence[int]], list[Answer]]", run_ids: Sequence[int], doing: str, *, hidden: bool
) -> "list[Answer]":
    """The answers of `do`, a thousand runs at a time, each a transaction of its own."""
    answers: list[Answer] = []
    with progress(doing, len(run_ids), hidden=hidden) as done:
        for start in range(0, len(run_ids), _PAGE):
            part = run_ids[start : start + _PAGE]
            answers += do(part)
            done(len(part))
    return answers
