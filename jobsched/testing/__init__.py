"""For tests: of programs that use jobsched (`Sandbox`, `drain`, `perform`, `enqueued`), and of stores (`store_contract`).

See docs/testing.md. Names are imported when they are first used: pytest looks in here whenever it starts.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jobsched.testing.clock import FakeClock
    from jobsched.testing.inline import drain, perform
    from jobsched.testing.runs import Runs, enqueued
    from jobsched.testing.sandbox import Sandbox

_PLACES = {
    "FakeClock": "jobsched.testing.clock",
    "Runs": "jobsched.testing.runs",
    "Sandbox": "jobsched.testing.sandbox",
    "drain": "jobsched.testing.inline",
    "enqueued": "jobsched.testing.runs",
    "perform": "jobsched.testing.inline",
}

__all__ = ["FakeClock", "Runs", "Sandbox", "drain", "enqueued", "perform"]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'jobsched.testing' has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)
