"""The command line: a file a command; printing lives here alone."""

import gc
import sys
from typing import NoReturn

#: Objects made, less those freed, between two looks for cycles. Loading a command makes some 40,000, which all stay.
_LOOK_EVERY = 10_000


def main() -> NoReturn:
    """Entry point of `jobsched`."""
    gc.set_threshold(_LOOK_EVERY)
    from jobsched.cli.streams import open_what_is_closed

    open_what_is_closed()
    from jobsched.cli.ending import end_process
    from jobsched.cli.main import cli

    code: object = 1
    try:
        cli()
    except SystemExit as ended:
        code = ended.code
    except Exception:  # noqa: BLE001 - shown as Python shows it; threads that are left do not keep it from ending
        sys.excepthook(*sys.exc_info())
    # What is left goes with the process; looking through it once more would only take time.
    gc.freeze()
    end_process(code if isinstance(code, int) else 0 if code is None else 1)
