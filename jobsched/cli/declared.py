"""What is said of a job that only its file may change: where it stands there."""

from collections.abc import Iterator
from contextlib import contextmanager

from jobsched.cli.errors import Failure
from jobsched.cli.target import DEFAULT_FILE
from jobsched.errors import FileJobError, JobExistsError


@contextmanager
def pointing_at_files(namespace: str) -> Iterator[None]:
    """Errors about a job of a file say where ./jobs.yaml declares it, if that does."""
    from jobsched.config.places import declared_at

    try:
        yield
    except (FileJobError, JobExistsError) as error:
        place = declared_at([DEFAULT_FILE], namespace, error.name) if DEFAULT_FILE.exists() else None
        if place is None:
            raise
        raise Failure(f"{place}: {error}") from None
