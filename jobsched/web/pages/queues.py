"""/queues: what waits in each and since when, its limits; pausing and resuming one of them, or everything."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from jobsched.model.names import is_name
from jobsched.model.pause import PauseScope
from jobsched.web.figures import Figures
from jobsched.web.pages.forms import duration_of, reason_of
from jobsched.web.pages.render import TheRenderer
from jobsched.web.problems import Problem
from jobsched.web.routes import TheClient

router = APIRouter(include_in_schema=False)

_MOST_PAUSES = 200


@router.get("/queues", response_model=None)
def show_queues(
    request: Request,
    client: TheClient,
    renderer: TheRenderer,
    pause: Annotated[
        str | None, Query(max_length=200, description="The queue whose form for pausing is shown.")
    ] = None,
) -> Response:
    figures: Figures = request.app.state.figures
    pauses = client.pauses()
    return renderer.page(
        "queues.html",
        request,
        queues=figures.queues(),
        pauses=pauses[:_MOST_PAUSES],
        everything=next((one for one in pauses if one.scope is PauseScope.ALL), None),
        own={one.name for one in pauses if one.scope is PauseScope.QUEUE},
        chosen=None if pause is None else _known(pause),
    )


@router.post("/queues/{queue}/pause", response_model=None)
def pause_queue(queue: str, request: Request, client: TheClient, renderer: TheRenderer) -> Response:
    client.pause(queue=_known(queue), duration=duration_of(request), reason=reason_of(request))
    return renderer.redirect("/queues", "queue_paused")


@router.post("/queues/{queue}/resume", response_model=None)
def resume_queue(queue: str, request: Request, client: TheClient, renderer: TheRenderer) -> Response:
    ended = client.resume(queue=_known(queue), reason=reason_of(request))
    return renderer.redirect("/queues", "queue_resumed" if ended else "not_paused")


@router.post("/everything/pause", response_model=None)
def pause_everything(request: Request, client: TheClient, renderer: TheRenderer) -> Response:
    client.pause(all=True, duration=duration_of(request), reason=reason_of(request))
    return renderer.redirect("/queues", "all_paused")


@router.post("/everything/resume", response_model=None)
def resume_everything(request: Request, client: TheClient, renderer: TheRenderer) -> Response:
    ended = client.resume(all=True, reason=reason_of(request))
    return renderer.redirect("/queues", "all_resumed" if ended else "not_paused")


def _known(name: str) -> str:
    if not is_name(name):
        raise Problem(422, "invalid", f"{name[:80]!r} is no name of a queue")
    return name
