"""jobsched schema."""

import click

from jobsched.cli.output import print_json


@click.command("schema")
def command() -> None:
    """Print the JSON Schema (2020-12) of jobs.yaml, for editors and CI."""
    from jobsched.config.json_schema import schema_json

    print_json(schema_json())
