"""The value of `--since`: an instant, or how long ago."""

from datetime import datetime

import click


def since_of(text: str, now: datetime) -> datetime:
    """Raises click.BadParameter on what is neither."""
    from jobsched.model.instants import instant_or_ago

    try:
        return instant_or_ago(text, now)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--since") from None
