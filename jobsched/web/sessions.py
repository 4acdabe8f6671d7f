"""Sessions of people: a signed cookie in the place of a token, and the keys that their forms bear."""

import hashlib
import hmac
import re
import secrets
from datetime import timedelta

from jobsched.clock import Clock
from jobsched.web.access import Access, Caller

COOKIE = "jobsched_session"
LIFETIME = timedelta(hours=12)
_SHAPE = re.compile(r"([A-Za-z0-9_-]{1,40})\.(\d{1,12})\.[A-Za-z0-9_-]{22}\.[0-9a-f]{64}", re.ASCII)


class Sessions:
    """Nothing is kept: a cookie is signed with the token that it was given for, so it holds on every server that has
    this token, and ends for all of them when the token is changed.
    """

    def __init__(self, access: Access, clock: Clock) -> None:
        self._access, self._clock = access, clock
        # Of the first token, so that a form is good on every server that has the same ones.
        self._form_secret = access.tokens[0].secret.encode() if access.tokens else secrets.token_bytes(32)

    def begin(self, name: str) -> str:
        """A new cookie's value, for whoever has shown the token of this name."""
        until = int((self._clock.now() + LIFETIME).timestamp())
        signed = f"{name}.{until}.{secrets.token_urlsafe(16)}"
        return f"{signed}.{self._signature(name, signed)}"

    def caller(self, cookie: str | None) -> Caller | None:
        """Whom a cookie shows; None: nobody, also once it is over."""
        found = _SHAPE.fullmatch(cookie or "")
        if cookie is None or found is None:
            return None
        signed, _, signature = cookie.rpartition(".")
        token, expected = self._access.token(found[1]), self._signature(found[1], signed)
        if token is None or expected is None or not hmac.compare_digest(expected, signature):
            return None
        return Caller(token.name, token.role) if int(found[2]) > self._clock.now().timestamp() else None

    def form_key(self, cookie: str | None) -> str:
        """What the forms of a page bear, so that no page of another site can make one that is taken."""
        return _mac(self._form_secret, f"form {cookie or ''}")

    def is_form_key(self, given: str, cookie: str | None) -> bool:
        return hmac.compare_digest(given.encode(), self.form_key(cookie).encode())

    def _signature(self, name: str, signed: str) -> str | None:
        """None if there is no token of this name."""
        token = self._access.token(name)
        return None if token is None else _mac(token.secret.encode(), f"session {signed}")


def _mac(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
