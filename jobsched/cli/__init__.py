"""The command line."""


def main() -> None:
    """Entry point of `jobsched`."""
    raise SystemExit("not yet")
