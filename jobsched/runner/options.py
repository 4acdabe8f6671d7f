"""What a node is told at its start."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from jobsched.handlers.inheritance import EVERYTHING, Inheritance


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Defaults are those of the file's `settings` (DESIGN §5)."""

    threads: int = 8  #: handlers at once
    max_abandoned: int | None = None  #: threads given up until the node ends; None: as many as `threads`
    queues: tuple[str, ...] | None = None  #: None: all
    queue_threads: Mapping[str, int] = field(default_factory=dict)  #: of `threads`, at most so many at once for a queue
    heartbeat: timedelta = timedelta(seconds=10)
    lease: timedelta = timedelta(seconds=30)
    inheritance: Inheritance = EVERYTHING  #: what commands get of the node's environment
    grace: timedelta = timedelta(seconds=30)  #: how long a shutdown waits for handlers
    poll: timedelta = timedelta(seconds=1)  #: the slow poll behind every wake-up
    performs: bool = True  #: False: it claims nothing by itself; a program does, by hand (`claimer.py`)
    #: Fire what is due at the start and nothing after that (`run --until-idle`).
    once: bool = False
    #: How long a run whose handler no node knows is left to others before it fails.
    unknown_handler_patience: timedelta = timedelta(minutes=10)
