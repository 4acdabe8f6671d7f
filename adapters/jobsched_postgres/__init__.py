"""PostgreSQL behind the store port."""

# Here, so that whoever loads this adapter without its driver is told which package is missing.
import psycopg  # noqa: F401

from jobsched.clock import Clock
from jobsched.store.port import Store


def open_store(url: str, *, clock: Clock | None = None, create: bool = True) -> Store:  # noqa: ARG001 - a server's database is never made here
    """The store in the database of a `postgresql://` URL. Connects at the first use.

    Raises DatabaseUrlError for a driver that is not psycopg, or an option that is not known.
    """
    from jobsched_postgres.dialect import PostgresDialect
    from jobsched_postgres.location import parse
    from jobsched_sql.store import SqlStore

    return SqlStore(PostgresDialect(parse(url), clock=clock))
