"""From a `postgresql://` URL to what the driver connects with."""

from dataclasses import dataclass

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from jobsched.errors import DatabaseUrlError

_DRIVERS = ("postgres", "postgresql", "postgresql+psycopg")
#: What libpq takes in a URL, of what makes sense here.
_OPTIONS = frozenset(
    {
        "application_name",
        "channel_binding",
        "connect_timeout",
        "gssencmode",
        "host",
        "hostaddr",
        "keepalives",
        "keepalives_count",
        "keepalives_idle",
        "keepalives_interval",
        "load_balance_hosts",
        "options",
        "passfile",
        "password",
        "port",
        "require_auth",
        "service",
        "sslcert",
        "sslcrl",
        "sslkey",
        "sslmode",
        "sslpassword",
        "sslrootcert",
        "target_session_attrs",
        "tcp_user_timeout",
        "user",
    }
)


@dataclass(frozen=True, slots=True)
class Location:
    """A database of a server. `where` names it in messages, `name` is its URL; neither has the password."""

    url: URL
    where: str
    name: str


def parse(url: str) -> Location:
    """Raises DatabaseUrlError saying what is wrong; the password is never in it."""
    try:
        parts = make_url(url)
    except (ArgumentError, ValueError):
        raise DatabaseUrlError(
            "the database URL cannot be read; write postgresql://user:password@host:5432/name "
            "(and %-encode what is special in the password)"
        ) from None
    if parts.drivername not in _DRIVERS:
        raise DatabaseUrlError(
            f"the driver of {parts.drivername!r} is not supported; write postgresql://…, it is psycopg 3"
        )
    if unknown := sorted(set(parts.query) - _OPTIONS):
        raise DatabaseUrlError(f"unknown option {unknown[0]!r} in the database URL; known are those of libpq")
    url_for_driver = parts.set(drivername="postgresql+psycopg")
    shown = parts.set(drivername="postgresql", username=parts.username, password=None)
    hidden = shown.set(
        query={key: value for key, value in shown.query.items() if key not in ("password", "sslpassword")}
    )
    return Location(url_for_driver, _where(parts), hidden.render_as_string(hide_password=True))


def _where(parts: URL) -> str:
    host = parts.host or _one(parts.query.get("host")) or "localhost"
    port = parts.port or _one(parts.query.get("port")) or 5432
    return f"{host}:{port}/{parts.database or parts.username or ''}"


def _one(value: str | tuple[str, ...] | None) -> str | None:
    return ",".join(value) if isinstance(value, tuple) else value
