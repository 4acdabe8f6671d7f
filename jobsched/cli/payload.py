"""The option `--payload`, of commands that make or perform a run."""

import json
from typing import Any

import click

payload_option = click.option("--payload", metavar="JSON", help="A JSON object that replaces the job's payload.")


def payload_of(text: str | None) -> dict[str, Any] | None:
    """What was given; None if nothing was. Raises click.BadParameter."""
    if text is None:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise click.BadParameter(f"this is no JSON: {error}", param_hint="--payload") from None
    if not isinstance(value, dict):
        raise click.BadParameter('it must be a JSON object, like {"name": 1}', param_hint="--payload")
    return value
