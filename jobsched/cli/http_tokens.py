"""Who may ask over HTTP: tokens of the environment, of a file that it names, and of the settings, which refer to it."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from jobsched.cli.errors import Failure
from jobsched.config.variables import resolve

if TYPE_CHECKING:
    from jobsched.web.access import Token

MAKE_ONE = "make one: python -c 'import secrets; print(secrets.token_urlsafe(32))'"

#: Many, each with a name: `ci:operate:SECRET`; and a file of them, a line each.
MANY, FILE = "JOBSCHED_API_TOKENS", "JOBSCHED_API_TOKENS_FILE"
#: One for each role, which is its name.
SINGLE = {"admin": "JOBSCHED_API_TOKEN", "operate": "JOBSCHED_API_TOKEN_OPERATE", "read": "JOBSCHED_API_TOKEN_READ"}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}", re.ASCII)
_MOST_BYTES = 1_000_000


def tokens_of(references: Mapping[str, str], environ: Mapping[str, str]) -> "tuple[Token, ...]":
    """All that there are, admins first. `references`: of the settings, by role. Raises Failure, which shows no secret."""
    from jobsched.web.access import Role

    found = [*_single(references, environ), *_many(environ)]
    for what in ("name", "secret"):
        value, count = next(iter(Counter(getattr(token, what) for token in found).most_common(1)), ("", 0))
        if count > 1:
            shown = f"the name {value}" if what == "name" else "the same secret"
            raise Failure(f"two tokens have {shown}: nobody could tell who asked")
    return tuple(sorted(found, key=lambda token: list(Role).index(token.role), reverse=True))


def _single(references: Mapping[str, str], environ: Mapping[str, str]) -> "Iterator[Token]":
    for role, variable in SINGLE.items():
        secret, source = environ.get(variable), variable
        if not secret and role in references:
            # Of a reference its name is told, never what it stands for.
            secret, source = resolve(references[role], environ), references[role]
        if secret:
            yield _token(role, role, secret, source)


def _many(environ: Mapping[str, str]) -> "Iterator[Token]":
    for source, entry in (*_of_variable(environ), *_of_file(environ)):
        name, _, rest = entry.partition(":")
        role, colon, secret = rest.partition(":")
        if not colon or not _NAME.fullmatch(name) or role not in SINGLE:
            raise Failure(f"{source} is no NAME:ROLE:TOKEN, with one of the roles {', '.join(reversed(SINGLE))}")
        yield _token(name, role, secret, source)


def _of_variable(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for number, entry in enumerate(re.split(r"[\s,]+", environ.get(MANY, "").strip()), 1):
        if entry:
            yield f"entry {number} of {MANY}", entry


def _of_file(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Its lines, without those that are empty or begin with #."""
    path = environ.get(FILE)
    if not path:
        return
    try:
        with Path(path).open(encoding="utf-8") as file:
            lines = file.read(_MOST_BYTES).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"{FILE}: {path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    for number, line in enumerate(lines, 1):
        entry = line.strip()
        if entry and not entry.startswith("#"):
            yield f"line {number} of {path}", entry


def _token(name: str, role: str, secret: str, source: str) -> "Token":
    from jobsched.web.access import SHORTEST_TOKEN, Role, Token

    if len(secret) < SHORTEST_TOKEN or not secret.isascii() or not secret.isprintable() or " " in secret:
        raise Failure(
            f"{source} is no token: at least {SHORTEST_TOKEN} characters, ASCII and without spaces; {MAKE_ONE}"
        )
    return Token(name, Role(role), secret)
