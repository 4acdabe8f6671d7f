"""What a shell may complete where a job or a queue is asked for: names of ./jobs.yaml."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from jobsched.cli.target import DEFAULT_FILE

if TYPE_CHECKING:
    from jobsched.model.desired import DesiredState


def job_names(_ctx: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Its jobs."""
    state = _state()
    return [] if state is None else _beginning(begun, state.jobs)


def queue_names(_ctx: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """The queues of its jobs, and those that its settings name."""
    state = _state()
    if state is None:
        return []
    named = {*state.settings.queues, *state.settings.queue_threads}
    return _beginning(begun, named | {job.queue for job in state.jobs.values()})


def _state() -> "DesiredState | None":
    """None if there is no file or it is not valid, since nobody reads errors while typing."""
    from jobsched.config.load import check

    return check([DEFAULT_FILE]).state if DEFAULT_FILE.exists() else None


def _beginning(begun: str, names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if name.startswith(begun))
