"""Finds, by a mark in their environment, processes that left the session of the attempt that they belong to.

On Linux; elsewhere there is no /proc to look into, and what has left its process group is not found.
"""

import os
import secrets
import signal
from contextlib import suppress
from pathlib import Path

#: In the environment of all that an attempt starts; its value is the attempt's own.
MARK = "JOBSCHED_ATTEMPT_MARK"
_PROC = Path("/proc")
#: What is killed may have had time to fork: looked again, so many times at most.
_ROUNDS = 5


def new_mark() -> str:
    """One that nothing else on this machine has."""
    return secrets.token_hex(16)


def kill_survivors(mark: str) -> None:
    """SIGKILL to all that have this mark and that we may look at."""
    for _ in range(_ROUNDS):
        if not sum(_killed(int(entry.name), mark) for entry in _proc_entries()):
            return


def _proc_entries() -> list[os.DirEntry[str]]:
    if not hasattr(os, "pidfd_open"):
        return []
    with suppress(OSError), os.scandir(_PROC) as entries:
        return [entry for entry in entries if entry.name.isdecimal()]
    return []


def _killed(pid: int, mark: str) -> bool:
    with suppress(OSError):
        # Held while it is looked at: the number might go to another process in between.
        held = os.pidfd_open(pid)
        try:
            environment = (_PROC / str(pid) / "environ").read_bytes()
            if f"{MARK}={mark}".encode() in environment.split(b"\x00"):
                signal.pidfd_send_signal(held, signal.SIGKILL)
                return True
        finally:
            os.close(held)
    return False
