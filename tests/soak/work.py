"""What the nodes of a soak perform: imported there, as a module beside their jobs.yaml."""

import random
import threading
from typing import Any

from jobsched import Context, handler
from jobsched.testing.journal import Journal

JOURNAL = Journal("journal.jsonl")


@handler("work")
def work(ctx: Context, seconds: float = 0.0, fails: float = 0.0, deaf: bool = False, key: int = 0) -> str:
    """Takes so long, and fails with this probability; `key` is what runs share a limit by.

    `deaf`: it heeds nothing, so it ends though its node has lost it.
    """
    with JOURNAL.attempt(ctx) as result:
        if deaf:
            threading.Event().wait(seconds)
        else:
            _wait(ctx, seconds)
        if random.random() < fails:
            raise RuntimeError("bad luck")
        return result


@handler("tell")
def tell(ctx: Context, **_: Any) -> str:
    """What `on_failure` asks for."""
    with JOURNAL.attempt(ctx) as result:
        return result


def _wait(ctx: Context, seconds: float) -> None:
    never = threading.Event()
    for _ in range(int(seconds / 0.05)):
        ctx.check()
        never.wait(0.05)
