"""`--wait-for-db`: a node or a deployment that starts before its database."""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from jobsched.cli.target import prepare
from jobsched.clock import SystemClock
from jobsched.errors import StoreUnavailableError

if TYPE_CHECKING:
    from jobsched.store.port import Store

_LOOK_SECONDS = 0.5

wait_option = click.option(
    "--wait-for-db", is_flag=True, help="Wait while the database cannot be reached, rather than end with an error."
)


def prepare_when_reachable(
    store: "Store", *, migrate: bool, tell: Callable[[str], object], stopped: Callable[[], bool] = lambda: False
) -> bool:
    """As `prepare`, once the database can be reached."""
    return when_reachable(lambda: prepare(store, migrate=migrate), tell=tell, stopped=stopped)


def when_reachable(
    begin: Callable[[], object], *, tell: Callable[[str], object], stopped: Callable[[], bool] = lambda: False
) -> bool:
    """Begin, once the database can be reached; False if `stopped` said so before. `tell` hears why it waits, once.

    What waiting will not mend (a wrong password, a schema that does not fit) is raised as ever.
    """
    clock, never, told = SystemClock(), threading.Event(), ""
    while not stopped():
        try:
            begin()
        except StoreUnavailableError as error:
            if str(error) != told:
                told = str(error)
                tell(f"waiting for the database: {told}")
            clock.wait(never, _LOOK_SECONDS)
        else:
            return True
    return False
