"""Who acts, for the records of what people and nodes did."""

import getpass
import os
import socket


def who() -> str:
    """The user and machine of this process: user@host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
