"""The option `--payload`, of commands that make or perform a run."""

import json
from typing import Any

import click

from jobsched.errors import PayloadError

payload_option = click.option("--payload", metavar="JSON", help="A JSON object that replaces the job's payload.")


def payload_of(text: str | None) -> dict[str, Any] | None:
    """What was given; None if nothing was. Raises PayloadError."""
    if text is None:
        return None
    try:
        value = json.loads(text)
    except ValueError as error:
        raise PayloadError(f"--payload is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise PayloadError('--payload must be a JSON object, like {"name": 1}')
    return value
