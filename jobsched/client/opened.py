"""A store that is open, one namespace of it, and a clock: what all that a client asks begins with."""

from os import PathLike

from jobsched.client.closing import Closing
from jobsched.client.given import namespace_of
from jobsched.clock import Clock, SystemClock
from jobsched.errors import ClosedError, DatabaseUrlError
from jobsched.model.audit import Actor
from jobsched.store.open import open_store
from jobsched.store.port import Store


class Opened(Closing):
    """Closes what it has opened itself."""

    def __init__(
        self,
        store: Store | str,
        *,
        namespace: str = "default",
        clock: Clock | None = None,
        actor: Actor | None = None,
    ) -> None:
        """`store`: a database URL, or an open store (which this client does not close).

        `actor`: who acts, for the audit; else the user, machine and script of this process. Raises DatabaseUrlError, and
        ValueError for what is no name of a namespace.
        """
        given: object = store  # what a type checker would not let pass
        if given is None or isinstance(given, PathLike):
            raise DatabaseUrlError(
                f"the database must be a URL like sqlite:///jobs.db, or an open store, not {store!r:.80}"
            )
        self.namespace = namespace_of(namespace)
        self._owns = isinstance(store, str)
        self._store: Store = open_store(store, clock=clock) if isinstance(store, str) else store
        self._closed = False
        self._clock = clock or SystemClock()
        self._actor = actor

    @property
    def store(self) -> Store:
        """Raises ClosedError once the client is closed."""
        if self._closed:
            raise ClosedError
        return self._store

    def close(self) -> None:
        self._closed = True
        if self._owns:
            self._store.close()
