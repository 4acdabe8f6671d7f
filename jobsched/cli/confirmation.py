"""Asking a person before much is changed."""

import sys

import click

from jobsched.cli.output import say


def confirm(question: str, *, declined: str) -> None:
    """Return if they agree. Else say what was left undone and exit with 1; Ctrl-C ends without a word.

    Raises click.UsageError where nobody can be asked.
    """
    if not sys.stdin.isatty():
        raise click.UsageError("nobody can be asked here; if this is meant, add --yes")
    try:
        agreed = click.confirm(question, err=True)
    except click.Abort as abort:
        say(err=True)  # the line of the question is left
        if isinstance(abort.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        agreed = False  # the end of the input
    if not agreed:
        say(declined, err=True)
        raise SystemExit(1)
