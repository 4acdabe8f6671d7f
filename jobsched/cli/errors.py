"""From exceptions to what a person reads: one clear text, the exit code, never a traceback for a mistake of theirs."""

from collections.abc import Iterator
from contextlib import contextmanager

import click

from jobsched.cli.text import printable
from jobsched.errors import ConfigError, JobschedError


class Failure(click.ClickException):
    """Prints `error: …` to standard error; exit code 1."""

    def show(self, file: object = None) -> None:
        click.echo(f"{click.style('error:', fg='red', bold=True)} {self.message}", err=True)


def print_diagnostics(error: ConfigError) -> None:
    """What is wrong with the files, to standard error."""
    from jobsched.config.diagnostics import Diagnostic, as_text

    for diagnostic in error.diagnostics:
        click.echo(as_text(diagnostic) if isinstance(diagnostic, Diagnostic) else str(diagnostic), err=True)


@contextmanager
def explained() -> Iterator[None]:
    """Turn what jobsched raises into a message and exit code 1."""
    try:
        yield
    except ConfigError as error:
        print_diagnostics(error)
        raise SystemExit(1) from None
    except (JobschedError, TimeoutError) as error:
        raise Failure(printable(str(error))) from error
    except BrokenPipeError:
        # The reader (head, a pager) has seen enough.
        raise SystemExit(0) from None
