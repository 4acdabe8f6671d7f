"""What becomes of an open store when its process forks: the child opens connections of its own, and waits for no lock of its parent's.

Other threads may hold a pool's lock at that moment. They are not there in the child, so nobody would ever release it.
"""

import os
import weakref
from typing import Protocol

from sqlalchemy import Engine


class Forks(Protocol):
    """A dialect that is told."""

    def before_fork(self) -> None:
        """In the parent, and in the thread that forks."""

    def forked(self) -> None:
        """In the child, where that thread is the only one."""


_open: "weakref.WeakSet[Forks]" = weakref.WeakSet()
#: Of the parent: kept, so that nothing of it is closed here.
_left: list[object] = []


def mind_forks(dialect: Forks) -> None:
    """Tell it, for as long as it lives."""
    _open.add(dialect)


def leave(*things: object) -> None:
    """In a forked child: they are our parent's, neither to be used nor to be closed."""
    _left.extend(things)


def leave_pool(engine: Engine) -> None:
    """In a forked child: begin with an empty one."""
    leave(engine.pool)
    engine.dispose(close=False)


def _before() -> None:
    for dialect in list(_open):
        dialect.before_fork()


def _in_child() -> None:
    for dialect in list(_open):
        dialect.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_child=_in_child)
