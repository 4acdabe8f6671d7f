"""What the files say: the jobs of a namespace, and the settings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from jobsched.model.job import Job
from jobsched.model.queue import QueueLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSettings:
    """What `settings.api` says of the HTTP API; tokens are `${VAR}` references, unresolved."""

    tokens: Mapping[str, str] = field(default_factory=dict)  #: role → reference
    hosts: tuple[str, ...] = ()  #: names that a request may be for, beside those of this machine
    allow_definitions: bool = False  #: jobs made over HTTP may name commands, URLs and import paths


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The file's `settings`, each None where the file is silent; `${VAR}` unresolved."""

    database: str | None = None
    threads: int | None = None
    max_abandoned: int | None = None
    pass_env: tuple[str, ...] | None = None
    heartbeat: timedelta | None = None
    lease: timedelta | None = None
    grace: timedelta | None = None
    imports: tuple[str, ...] = ()
    history_max_age: timedelta | None = None
    poll: timedelta | None = None
    log_format: Literal["auto", "text", "json"] | None = None
    queues: Mapping[str, QueueLimits] = field(default_factory=dict)  #: over all nodes: a sync puts them into the store
    queue_threads: Mapping[str, int] = field(default_factory=dict)  #: of a node's threads, at most so many for a queue
    api: ApiSettings = ApiSettings()


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredState:
    """One namespace as its files declare it."""

    namespace: str
    jobs: Mapping[str, Job]
    settings: Settings = Settings()
    content_hash: str  #: SHA-256 of the files' bytes, hex
    commit: str | None = None  #: the git commit of the files' folder, if there is one and they are unchanged in it
    files: tuple[str, ...] = ()  #: paths as given
    positions: Mapping[str, tuple[str, int, int]] = field(default_factory=dict)  #: job → file, line, column
    settings_file: str | None = None  #: the one of `files` that has the settings; None: none has
