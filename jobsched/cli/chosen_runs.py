"""Runs that a command is to deal with: by their numbers, or all of a job that are in some states."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import click

from jobsched.cli.confirmation import confirm
from jobsched.cli.job_names import job_names
from jobsched.cli.progress import progress
from jobsched.cli.since import since_of

if TYPE_CHECKING:
    from jobsched.client import Client
    from jobsched.model.run import Answer, Run

_Command = TypeVar("_Command", bound=Callable[..., object])

_PAGE = 1000
#: So many runs are dealt with unasked.
_UNASKED = 100

job_option = click.option(
    "--job", metavar="JOB", shell_complete=job_names, help="All runs of this job that are in --state."
)
since_option = click.option(
    "--since", metavar="T", help="With --job: made since an RFC 3339 instant, or within a duration: 1h, 2d."
)
yes_option = click.option(
    "--yes", is_flag=True, help=f"With --job: do not ask, as is done for more than {_UNASKED} runs."
)


def state_option(*states: str, default: str) -> Callable[[_Command], _Command]:
    """`default`: what is meant without the option, in words."""
    return click.option(
        "--state",
        "states",
        type=click.Choice(states),
        multiple=True,
        help=f"With --job: in this state; may be repeated.  [default: {default}]",
    )


class Wanted(NamedTuple):
    """What the command line says of the runs."""

    run_ids: tuple[int, ...]
    job: str | None
    states: tuple[str, ...]
    since: str | None


def check_choice(wanted: Wanted) -> None:
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


def confirm_many(count: int, question: str, *, declined: str, yes: bool) -> None:
    """Ask if they are many, unless `yes`."""
    if count > _UNASKED and not yes:
        confirm(question, declined=declined)


def in_parts(
    act: "Callable[[Sequence[int]], list[Answer]]", run_ids: Sequence[int], doing: str, *, hidden: bool
) -> "list[Answer]":
    """The answers of `act`, a thousand runs at a time, each a transaction of its own."""
    answers: list[Answer] = []
    with progress(doing, len(run_ids), hidden=hidden) as done:
        for start in range(0, len(run_ids), _PAGE):
            part = run_ids[start : start + _PAGE]
            answers += act(part)
            done(len(part))
    return answers
