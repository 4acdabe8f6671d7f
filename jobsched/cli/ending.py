"""The end of the process: it waits for no thread that a handler, or the import of its module, has left behind."""

import atexit
import os
import sys
import threading
from contextlib import suppress
from typing import NoReturn


def end_process(code: int) -> NoReturn:
    """With this exit code, in order where no thread is left.

    The interpreter would wait for one, for ever if it is stuck. Then what modules have registered with `atexit` is called
    all the same, logs and standard output are flushed, and that is all.
    """
    if threading.active_count() == 1:
        raise SystemExit(code)
    try:
        atexit._run_exitfuncs()  # noqa: SLF001 - has no public name; multiprocessing calls it too
    finally:
        for stream in (sys.stdout, sys.stderr):
            # A handler may have put None there, or what is no stream.
            with suppress(OSError, ValueError, AttributeError):
                stream.flush()
        os._exit(code)
