"""Words for people, on a terminal or a page: what comes from outside is escaped, times and durations are rounded."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobsched.model.run import Lack

#: Bidirectional controls and separators that change how a terminal shows what follows.
_TREACHEROUS = {0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F}


def lacks_text(lacks: "Sequence[Lack]") -> str:
    """What a blocked run waits for, in a clause."""
    places = " and of ".join(
        f"{lack.kind} {printable(lack.name)} ({lack.held} of {lack.limit} taken)"
        for lack in lacks
        if lack.kind != "rate"
    )
    waits = [f"a place of {places}"] if places else []
    waits += [_rate_text(lack) for lack in lacks if lack.kind == "rate"]
    return f"it waits for {' and for '.join(waits)}" if waits else "it is about to be let in"


def _rate_text(lack: "Lack") -> str:
    from jobsched.model.durations import format_duration

    rate = f"{lack.limit}/{format_duration(lack.per or timedelta(0))}"
    until = "until those let in before have a thread" if lack.until is None else f"until about {local_time(lack.until)}"
    before = f", {lack.held} before it" if lack.held else ""
    return f"the rate of queue {printable(lack.name)} ({rate}{before}), {until}"


def printable(text: str, *, keep: str = "\n\t") -> str:
    """The text with control characters (but those to `keep`) shown as escapes, so that it cannot steer a terminal."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(char) if _steers(char) and char not in keep else char for char in text)


def _steers(char: str) -> bool:
    code = ord(char)
    return code < 0x20 or 0x7F <= code < 0xA0 or 0xD800 <= code < 0xE000 or code in _TREACHEROUS


def _shown(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def local_time(instant: datetime | None) -> str:
    """`2026-11-22 02:30:00+01:00` in this machine's zone; `-` for None."""
    return "-" if instant is None else instant.astimezone().isoformat(sep=" ", timespec="seconds")


def relative(instant: datetime | None, now: datetime) -> str:
    """`in 5m`, `12s ago`; `-` for None."""
    if instant is None:
        return "-"
    away = instant - now
    return f"in {rough(away)}" if away >= timedelta(0) else f"{rough(-away)} ago"


def moment(instant: datetime | None, now: datetime) -> str:
    """`2026-11-22 02:30:00+01:00 (in 5m)` in this machine's zone; `-` for None."""
    return "-" if instant is None else f"{local_time(instant)} ({relative(instant, now)})"


def short_time(instant: datetime, now: datetime) -> str:
    """`11-22 02:30:00` in this machine's zone, with the year if it is another: for where a whole moment is too long."""
    shown = instant.astimezone()
    return shown.strftime("%m-%d %H:%M:%S" if shown.year == now.astimezone().year else "%Y-%m-%d %H:%M:%S")


def rough(duration: timedelta) -> str:
    """A duration in its two largest units: `2d4h`, `5m10s`, `12s`, `80ms`."""
    seconds = duration.total_seconds()
    if seconds < 1:
        return f"{round(seconds * 1000)}ms"
    parts: list[str] = []
    rest = int(seconds)
    for name, unit in (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)):
        count, rest = divmod(rest, unit)
        if count or parts:
            parts.append(f"{count}{name}" if count else "")
    return "".join(parts[:2])
