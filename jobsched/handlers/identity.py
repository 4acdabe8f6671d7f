"""Who a command is run as: another user of the machine, where the node is root."""

import os
from dataclasses import dataclass

from jobsched.errors import CommandError


@dataclass(frozen=True, slots=True)
class Identity:
    """A user with all the groups that it is in."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str

    @property
    def environment(self) -> dict[str, str]:
        """What programs look at to know who they are, and where their files are."""
        return {"HOME": self.home, "USER": self.name, "LOGNAME": self.name}


def identity_of(name: str) -> Identity | None:
    """None if the node is that user already. Raises CommandError if there is no such user, or the node may not become it."""
    import pwd

    try:
        found = pwd.getpwnam(name)
    except KeyError:
        raise CommandError(f"cannot run as `user` {name!r}: this machine has no such user") from None
    if os.geteuid() == found.pw_uid:
        return None
    if os.geteuid() != 0:
        raise CommandError(
            f"cannot run as `user` {name!r}: the node is {_own_name()!r}, and only root may become somebody else; "
            "start it as root, or as that user"
        )
    groups = os.getgrouplist(name, found.pw_gid)
    return Identity(name, found.pw_uid, found.pw_gid, tuple(groups), found.pw_dir)


def _own_name() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
