"""jobsched remove."""

import click

from jobsched.cli.declared import pointing_at_files
from jobsched.cli.names import job_names
from jobsched.cli.output import say
from jobsched.cli.target import client_of, database_option, find_target, namespace_option


@click.command("remove")
@click.argument("job", shell_complete=job_names)
@database_option
@namespace_option
def command(job: str, *, database: str | None, namespace: str | None) -> None:
    """Remove JOB, which was declared at run time. Its waiting runs are cancelled, one that runs goes on, its history stays.

    A job of a file is removed from its file.
    """
    with client_of(find_target(database, namespace)) as client, pointing_at_files(client):
        client.delete_job(job)
    say(f"{job} is removed")
