"""Looking for cycles, put off while values are made by the hundred thousand that all stay."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def not_looked_for() -> Iterator[None]:
    """Python's collector of cycles rests meanwhile: it would go through what is new again and again, and free none of it.

    Also a decorator. Of two threads the first one to come ends it for both, so that it is never left off.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
