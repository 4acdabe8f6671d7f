"""Sessions of people: a signed cookie in the place of a token, and the keys that their forms bear."""

import hashlib
import hmac
import re
import secrets
from datetime import timedelta

from jobsched.clock import Clock
from jobsched.web.access import Access, Role

COOKIE = "jobsched_session"
LIFETIME = timedelta(hours=12)
_SHAPE = re.compile(r"(admin|read)\.(\d{1,12})\.[A-Za-z0-9_-]{22}\.[0-9a-f]{64}", re.ASCII)


class Sessions:
    """Nothing is kept: a cookie is signed with the token that it was given for, so it holds on every server that has
    this token, and ends for all of them when the token is changed.
    """

    def __init__(self, access: Access, clock: Clock) -> None:
        self._access, self._clock = access, clock
        token = access.admin_token or access.read_token
        self._form_secret = secrets.token_bytes(32) if token is None else token.encode()

    def begin(self, role: Role) -> str:
        """A new cookie's value."""
        until = int((self._clock.now() + LIFETIME).timestamp())
        signed = f"{role}.{until}.{secrets.token_urlsafe(16)}"
        return f"{signed}.{self._signature(role, signed)}"

    def role_of(self, cookie: str | None) -> Role | None:
        """What a cookie entitles to; None: to nothing, also once it is over."""
        found = _SHAPE.fullmatch(cookie or "")
        if cookie is None or found is None:
            return None
        role = Role(found[1])
        signed, _, signature = cookie.rpartition(".")
        expected = self._signature(role, signed)
        if expected is None or not hmac.compare_digest(expected, signature):
            return None
        return role if int(found[2]) > self._clock.now().timestamp() else None

    def form_key(self, cookie: str | None) -> str:
        """What the forms of a page bear, so that no page of another site can make one that is taken."""
        return _mac(self._form_secret, f"form {cookie or ''}")

    def is_form_key(self, given: str, cookie: str | None) -> bool:
        return hmac.compare_digest(given.encode(), self.form_key(cookie).encode())

    def _signature(self, role: Role, signed: str) -> str | None:
        """None if nobody can have this role by a token."""
        token = self._access.admin_token if role is Role.ADMIN else self._access.read_token
        return None if token is None else _mac(token.encode(), f"session {signed}")


def _mac(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
