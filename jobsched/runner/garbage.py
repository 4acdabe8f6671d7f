"""Garbage collection in a process that is a node: what lives as long as the node is not looked through again and again."""

import gc
import sys
from contextlib import suppress

#: So many more objects made than freed, until the youngest are looked through; Python's own 700 is for small programs.
_YOUNG, _MIDDLE, _OLD = 20_000, 20, 10


def settle() -> None:
    """Everything there is now stays for good. Only for a process of our own: a program that embeds a node decides itself.

    What has outlived the young stays anyway: to look through it as well would take each node's start 90 ms, and frees nothing.
    """
    gc.collect(1)
    _give_back()
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)


def _give_back() -> None:
    """What reading the files has left free in the heap goes back to the system, where the C library can do that."""
    if sys.platform.startswith("linux"):
        import ctypes

        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
