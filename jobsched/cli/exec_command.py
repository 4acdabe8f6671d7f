"""jobsched exec."""

import difflib
import io
import json
import logging
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jobsched.cli.names import job_names
from jobsched.cli.output import say
from jobsched.cli.payload import payload_of, payload_option
from jobsched.cli.target import files, load_and_warn
from jobsched.errors import CommandError, UnknownHandlerError, UnknownJobError

if TYPE_CHECKING:
    from jobsched.cli.performance import Performance
    from jobsched.model.desired import DesiredState
    from jobsched.model.handler import PythonHandler
    from jobsched.model.job import Job, Timeout


_MOST_NAMED = 20


@click.command("exec")
@click.argument("job", shell_complete=job_names)
@click.option(
    "--file",
    "paths",
    multiple=True,
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="Where JOB stands, a file or a folder; else ./jobs.yaml. May be repeated.",
)
@payload_option
def command(job: str, *, paths: tuple[Path, ...], payload: str | None) -> None:
    """Perform JOB of ./jobs.yaml here and now: one attempt, no database, no limit on how many at once.

    Its output goes to the terminal as it comes. Exit code 0 or 1; of a command that ends by itself, its own;
    130 when Ctrl-C stopped it. Its timeout holds.
    """
    from jobsched.cli.handler_check import put_on_path
    from jobsched.cli.node_options import imports_of, inheritance_of
    from jobsched.cli.performance import Performance, heed_signals
    from jobsched.clock import SystemClock
    from jobsched.handlers.registry import default_registry
    from jobsched.model.handler import PythonHandler
    from jobsched.model.payload import check_payload_size

    given = payload_of(payload)
    if given is not None:
        check_payload_size(given)
    chosen = files(paths)
    state = load_and_warn(chosen, job=job)
    wanted = _job(state, job)
    put_on_path(chosen)
    if isinstance(wanted.handler, PythonHandler):
        default_registry.imports(imports_of(state.settings))
        # Not for calls: what logs a call would show the URL with its secrets.
        logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
        wanted = replace(wanted, timeout=_timeout_of(wanted, wanted.handler))
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Piped too, it comes when it is written.
        sys.stdout.reconfigure(line_buffering=True)
    heed_signals()
    data = dict(wanted.payload) if given is None else given
    performance = Performance(wanted, data, default_registry, inheritance_of(state.settings), SystemClock())
    raise SystemExit(_perform(performance, wanted))


def _timeout_of(job: "Job", handler: "PythonHandler") -> "Timeout | None":
    """That of its handler's decorator where it says none of its own; what is wrong with the handler comes out later."""
    from jobsched.handlers.registry import default_registry
    from jobsched.model.options import options_of

    try:
        said = default_registry.resolve(handler.name).options
    except UnknownHandlerError:
        return job.timeout
    return options_of(job, said).timeout


def _job(state: "DesiredState", name: str) -> "Job":
    job = state.jobs.get(name)
    if job is None:
        nearest = difflib.get_close_matches(name, state.jobs, 1)
        named = ", ".join(sorted(state.jobs)[:_MOST_NAMED]) + (" …" if len(state.jobs) > _MOST_NAMED else "")
        there = f"there are: {named}" if named else "there is none; another file is named by --file"
        raise UnknownJobError(state.namespace, name, nearest[0] if nearest else None, there)
    return job


def _perform(performance: "Performance", job: "Job") -> int:
    """Say how it ended; the exit code."""
    from jobsched.cli.performance import Interrupted
    from jobsched.model.handler import CommandHandler, ShellHandler

    try:
        result = performance.run()
    except Interrupted as signalled:
        say(f"{job.name}: stopped", err=True)
        return 128 + signalled.number
    except Exception as error:  # whatever a handler raises
        if error is performance.unshown:
            raise
        return _failed(job, error)
    if result is not None and not isinstance(job.handler, CommandHandler | ShellHandler):
        say(f"result: {json.dumps(result, ensure_ascii=False)}", err=True)
    return 0


def _failed(job: "Job", error: Exception) -> int:
    from jobsched.handlers.raised import error_entry

    if isinstance(error, CommandError) and error.exit_code is not None:
        code = error.exit_code
        # Its stderr, which the error's text ends with, has been shown as it came.
        say(f"{job.name}: " + (f"exit code {code}" if code > 0 else f"ended by signal {-code}"), err=True, fg="red")
        return code if code > 0 else 128 - code
    entry = error_entry(error)
    if "traceback" in entry:
        say(entry["traceback"].rstrip(), err=True)
    say(f"{job.name}: {entry['type']}: {entry['message']}", err=True, fg="red")
    return 1
