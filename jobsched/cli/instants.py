"""Instants of a job for people: given with an offset or as wall-clock time of its zone, shown in its zone."""

from datetime import UTC, datetime

import click


def instant_in(zone: str, text: str, option: str) -> datetime:
    """The UTC instant of RFC 3339 text; without an offset it is read in `zone`. Raises click.BadParameter."""
    from jobsched.model.instants import parse_instant
    from jobsched.schedule.zones import zone_of

    try:
        wall = datetime.fromisoformat(text.strip())
        return parse_instant(text) if wall.tzinfo else wall.replace(tzinfo=zone_of(zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise click.BadParameter(
            f"{text!r} is no instant; write 2026-12-24T08:00:00Z, 2026-12-24T09:00:00+01:00, "
            f"or without an offset in the job's zone, {zone}",
            param_hint=option,
        ) from None


def shown_in(zone: str, instant: datetime) -> str:
    """`2026-11-22 02:30:00+01:00`, in `zone`."""
    from jobsched.schedule.zones import zone_of

    return instant.astimezone(zone_of(zone)).isoformat(sep=" ")


def shortly_in(zone: str, instant: datetime, now: datetime) -> str:
    """`11-22 02:30:00`, in `zone`, with the year if it is another: for where there is no room."""
    from jobsched.schedule.zones import zone_of

    shown, today = instant.astimezone(zone_of(zone)), now.astimezone(zone_of(zone))
    return shown.strftime("%m-%d %H:%M:%S" if shown.year == today.year else "%Y-%m-%d %H:%M:%S")
