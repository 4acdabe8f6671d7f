"""The command line: a file a command; printing lives here alone."""

import gc

#: Objects made, less those freed, between two looks for cycles. Loading a command makes some 40,000, which all stay.
_LOOK_EVERY = 10_000


def main() -> None:
    """Entry point of `jobsched`."""
    gc.set_threshold(_LOOK_EVERY)
    from jobsched.cli.main import cli

    try:
        cli()
    finally:
        # What is left goes with the process; looking through it once more would only take time.
        gc.freeze()
