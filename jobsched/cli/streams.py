"""The standard streams of the process, as it was started with."""

import os
import sys


def open_what_is_closed() -> None:
    """A stream that was closed before we began (`2>&-`, some supervisors) leads to nowhere, instead of being None.

    Its number would otherwise be the next file's, a database's or a socket's, and what is written to standard error by
    number would be written into that.
    """
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free, so this one.
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", errors="replace", closefd=False))  # noqa: SIM115
