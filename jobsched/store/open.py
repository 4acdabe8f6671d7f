"""From a database URL to a store, through entry points: the house knows no adapter."""

from importlib.metadata import EntryPoint, entry_points
from urllib.parse import urlsplit

from jobsched.clock import Clock
from jobsched.errors import DatabaseUrlError, UnknownStoreError
from jobsched.store.port import Store

GROUP = "jobsched.stores"
#: Spellings of one scheme that people bring from elsewhere.
_SAME = {"postgres": "postgresql"}


def open_store(url: str, *, clock: Clock | None = None, create: bool = True) -> Store:
    """The store behind a SQLAlchemy URL. Connects lazily; an SQLite file that does not exist is made only with `create`.

    `clock` replaces the store's own clock (the database's on PostgreSQL): for tests.
    Raises DatabaseUrlError, or UnknownStoreError when no installed adapter has the scheme.
    """
    scheme = _scheme(url)
    adapters: dict[str, EntryPoint] = {}
    for entry in entry_points(group=GROUP):
        if entry.name in adapters and adapters[entry.name].value != entry.value:
            _refuse_two(entry, adapters[entry.name])
        adapters[entry.name] = entry
    if scheme not in adapters:
        raise UnknownStoreError(scheme, sorted(adapters))
    try:
        factory = adapters[scheme].load()
    except ModuleNotFoundError as missing:
        hint = (
            f"; its adapter needs {missing.name!r}: pip install 'jobsched[postgres]'"
            if scheme == "postgresql"
            else f"; {missing}"
        )
        raise UnknownStoreError(scheme, sorted(set(adapters) - {scheme}), hint) from missing
    store: Store = factory(url, clock=clock, create=create)
    return store


def _scheme(url: str) -> str:
    scheme = urlsplit(url).scheme.partition("+")[0].lower() if "://" in url else ""
    if not scheme:
        raise DatabaseUrlError("the database must be a URL like sqlite:///jobs.db or postgresql://user@host/name")
    return _SAME.get(scheme, scheme)


def _refuse_two(one: EntryPoint, other: EntryPoint) -> None:
    names = " and ".join(
        sorted(f"{entry.value} ({entry.dist.name if entry.dist else 'unknown'})" for entry in (one, other))
    )
    raise UnknownStoreError(one.name, [], f": two installed adapters claim it: {names}; uninstall one")
