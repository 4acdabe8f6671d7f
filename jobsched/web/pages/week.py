"""/week: how many jobs come together in each hour of the coming week, which shows herds; and the jobs of one hour."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from jobsched.client import Client
from jobsched.model.instants import parse_instant
from jobsched.model.pause import Pauses
from jobsched.schedule.week import Timing, in_hour
from jobsched.web.figures import Figures, Week
from jobsched.web.pages.render import TheRenderer
from jobsched.web.problems import Problem
from jobsched.web.routes import TheClient

router = APIRouter(include_in_schema=False)

_HOUR, _MINUTE, _DAY = timedelta(hours=1), timedelta(minutes=1), timedelta(days=1)
#: What is reckoned around an hour of these ends before time does.
_FIRST_YEAR, _LAST_YEAR = 1970, 9000
_HEATS = 5
_FULLEST = 8
_MOST = 200


class Cell(NamedTuple):
    """An hour. `most`: jobs in its fullest minute, since that is what a herd is; `heat`: from 0, none comes, to 5."""

    at: datetime
    most: int
    heat: int


@router.get("/week", response_model=None)
def show_week(
    request: Request, client: TheClient, renderer: TheRenderer, at: Annotated[str | None, Query(max_length=40)] = None
) -> Response:
    figures: Figures = request.app.state.figures
    chosen, week = None if at is None else _hour(at), figures.week.get()
    timings = None if chosen is None else figures.timings.get()
    jobs = {} if chosen is None or timings is None else _jobs_of(client, timings, chosen)
    return renderer.page(
        "week.html",
        request,
        days=[] if week is None else _days(week),
        known=week is not None and (chosen is None or timings is not None),
        fullest=[] if week is None else _fullest(week),
        chosen=chosen,
        jobs=sorted(jobs.items(), key=lambda one: (-one[1], one[0]))[:_MOST],
        count=len(jobs),
    )


def _hour(text: str) -> datetime:
    try:
        hour = parse_instant(text).replace(minute=0, second=0, microsecond=0)
    except ValueError as error:
        raise Problem(422, "invalid", f"at: {error}") from None
    if not _FIRST_YEAR <= hour.year <= _LAST_YEAR:
        raise Problem(422, "invalid", f"at: no hour of the years {_FIRST_YEAR} to {_LAST_YEAR}")
    return hour


def _jobs_of(client: Client, timings: Mapping[str, Timing], hour: datetime) -> dict[str, int]:
    pauses = Pauses(client.pauses())
    found = in_hour(timings, hour)
    return {name: count for name, count in found.items() if pauses.of_job(name) is None}


def _days(week: Week) -> list[tuple[datetime, list[Cell | None]]]:
    """A row of 24 hours for each day; None: it is over, or after the week."""
    hours = week.hours()
    top = max(hours)
    midnight = week.start.replace(hour=0)
    rows = []
    for day in range(8):
        cells: list[Cell | None] = []
        for hour in range(24):
            at = midnight + day * _DAY + hour * _HOUR
            place = (at - week.start) // _HOUR
            inside = 0 <= place < len(hours)
            cells.append(Cell(at, hours[place], _heat(hours[place], top)) if inside else None)
        rows.append((midnight + day * _DAY, cells))
    return [row for row in rows if any(row[1])]


def _heat(most: int, top: int) -> int:
    """By the root of its share of the fullest: one herd does not make all else look cold."""
    if most == 0:
        return 0
    return 1 if top <= 1 else max(1, round(_HEATS * (most / top) ** 0.5))


def _fullest(week: Week) -> list[tuple[datetime, int]]:
    """The fullest minutes, where several jobs come together."""
    places = sorted(range(len(week.minutes)), key=lambda place: (-week.minutes[place], place))[:_FULLEST]
    return [(week.start + place * _MINUTE, week.minutes[place]) for place in places if week.minutes[place] > 1]
