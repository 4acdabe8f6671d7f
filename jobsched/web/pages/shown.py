"""How things are shown on pages: instants beside now, errors, progress, what a sync changed."""

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from markupsafe import Markup

from jobsched.model.instants import format_instant
from jobsched.model.run import Glance, Run
from jobsched.model.state import Generation
from jobsched.model.wording import printable, relative, rough

#: Longer texts are cut where they stand beside others.
_SHORT = 160
#: Of a payload, a result or an error so many characters are shown; the API gives all of it.
_LARGE = 20_000
_PERCENT = re.compile(r"(\d{1,3})%")
_NONE = Markup("&ndash;")
_HOUR = timedelta(hours=1)
_MOST_NAMES = 8
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def beside(now: datetime) -> dict[str, Callable[..., Any]]:
    """What a page that is made now needs to show instants."""

    def when(instant: datetime | None) -> Markup:
        return _NONE if instant is None else _time(instant, relative(instant, now))

    def took(start: datetime | None, end: datetime | None = None) -> str:
        return _NONE if start is None else rough(max((end or now) - start, timedelta(0)))

    def share_of_hour(instant: datetime) -> float:
        return round(98.5 * min(1.0, max(0.0, (instant - now) / _HOUR)), 1)

    def cell_text(glance: Glance) -> str:
        reason = f" ({glance.reason})" if glance.reason and glance.reason.value != glance.state.value else ""
        at = glance.finished_at or glance.started_at or glance.created_at
        return f"run {glance.id}: {glance.state}{reason}, {relative(at, now)}"

    return {"when": when, "took": took, "share_of_hour": share_of_hour, "cell_text": cell_text}


def instant(value: datetime | None) -> Markup:
    """In UTC, to the second."""
    return _NONE if value is None else _time(value, f"{value:%Y-%m-%d %H:%M:%S}")


def local(value: datetime, zone: ZoneInfo) -> Markup:
    """As the clocks of a job's zone show it."""
    return _time(value, f"{value.astimezone(zone):%Y-%m-%d %H:%M:%S}")


def _time(value: datetime, text: str) -> Markup:
    exact = format_instant(value)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(exact, exact, text)


def lasting(value: timedelta | None) -> str:
    return _NONE if value is None else rough(value)


def day_of(value: datetime) -> str:
    """`Mon 30 Nov`, in English whatever the machine speaks."""
    return f"{_DAYS[value.weekday()]} {value.day} {_MONTHS[value.month - 1]}"


def z(value: datetime) -> str:
    """As an address names it."""
    return format_instant(value)


def seconds(value: float | None) -> str:
    return _NONE if value is None else rough(timedelta(seconds=value))


def counted(glances: Sequence[Glance]) -> str:
    """`28 succeeded, 2 failed`."""
    return ", ".join(f"{count} {state}" for state, count in Counter(each.state for each in glances).most_common())


def progress_of(text: str | None) -> Markup:
    """A bar where it begins with a percentage, and what was said."""
    if not text:
        return _NONE
    found = _PERCENT.match(text)
    if found is None:
        return Markup("{}").format(short(text))
    percent = min(100, int(found[1]))
    return Markup('<progress max="100" value="{}" aria-label="Progress"></progress> {}').format(percent, short(text))


def error_text(run: Run) -> str:
    """The newest error in a line."""
    if not run.error:
        return str(run.reason or "")
    entry = run.error[-1]
    parts = [str(entry[name]) for name in ("type", "message") if entry.get(name)]
    return short(": ".join(parts)) if parts else short(str(entry.get("reason") or "no more is known"))


def error_entry(entry: Mapping[str, Any]) -> str:
    """All that is kept of an error: its text, then what else there is."""
    told = [str(entry[name]) for name in ("traceback", "message") if entry.get(name)]
    rest = {name: value for name, value in entry.items() if name not in ("traceback", "message", "type", "attempt")}
    return cut("\n".join([*told, *(f"{name}: {_plainly(value)}" for name, value in rest.items())]))


def _plainly(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def large(value: Any) -> str:
    """A payload or a result."""
    return cut(json.dumps(dict(value) if isinstance(value, Mapping) else value, indent=2, ensure_ascii=False))


def cut(text: str) -> str:
    shown = printable(text[:_LARGE])
    return shown if len(text) <= _LARGE else f"{shown}\n… {len(text) - _LARGE:,} characters more: jobsched runs -o json"


def short(text: str) -> str:
    shown = printable(text[: 2 * _SHORT]).replace("\n", " ")
    return shown if len(shown) <= _SHORT else shown[: _SHORT - 1] + "…"


def changes_of(generation: Generation) -> str:
    """`created a, b; updated c (cron)`."""
    found = []
    for action in ("created", "updated", "removed"):
        names = generation.summary.get(action) or ()
        shown = [_with_fields(names, name) for name in list(names)[:_MOST_NAMES]]
        if shown:
            more = f" and {len(names) - len(shown):,} more" if len(names) > len(shown) else ""
            found.append(f"{action} {', '.join(shown)}{more}")
    return "; ".join(found) or "no job"


def _with_fields(names: Any, name: str) -> str:
    fields = names[name] if isinstance(names, Mapping) else ()
    return f"{name} ({', '.join(map(str, fields))})" if fields else str(name)
