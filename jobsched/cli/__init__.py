"""The command line: a file a command; printing lives here alone."""


def main() -> None:
    """Entry point of `jobsched`."""
    from jobsched.cli.main import cli

    cli()
