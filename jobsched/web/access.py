"""Who may ask for what: bearer tokens with two roles, and the names that a request may be for."""

import hmac
from dataclasses import dataclass, field
from enum import StrEnum

from jobsched.hosts import LOOPBACK_NAMES, host_name, is_address

#: As many characters as 32 random bytes have at least, however they are written.
SHORTEST_TOKEN = 32


class Role(StrEnum):
    """What a token is good for; `admin` includes `read`."""

    READ = "read"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Without any token everybody who reaches the server is an admin: it then listens on a loopback address alone."""

    admin_token: str | None = field(default=None, repr=False)
    read_token: str | None = field(default=None, repr=False)
    hosts: frozenset[str] = LOOPBACK_NAMES  #: that a request may name, lower case
    any_address: bool = False  #: it may name any IP address too: only a name can be bent to lead here
    allow_definitions: bool = False  #: jobs made over HTTP may name commands, URLs and import paths

    @property
    def open(self) -> bool:
        """Whether no token is asked for."""
        return self.admin_token is None and self.read_token is None

    def role_of(self, authorization: bytes | None) -> Role | None:
        """What the header `Authorization` entitles to; None: to nothing."""
        if self.open:
            return Role.ADMIN
        scheme, _, token = (authorization or b"").partition(b" ")
        given = token.strip() if scheme.lower() == b"bearer" else b""
        # Both are compared, always: how long it takes tells nothing. As bytes, since text that is not ASCII cannot be.
        is_admin, is_reader = _same(given, self.admin_token), _same(given, self.read_token)
        return Role.ADMIN if is_admin else Role.READ if is_reader else None

    def serves(self, host: str | None) -> bool:
        """Whether the header `Host` names this server; a page of another site whose name leads here does not."""
        name = host_name(host or "")
        return name in self.hosts or (self.any_address and is_address(name))


def _same(given: bytes, token: str | None) -> bool:
    return token is not None and hmac.compare_digest(given, token.encode())
