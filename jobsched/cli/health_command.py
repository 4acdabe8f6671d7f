"""jobsched health."""

import json
from datetime import timedelta
from pathlib import Path

import click

from jobsched.cli.errors import Failure
from jobsched.cli.output import say
from jobsched.clock import Clock, SystemClock
from jobsched.model.durations import format_duration

_PATIENCE = timedelta(seconds=60)


@click.command("health")
@click.argument("path", metavar="[FILE]", envvar="JOBSCHED_HEALTH_FILE", type=click.Path(path_type=Path))
@click.option("--ready", is_flag=True, help="Ask whether it works too: it has begun, and its lease is fresh.")
def command(path: Path, *, ready: bool) -> None:
    """Say whether the node of this machine or container is alive, by the file of its `run --health-file FILE`.

    Made for probes: it asks neither the database nor the network. A node that waits for its database is alive, not ready.
    FILE: else JOBSCHED_HEALTH_FILE.
    """
    problem = lack(path, SystemClock(), ready=ready)
    if problem is not None:
        raise Failure(problem)
    say("ready" if ready else "alive")


def lack(path: Path, clock: Clock, *, ready: bool) -> str | None:
    """What is wrong; None if nothing is."""
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        age = timedelta(seconds=clock.monotonic() - float(said["turned"]))
    except FileNotFoundError:
        return f"there is no {path}: no node was started with --health-file {path}, or it has ended"
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"
    except (ValueError, TypeError, KeyError, OverflowError):
        return f"{path} was not written by jobsched run --health-file"
    if age < timedelta(0):
        return f"{path} is of a time before this machine was started"
    if age > _PATIENCE:
        return f"the node's loops have not turned for {format_duration(timedelta(seconds=int(age.total_seconds())))}"
    if ready and not said.get("ready"):
        return "the node is alive, and not ready: it starts, ends, or has not reached its database of late"
    return None
