"""Looks at once, not at the first slot, which handlers of the files this node cannot perform."""

import logging

from jobsched.clock import Clock
from jobsched.errors import UnknownHandlerError
from jobsched.handlers.registry import Registry
from jobsched.model.desired import DesiredState
from jobsched.observe.events import HandlerUnknown
from jobsched.observe.listeners import Events
from jobsched.runner.service import Service

log = logging.getLogger("jobsched")

_SLOW_SECONDS = 10.0


class KnownHandlers(Service):
    """On a thread of its own: a module that is slow at its import, or hangs, keeps neither start nor reload waiting."""

    name = "known-handlers"

    def __init__(self, clock: Clock, registry: Registry, events: Events) -> None:
        super().__init__(clock)
        self._registry, self._events = registry, events
        self._jobs_of: dict[str, list[str]] = {}
        self._importing: tuple[str, float] | None = None
        self.unknown: frozenset[str] = frozenset()

    def check(self, desired: DesiredState) -> None:
        """Look at these, soon; returns at once."""
        self._jobs_of = _jobs_of(desired)
        self.wake()

    def say_if_slow(self) -> None:
        """Name the module that has been importing for long, once. To be called now and then, by another thread."""
        importing = self._importing
        if importing is not None and self.clock.monotonic() - importing[1] >= _SLOW_SECONDS:
            self._importing = None
            module = importing[0].partition(":")[0]
            log.warning("importing %s takes longer than %g s; its jobs wait for that", module, _SLOW_SECONDS)

    def step(self) -> None:
        unknown = set()
        for name, jobs in self._jobs_of.items():
            self._importing = name, self.clock.monotonic()
            try:
                self._registry.resolve(name)
            except UnknownHandlerError as error:
                unknown.add(name)
                self._events.emit(HandlerUnknown(handler=name, jobs=tuple(jobs), error=str(error)))
            finally:
                self._importing = None
        self.unknown = frozenset(unknown)


def _jobs_of(desired: DesiredState) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for job in desired.jobs.values():
        for name in job.python_handlers:
            found.setdefault(name, []).append(job.name)
    return found
