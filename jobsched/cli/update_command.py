"""jobsched update."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from jobsched.cli.declared import pointing_at_files, say_next
from jobsched.cli.definition_options import changed, definition_of, definition_options
from jobsched.cli.names import job_names
from jobsched.cli.output import print_json, say
from jobsched.cli.target import client_of, database_option, find_target, namespace_option, text_output_option

if TYPE_CHECKING:
    from jobsched.client import Client
    from jobsched.model.state import StoredJob

_TRIES = 8


@click.command("update")
@click.argument("job", shell_complete=job_names)
@definition_options
@click.option("--unset", metavar="FIELD", multiple=True, help="A field to be as if it was never said; may be repeated.")
@database_option
@namespace_option
@text_output_option
def command(
    job: str, *, unset: tuple[str, ...], database: str | None, namespace: str | None, output: str, **given: Any
) -> None:
    """Change fields of JOB, which was declared at run time; the others stay. A job of a file is changed in its file.

    With --definition all of it is replaced. As of an edit of a file: slots to come follow the new definition.
    """
    fields, whole = definition_of(given), given["file"] is not None
    if not fields and not unset:
        raise click.UsageError("say what is to be changed; see: jobsched update --help")
    _check_known(unset)
    with client_of(find_target(database, namespace)) as client, pointing_at_files(client):
        before, stored = _changed(client, job, lambda now: changed({} if whole else now, fields, unset))
        if output == "json":
            from jobsched.model.report import job_as_json

            print_json(job_as_json(stored, client.last_run(job)))
        elif stored.generation == before:
            say(f"{job} is so already")
        else:
            say(f"{job} is changed, as of generation {stored.generation}")
            say_next(client, stored)


def _changed(
    client: "Client", job: str, change: "Callable[[dict[str, Any]], dict[str, Any]]"
) -> "tuple[int, StoredJob]":
    """The generation that it was of, and what it is now. What somebody else changes meanwhile is kept: it is read again."""
    from jobsched.errors import JobChangedError
    from jobsched.model.definition import definition

    for attempt in range(_TRIES):
        before = client.job(job)
        try:
            stored = client.update_job(job, change(definition(before.job)), expected_generation=before.generation)
        except JobChangedError:
            if attempt == _TRIES - 1:
                raise
            continue
        return before.generation, stored
    raise AssertionError("unreachable")


def _check_known(unset: tuple[str, ...]) -> None:
    """A name that no job has would be unset in vain, and nobody would be told."""
    from jobsched.config.schema import JOB

    for name in unset:
        if name not in JOB.fields:
            raise click.BadParameter(f"no job has a field {name!r}", param_hint="--unset")
