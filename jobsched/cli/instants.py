"""Instants of a job for people: given with an offset or as wall-clock time of its zone, shown in its zone."""

from datetime import UTC, datetime

import click

from jobsched.cli.output import say


def instant_in(zone: str, text: str, option: str, *, later: bool = False) -> datetime:
    """The UTC instant of RFC 3339 text; without an offset it is read in `zone`. Raises click.BadParameter.

    A time that clocks show twice is that of their first pass, or of the `later` one.
    """
    return instants_in(zone, text, option)[-1 if later else 0]


def instants_in(zone: str, text: str, option: str) -> list[datetime]:
    """As `instant_in`, but both instants of a time that clocks show twice. Of one that they leave out it is said, to
    standard error, that it is read as the end of the gap, which is when its slots are.
    """
    from jobsched.model.instants import parse_instant

    try:
        wall = datetime.fromisoformat(text.strip())
        return [parse_instant(text)] if wall.tzinfo else _read_in(zone, wall)
    except (ValueError, OverflowError):
        raise click.BadParameter(
            f"{text!r} is no instant; write 2026-12-24T08:00:00Z, 2026-12-24T09:00:00+01:00, "
            f"or without an offset in the job's zone, {zone}",
            param_hint=option,
        ) from None


def _read_in(zone: str, wall: datetime) -> list[datetime]:
    from jobsched.schedule.zones import edge_around, zone_of

    edge = edge_around(wall.replace(microsecond=0), zone_of(zone))
    if edge is not None and edge.is_gap:
        say(f"{wall} does not exist in {zone}, where clocks go forward; read as {shown_in(zone, edge.at)}", err=True)
        return [edge.at]
    passes = (0, 1) if edge is not None else (0,)
    return [wall.replace(tzinfo=zone_of(zone), fold=fold).astimezone(UTC) for fold in passes]


def shown_in(zone: str, instant: datetime) -> str:
    """`2026-11-22 02:30:00+01:00`, in `zone`."""
    from jobsched.schedule.zones import zone_of

    return instant.astimezone(zone_of(zone)).isoformat(sep=" ")


def shortly_in(zone: str, instant: datetime, now: datetime) -> str:
    """`11-22 02:30:00`, in `zone`, with the year if it is another: for where there is no room."""
    from jobsched.schedule.zones import zone_of

    shown, today = instant.astimezone(zone_of(zone)), now.astimezone(zone_of(zone))
    return shown.strftime("%m-%d %H:%M:%S" if shown.year == today.year else "%Y-%m-%d %H:%M:%S")
