"""From a `sqlite:///` URL to a file and its options."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from jobsched.errors import DatabaseUrlError

_SYNCHRONOUS = ("full", "normal")


@dataclass(frozen=True, slots=True)
class Location:
    """A database file. `synchronous`: full keeps a commit through a power cut, normal may lose the last ones."""

    path: Path
    synchronous: str = "full"

    @property
    def name(self) -> str:
        return f"sqlite:///{self.path}"

    def uri(self, mode: str) -> str:
        """For sqlite3.connect(uri=True). `mode` rw opens what exists, rwc makes it."""
        return f"file:{quote(str(self.path))}?mode={mode}"


def parse(url: str) -> Location:
    """Raises DatabaseUrlError saying what is wrong."""
    try:
        parts = make_url(url)
    except (ArgumentError, ValueError):
        raise DatabaseUrlError(
            "the database URL cannot be read; write sqlite:///jobs.db or sqlite:////srv/jobs.db"
        ) from None
    if parts.drivername not in ("sqlite", "sqlite+pysqlite"):
        raise DatabaseUrlError(f"the driver of {parts.drivername!r} is not supported; write sqlite:///jobs.db")
    if parts.host:
        raise DatabaseUrlError(
            f"sqlite://{parts.host}/… has two slashes; a file has three: sqlite:///jobs.db (absolute: four)"
        )
    if not parts.database or parts.database == ":memory:" or parts.database.startswith("file:"):
        raise DatabaseUrlError("a database in memory forgets everything; name a file, like sqlite:///jobs.db")
    options = dict(parts.query)
    synchronous = options.pop("synchronous", "full")
    if options:
        raise DatabaseUrlError(f"unknown option {min(options)!r} in the database URL; SQLite knows: synchronous")
    if not isinstance(synchronous, str) or synchronous.lower() not in _SYNCHRONOUS:
        raise DatabaseUrlError(f"synchronous={synchronous} in the database URL is neither full nor normal")
    return Location(Path(parts.database).expanduser().absolute(), synchronous.lower())
