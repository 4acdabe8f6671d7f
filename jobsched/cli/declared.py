"""What is said of a job that only its file may change: where it stands there."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from jobsched.cli.errors import Failure
from jobsched.errors import FileJobError, JobExistsError

if TYPE_CHECKING:
    from jobsched.client import Client


@contextmanager
def pointing_at_files(client: "Client") -> Iterator[None]:
    """Errors about a job of a file say where the files declared it when they were applied last."""
    try:
        yield
    except (FileJobError, JobExistsError) as error:
        place = client.store.place(client.namespace, error.name)
        if place is None:
            raise
        raise Failure(f"{place.file}:{place.line}: {error}") from None
