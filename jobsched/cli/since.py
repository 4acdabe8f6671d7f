"""The value of `--since`: an instant, or how long ago."""

from datetime import datetime

import click


def since_of(text: str, now: datetime) -> datetime:
    """Raises click.BadParameter on what is neither."""
    from jobsched.model.durations import parse_duration
    from jobsched.model.instants import parse_instant

    try:
        return now - parse_duration(text)
    except (ValueError, OverflowError):
        pass
    try:
        return parse_instant(text)
    except ValueError as error:
        raise click.BadParameter(f"neither a duration (1h, 2d) nor an instant: {error}", param_hint="--since") from None
