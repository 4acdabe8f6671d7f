"""A finding: what was looked at, how it stands, by which figures, and what to do. And all the facts that one may rest on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from jobsched.model.alert import Untold
from jobsched.model.health import Inspection
from jobsched.model.pause import Pause
from jobsched.model.run import Run
from jobsched.model.state import Generation, Node, SchemaStatus, StoredJob

Level = Literal["ok", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`error`: jobs do not run as they should now, or will not. `seen`: the figures it rests on, as JSON."""

    level: Level
    check: str
    what: str
    do: str | None = None
    seen: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The machine that looks. `file_error`: why the files say nothing; both None: it was not given any."""

    skew: timedelta = timedelta(0)  #: the store's clock minus its own
    file_hash: str | None = None
    file_error: str | None = None
    exposures: tuple[str, ...] = ()  #: who else may change files that matter, a sentence each


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One look at a store and at one namespace of it."""

    namespace: str
    now: datetime  #: by the store's clock
    schema: SchemaStatus
    inspection: Inspection
    newest: Generation | None = None
    nodes: tuple[Node, ...] = ()
    jobs: tuple[StoredJob, ...] = ()
    pauses: tuple[Pause, ...] = ()
    failing: frozenset[str] = frozenset()  #: jobs whose newest run that succeeded or failed has failed
    unsent: tuple[Run, ...] = ()  #: the newest messages of alerts of the last day that could not be sent
    untold: tuple[Untold, ...] = ()  #: breaches that nobody was told of yet
    machine: Machine = Machine()

    @property
    def serving(self) -> list[Node]:
        """Live nodes that work for this namespace."""
        return [node for node in self.nodes if node.alive and self.namespace in node.namespaces]


def for_so_long(duration: timedelta) -> str:
    """A duration in its largest unit: `3h`, `12m`."""
    seconds = int(duration.total_seconds())
    for name, unit in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * unit:
            return f"{seconds // unit}{name}"
    return f"{seconds}s"


def size(count: int) -> str:
    """Bytes for people: `1.5 GiB`."""
    amount, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if amount < 1024:
            break
        amount, unit = amount / 1024, larger
    return f"{amount:.0f} {unit}" if amount >= 10 or unit == "B" else f"{amount:.1f} {unit}"


def some(names: list[str], most: int = 3) -> str:
    """The first of these, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
