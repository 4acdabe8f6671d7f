"""What a shell may complete where a job is asked for."""

import click

from jobsched.cli.target import DEFAULT_FILE


def job_names(_ctx: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """The jobs of ./jobs.yaml; none if there is no file or it is not valid, since nobody reads errors while typing."""
    from jobsched.config.load import check

    state = check([DEFAULT_FILE]).state if DEFAULT_FILE.exists() else None
    return [] if state is None else sorted(name for name in state.jobs if name.startswith(begun))
