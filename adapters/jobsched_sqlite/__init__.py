"""SQLite behind the store port."""

from jobsched.clock import Clock
from jobsched.store.port import Store


def open_store(url: str, *, clock: Clock | None = None, create: bool = True) -> Store:
    """The store in the file of a `sqlite:///` URL. Nothing is read yet; only `migrate` makes the file, and only with `create`.

    Raises DatabaseUrlError for a URL that names no file, or has an option that is not known,
    and StoreError for one on a network file system.
    """
    from jobsched_sql.store import SqlStore
    from jobsched_sqlite.dialect import SqliteDialect
    from jobsched_sqlite.location import parse
    from jobsched_sqlite.mounts import refuse_network

    location = parse(url)
    refuse_network(location.path)
    return SqlStore(SqliteDialect(location, clock=clock, create=create))
