"""/: what runs, what comes within the hour, what failed since yesterday, what waits, how much is done, and who works."""

from datetime import datetime, timedelta

from fastapi import APIRouter, Request
from starlette.responses import Response

from jobsched.model.run import RunState
from jobsched.web.figures import AtOnce, Figures, Week
from jobsched.web.pages import charts
from jobsched.web.pages.rates import rates_of
from jobsched.web.pages.render import TheRenderer
from jobsched.web.routes import TheClient

router = APIRouter(include_in_schema=False)

_MINUTE, _HALF_HOUR = timedelta(minutes=1), timedelta(minutes=30)
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
#: So many of each are shown; a link leads to all.
_MOST = 20
_STRIP = 30


@router.get("/", response_model=None)
def show_now(request: Request, client: TheClient, renderer: TheRenderer) -> Response:
    now = client.store.now()
    running = client.runs(states=[RunState.RUNNING], limit=_MOST + 1)
    recent = client.recent_runs(sorted({run.job for run in running if run.job}), _STRIP)
    figures: Figures = request.app.state.figures
    counted = figures.at_once()
    return renderer.page(
        "now.html",
        request,
        running=running[:_MOST],
        more_running=len(running) > _MOST,
        progress=client.progress(running[:_MOST]),
        usual={name: rates_of(glances) for name, glances in recent.items()},
        now=now,
        upcoming=client.upcoming(_HOUR, _MOST),
        failures=client.runs(states=[RunState.FAILED], since=now - _DAY, limit=_MOST),
        queues=counted.queues,
        nodes=client.nodes()[:_MOST],
        pauses=client.pauses()[:_MOST],
        most=_MOST,
        charts=_charts(counted),
        coming=_coming(counted.week, now),
    )


def _charts(counted: AtOnce) -> dict[str, tuple[charts.Chart, charts.Chart] | None]:
    """Throughput and waits of the hour and of the day; None: they are being counted."""
    hour, day = counted.hour, counted.day
    return {
        "hour": None if hour is None else (charts.throughput(hour, _MINUTE), charts.waits(hour)),
        "day": None if day is None else (charts.throughput(day, _HALF_HOUR), charts.waits(day)),
    }


def _coming(week: Week | None, now: datetime) -> charts.Chart | None:
    """The slots of the coming hour, as they were reckoned a moment ago."""
    if week is None:
        return None
    first = (now - week.start) // _MINUTE
    return charts.minutes(week.minutes[first : first + 60], week.start + first * _MINUTE)
