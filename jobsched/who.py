"""Who acts, for the records of what people and nodes did."""

import getpass
import os
import socket
import sys
from pathlib import Path


def who() -> str:
    """The user and machine of this process: user@host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def program() -> str | None:
    """The script that this process runs; None where there is none, as in an interpreter at a prompt."""
    name = Path(sys.argv[0]).name if sys.argv else ""
    return None if name in ("", "-c") else name
