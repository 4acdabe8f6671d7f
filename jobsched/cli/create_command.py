"""jobsched create."""

from typing import Any

import click

from jobsched.cli.declared import pointing_at_files, say_next
from jobsched.cli.definition_options import definition_of, definition_options
from jobsched.cli.output import print_json, say
from jobsched.cli.target import client_of, database_option, find_target, namespace_option, text_output_option


@click.command("create")
@click.argument("name")
@definition_options
@database_option
@namespace_option
@text_output_option
def command(name: str, *, database: str | None, namespace: str | None, output: str, **given: Any) -> None:
    """Declare the job NAME at run time, beside those of files: no sync changes or removes it.

    It is held to the rules of jobs.yaml. A job of a file is declared in its file.
    """
    definition = definition_of(given)
    with client_of(find_target(database, namespace)) as client, pointing_at_files(client):
        stored = client.create_job(name, definition)
        if output == "json":
            from jobsched.model.report import job_as_json

            print_json(job_as_json(stored, None))
        else:
            say(f"{name} is declared, as of generation {stored.generation}")
            say_next(client, stored)
