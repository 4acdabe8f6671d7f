"""Small charts as SVG: no script, no style of their own; each says in words what it shows, and each bar what it is."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from markupsafe import Markup

from jobsched.model.run import Glance, RunState
from jobsched.model.wording import rough
from jobsched.web.flows import Stretch

_HIGH = 44.0
#: So many columns at least, the newest at the right: few runs are not drawn as large as many.
_FEWEST = 30
_LOWEST = 1.5  #: what is not nothing is seen
_SVG = Markup('<svg class="chart" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>')
_BAR = Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>')
_GROUP = Markup("<g><title>{}</title>{}{}</g>")
_HIT = Markup('<rect class="hit" x="{}" y="0" width="{}" height="{}"/>')


class Chart(NamedTuple):
    """`top`: what its highest bar stands for."""

    svg: Markup
    top: str


def throughput(series: Sequence[Stretch], length: timedelta) -> Chart:
    """Runs that ended, a bar a stretch; those that failed stand on top."""
    top = max((one.succeeded + one.failed for one in series), default=0)
    bars = []
    for place, one in enumerate(series):
        good, bad = _scaled(one.succeeded, top), _scaled(one.failed, top)
        told = f"{one.start:%H:%M}: {_runs(one.succeeded + one.failed)}" + (
            f", {one.failed} failed" if one.failed else ""
        )
        parts = [("good", _HIGH - good, good), ("bad", max(0.0, _HIGH - good - bad), bad)]
        bars.append(_group(place, told, parts))
    every, failed = sum(one.succeeded + one.failed for one in series), sum(one.failed for one in series)
    label = f"{_runs(every)} ended, {failed:,} failed; at most {top:,} in {rough(length)}"
    return Chart(_svg(len(series), label, bars), f"{top:,}")


def waits(series: Sequence[Stretch]) -> Chart:
    """How long runs had waited: the bar is the median, above it stands what 95 of 100 did not exceed."""
    top = max((one.p95_wait for one in series if one.p95_wait is not None), default=0.0)
    bars = []
    for place, one in enumerate(series):
        if one.median_wait is None or one.p95_wait is None:
            bars.append(_group(place, f"{one.start:%H:%M}: none", []))
            continue
        middle, most = _scaled(one.median_wait, top), _scaled(one.p95_wait, top)
        told = f"{one.start:%H:%M}: median {_took(one.median_wait)}, 95 of 100 within {_took(one.p95_wait)}"
        bars.append(_group(place, told, [("soft", _HIGH - most, most), ("busy", _HIGH - middle, middle)]))
    return Chart(_svg(len(series), f"Waits of at most {_took(top)} (95 of 100)", bars), _took(top))


def durations(glances: Sequence[Glance]) -> Chart | None:
    """How long runs took, oldest first, in the colour of their state; None: none has begun and ended."""
    ran = [one for one in reversed(glances) if one.started_at is not None and one.finished_at is not None]
    took = [
        max(0.0, (one.finished_at - one.started_at).total_seconds())
        for one in ran
        if one.finished_at and one.started_at
    ]
    if not ran:
        return None
    top, count = max(took), max(len(ran), _FEWEST)
    bars = [
        _group(
            place,
            f"run {one.id}: {one.state}, {_took(seconds)}",
            [(_CLASSES.get(one.state, "soft"), _HIGH - high, high)],
        )
        for place, (one, seconds) in enumerate(zip(ran, took, strict=True), count - len(ran))
        for high in [max(_LOWEST, _scaled(seconds, top))]
    ]
    return Chart(_svg(count, f"Durations of the last {len(ran)} runs, up to {_took(top)}", bars), _took(top))


_CLASSES = {RunState.SUCCEEDED: "good", RunState.FAILED: "bad", RunState.CANCELLED: "warn"}


def minutes(jobs: Sequence[int], start: datetime) -> Chart:
    """Jobs that come, a bar a minute."""
    top = max(jobs, default=0)
    bars = []
    for place, count in enumerate(jobs):
        high = _scaled(count, top)
        told = f"{start + timedelta(minutes=place):%H:%M}: {_counted(count)}"
        bars.append(_group(place, told, [("busy", _HIGH - high, high)]))
    fullest = start + timedelta(minutes=jobs.index(top)) if top else start
    label = f"Most come at {fullest:%H:%M}: {_counted(top)}" if top else "None comes"
    return Chart(_svg(len(jobs), label, bars), f"{top:,}")


def _group(place: int, told: str, parts: Sequence[tuple[str, float, float]]) -> Markup:
    # The whole column can be pointed at, however low its bar is.
    bars = Markup("").join(
        _BAR.format(name, place * 10 + 1, round(top, 1), 8, round(high, 1)) for name, top, high in parts if high
    )
    return _GROUP.format(told, _HIT.format(place * 10, 10, _HIGH), bars)


def _svg(count: int, label: str, bars: Sequence[Markup]) -> Markup:
    return _SVG.format(max(1, count) * 10, _HIGH, label, Markup("").join(bars))


def _scaled(value: float, top: float) -> float:
    return 0.0 if value <= 0 or top <= 0 else max(_LOWEST, _HIGH * value / top)


def _runs(count: int) -> str:
    return f"{count:,} run{'' if count == 1 else 's'}"


def _counted(jobs: int) -> str:
    return f"{jobs:,} job{'' if jobs == 1 else 's'}"


def _took(seconds: float) -> str:
    return rough(timedelta(seconds=seconds))
