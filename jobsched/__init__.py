"""A declarative job scheduler and durable queue. The public names; see README.md.

    from jobsched import Client, Runner, handler

Names are imported when they are first used, so that `import jobsched`, and the command line, stay quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from jobsched._version import __version__

if TYPE_CHECKING:
    from jobsched.async_client import AsyncClient
    from jobsched.client import Client
    from jobsched.errors import Cancel, JobschedError, QueueFull, Retry, Snooze
    from jobsched.handlers.context import Context
    from jobsched.handlers.registry import handler
    from jobsched.model.enqueue import Enqueue
    from jobsched.runner.claimer import Claimer
    from jobsched.runner.runner import Runner

_PLACES = {
    "AsyncClient": "jobsched.async_client",
    "Cancel": "jobsched.errors",
    "Claimer": "jobsched.runner.claimer",
    "Client": "jobsched.client",
    "Context": "jobsched.handlers.context",
    "Enqueue": "jobsched.model.enqueue",
    "JobschedError": "jobsched.errors",
    "QueueFull": "jobsched.errors",
    "Retry": "jobsched.errors",
    "Runner": "jobsched.runner.runner",
    "Snooze": "jobsched.errors",
    "handler": "jobsched.handlers.registry",
}

__all__ = [
    "AsyncClient",
    "Cancel",
    "Claimer",
    "Client",
    "Context",
    "Enqueue",
    "JobschedError",
    "QueueFull",
    "Retry",
    "Runner",
    "Snooze",
    "__version__",
    "handler",
]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'jobsched' has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)
