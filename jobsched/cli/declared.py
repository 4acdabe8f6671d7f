"""What is said of a job that is declared at run time: when it runs next; or where its file declares it, if only that may change it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from jobsched.cli.errors import Failure
from jobsched.cli.output import say, say_prose
from jobsched.cli.pause_text import line_with_way_out
from jobsched.errors import FileJobError, JobExistsError
from jobsched.model.wording import moment

if TYPE_CHECKING:
    from jobsched.client import Client
    from jobsched.model.state import StoredJob


def say_next(client: "Client", stored: "StoredJob") -> None:
    """When it runs next, or why it does not."""
    from jobsched.model.pause import Pauses

    now, pause = client.store.now(), Pauses(client.pauses()).of_job(stored.job.name)
    if stored.job.suspend:
        say("it is suspended")
    elif stored.next_at is None:
        say_prose(f"it has no slot to come; to run it: jobsched trigger {stored.job.name}")
    elif pause is not None:
        say(f"it waits: {line_with_way_out(pause, now)}")
    else:
        say(f"next: {moment(stored.next_at, now)}")


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
