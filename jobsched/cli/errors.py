"""From exceptions to what a person reads: one clear text, the exit code, never a traceback for a mistake of theirs."""

import errno
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO

import click

from jobsched.cli.output import say, say_prose
from jobsched.errors import ConfigError, JobschedError

if TYPE_CHECKING:
    from jobsched.config.diagnostics import Diagnostic


class Failure(click.ClickException):
    """Prints `error: …` to standard error; exit code 1."""

    def show(self, file: object = None) -> None:
        say_prose(f"error: {self.message}", err=True, fg="red")


def print_diagnostics(error: ConfigError) -> None:
    """What is wrong with the files, to standard error."""
    from jobsched.config.diagnostics import Diagnostic

    for diagnostic in error.diagnostics:
        if isinstance(diagnostic, Diagnostic):
            print_diagnostic(diagnostic, err=True)
        else:
            say(str(diagnostic), err=True)


def print_diagnostic(diagnostic: "Diagnostic", *, err: bool = False) -> None:
    """One finding: where and what in its colour, then the line of the file."""
    from jobsched.config.diagnostics import as_text

    what, _, source = as_text(diagnostic).partition("\n")
    say(what, err=err, fg="red" if diagnostic.severity == "error" else "yellow")
    if source:
        say(source, err=err)


@contextmanager
def explained() -> Iterator[None]:
    """Turn what jobsched raises into a message and exit code 1."""
    try:
        yield
    except ConfigError as error:
        print_diagnostics(error)
        if len(error.diagnostics) > 1:
            say(f"{len(error.diagnostics)} errors", err=True)
        raise SystemExit(1) from None
    except (JobschedError, TimeoutError) as error:
        raise Failure(str(error)) from error
    except KeyboardInterrupt:
        # Whoever pressed Ctrl-C knows: no word of it, and the code that shells expect.
        raise SystemExit(128 + signal.SIGINT) from None
    except BrokenPipeError:
        # The reader (head, a pager) has seen enough.
        _close_quietly(sys.stdout)
        raise SystemExit(0) from None
    except OSError as error:
        if error.errno not in _OUTPUT_ERRORS:
            raise
        _close_quietly(sys.stdout)
        raise Failure(f"cannot write the output: {os.strerror(error.errno)}") from error


#: No space, quota, file too large, or a device that refuses: of standard output, since the store has errors of its own.
_OUTPUT_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


def _close_quietly(stream: TextIO) -> None:
    """What could not be written must not be tried again when the process ends."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
