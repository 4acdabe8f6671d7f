"""Instants: aware datetimes in UTC inside, RFC 3339 text with `Z` at the edge."""

from datetime import UTC, datetime

from jobsched.model.durations import parse_duration


def parse_instant(text: str) -> datetime:
    """The UTC instant of an RFC 3339 text with `Z` or an offset. Raises ValueError saying what is wrong."""
    try:
        parsed = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(
            f"{text!r} is no RFC 3339 instant; write 2026-12-24T08:00:00Z or 2026-12-24T09:00:00+01:00"
        ) from None
    if parsed.tzinfo is None:
        raise ValueError(f"{text!r} has no zone; end it with Z or an offset like +01:00")
    try:
        return parsed.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{text!r} lies outside the years 1 to 9999") from None


def instant_or_ago(text: str, now: datetime) -> datetime:
    """The instant of a text that is one, or says how long ago: `1h`, `2d`. Raises ValueError on what is neither."""
    try:
        return now - parse_duration(text)
    except (ValueError, OverflowError):
        pass
    try:
        return parse_instant(text)
    except ValueError as error:
        raise ValueError(f"neither a duration (1h, 2d) nor an instant: {error}") from None


def format_instant(instant: datetime) -> str:
    """RFC 3339 in UTC with `Z`; fractions of a second only where there are some. Raises ValueError on a naive one."""
    return as_utc(instant).isoformat().replace("+00:00", "Z")


def as_utc(instant: datetime) -> datetime:
    """The same instant in UTC. Raises ValueError on a naive datetime, and on what is none: they name no instant."""
    if not isinstance(instant, datetime):
        raise ValueError(f"{instant!r} is no datetime: give one with a zone, e.g. datetime.now(UTC)")  # noqa: TRY004 - as a naive one
    if instant.tzinfo is None:
        raise ValueError(f"{instant!r} is naive: give it a zone, e.g. datetime.now(UTC)")
    return instant.astimezone(UTC)
