"""Who may ask for what: bearer tokens, each with a name and a role, and the names that a request may be for."""

import hmac
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from jobsched.hosts import LOOPBACK_NAMES, host_name, is_address

#: As many characters as 32 random bytes have at least, however they are written.
SHORTEST_TOKEN = 32


class Role(StrEnum):
    """What a token is good for; each includes those before it."""

    READ = "read"  #: look, validate, plan
    OPERATE = "operate"  #: pause, resume, trigger, cancel, requeue, reschedule
    ADMIN = "admin"  #: declare jobs, enqueue runs, delete either

    def includes(self, other: "Role") -> bool:
        order = list(Role)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True, slots=True)
class Token:
    """A secret that is known to whoever has this name, for the records, and this role."""

    name: str
    role: Role
    secret: str = field(repr=False)


class Caller(NamedTuple):
    """Who asks: the name of the token, None where no token is asked for."""

    name: str | None
    role: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Without any token everybody who reaches the server is an admin: it then listens on a loopback address alone."""

    tokens: tuple[Token, ...] = ()
    hosts: frozenset[str] = LOOPBACK_NAMES  #: that a request may name, lower case
    any_address: bool = False  #: it may name any IP address too: only a name can be bent to lead here
    allow_definitions: bool = False  #: jobs made over HTTP may name commands, URLs and import paths

    @property
    def open(self) -> bool:
        """Whether no token is asked for."""
        return not self.tokens

    def caller(self, authorization: bytes | None) -> Caller | None:
        """Whom the header `Authorization` shows; None: nobody who is known."""
        if self.open:
            return Caller(None, Role.ADMIN)
        scheme, _, secret = (authorization or b"").partition(b" ")
        given = secret.strip() if scheme.lower() == b"bearer" else b""
        # All are compared, always: how long it takes tells nothing. As bytes, since text that is not ASCII cannot be.
        same = [token for token in self.tokens if hmac.compare_digest(given, token.secret.encode())]
        return Caller(same[0].name, same[0].role) if same else None

    def token(self, name: str) -> Token | None:
        """The token of this name."""
        return next((token for token in self.tokens if token.name == name), None)

    def serves(self, host: str | None) -> bool:
        """Whether the header `Host` names this server; a page of another site whose name leads here does not."""
        name = host_name(host or "")
        return name in self.hosts or (self.any_address and is_address(name))
