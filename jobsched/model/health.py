"""Facts about a database and the work in it, as `doctor` gathers them: figures only, what they mean is decided elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from jobsched.model.run import Lack


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTransaction:
    """A transaction of anybody's on a server. `pid` None: one that was prepared, and has no process."""

    pid: int | None
    user: str
    application: str
    age: timedelta
    pins: bool  #: rows that died since it began cannot be cleaned up while it lives


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFacts:
    """A table of ours on a server; numbers of rows are the server's estimates."""

    name: str
    live: int
    dead: int
    bytes: int  #: with its indexes
    vacuumed_at: datetime | None
    autovacuum: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicationSlot:
    """Write-ahead log that a server keeps for a replica or subscriber."""

    name: str
    active: bool
    kept_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """A database of a server."""

    version: str
    pooled: bool = False  #: something that shares connections stands between
    standby: bool = False
    connections: int = 0  #: of all its clients
    settings: Mapping[str, str] = field(default_factory=dict)
    transactions: tuple[OpenTransaction, ...] = ()  #: the oldest
    slots: tuple[ReplicationSlot, ...] = ()
    tables: tuple[TableFacts, ...] = ()
    wal_bytes: int | None = None  #: None: this user may not see it


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """A database in a file."""

    version: str
    files: tuple[str, ...]  #: the database, and what belongs to it
    bytes: int
    unused_bytes: int = 0  #: of it: what was deleted, and will be used again
    wal_bytes: int = 0
    wal_pages: int | None = None  #: None: this user may not write
    checkpointed_pages: int | None = None
    journal_mode: str = "wal"
    disk_free_bytes: int = 0
    unwritable: tuple[str, ...] = ()  #: files and folders that this user may not write


@dataclass(frozen=True, slots=True)
class Orphans:
    """Running runs of a node that is not alive (any more)."""

    node: int
    runs: int


@dataclass(frozen=True, slots=True)
class WaitingInQueue:
    """The pending runs of a queue."""

    queue: str
    runs: int
    since: datetime  #: when the oldest came due


@dataclass(frozen=True, slots=True)
class BlockedOnKey:
    """The blocked runs of a concurrency key. `lacks`: what the oldest waits for."""

    key: str
    runs: int
    of_jobs: int  #: how many of them are a job's
    since: datetime
    lacks: tuple[Lack, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What a store finds out about itself and about the work of one namespace."""

    missing: tuple[str, ...] = ()  #: indexes and rules that the migrations make, and that are not (or otherwise) there
    invalid: tuple[str, ...] = ()  #: those that are there, and not in force
    orphans: tuple[Orphans, ...] = ()  #: of all namespaces
    pending: tuple[WaitingInQueue, ...] = ()
    blocked: tuple[BlockedOnKey, ...] = ()  #: the keys with the most runs
    database: ServerFacts | FileFacts
