"""What people and programs did by hand: who, by which way, what and to what. Kept apart from what it changed."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

#: So long, and so many of the newest of a database, are kept.
AUDIT_KEPT, AUDIT_MOST = timedelta(days=365), 100_000


class Action(StrEnum):
    """What was done; in the words of the command line."""

    PAUSE = "pause"
    RESUME = "resume"
    TRIGGER = "trigger"
    ENQUEUE = "enqueue"
    BACKFILL = "backfill"
    CANCEL = "cancel"
    REQUEUE = "requeue"
    RESCHEDULE = "reschedule"
    DELETE = "delete"  #: runs
    CREATE = "create"  #: a job, at run time
    UPDATE = "update"
    REMOVE = "remove"


class Via(StrEnum):
    """By which way."""

    CLI = "cli"
    HTTP = "http"
    DASHBOARD = "dashboard"
    PYTHON = "python"


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who acts: user@host, or the token's name and the address it came from; `program`: the script, from Python."""

    by: str
    via: Via
    program: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What is to be recorded in the transaction of the act itself. Parts of one act have one `key`, and one row."""

    namespace: str
    by: str
    via: Via
    action: Action
    job: str | None = None  #: of acts on runs it is that of the runs, if it is one and the same
    queue: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    key: str = field(default_factory=lambda: secrets.token_hex(16))


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """What was recorded. `count`: how many runs, or other things, it was done to; `run`: which, if it was one."""

    id: int
    namespace: str
    at: datetime
    by: str
    via: Via
    action: Action
    job: str | None
    queue: str | None
    run: int | None
    count: int
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Which rows; `by`: a part of who, whatever its case."""

    namespace: str
    since: datetime | None = None
    job: str | None = None
    by: str | None = None
    action: Action | None = None
    before_id: int | None = None
    limit: int = 50
