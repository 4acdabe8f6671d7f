"""Figures of a database that may be asked for every few seconds: how a namespace's jobs do, and how large it all is."""

from dataclasses import dataclass
from datetime import datetime

from jobsched.model.health import TableFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFigures:
    """One job; of its runs, what history has kept."""

    name: str
    next_at: datetime | None  #: the next slot; None: there is none, or the job is suspended
    last_run_at: datetime | None  #: when its newest run was made, skipped ones aside
    last_success_at: datetime | None  #: when the newest of its runs that succeeded ended
    failing: bool  #: the newest of its runs that succeeded or failed has failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How large a database is. `bytes`: the file, or all our tables with their indexes."""

    bytes: int
    wal_bytes: int | None = None  #: of the log beside a file; None: the database is a server's
    tables: tuple[TableFacts, ...] = ()  #: by a server's estimates; a file has none
