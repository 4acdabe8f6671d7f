"""/: what runs, what comes within the hour, what failed since yesterday, what waits, and who works."""

from datetime import timedelta

from fastapi import APIRouter, Request
from starlette.responses import Response

from jobsched.model.run import RunState
from jobsched.web import queues
from jobsched.web.pages.render import TheRenderer
from jobsched.web.routes import TheClient

router = APIRouter(include_in_schema=False)

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
#: So many of each are shown; a link leads to all.
_MOST = 20


@router.get("/", response_model=None)
def show_now(request: Request, client: TheClient, renderer: TheRenderer) -> Response:
    yesterday = client.store.now() - _DAY
    running = client.runs(states=[RunState.RUNNING], limit=_MOST + 1)
    return renderer.page(
        "now.html",
        request,
        running=running[:_MOST],
        more_running=len(running) > _MOST,
        progress=client.progress(running[:_MOST]),
        upcoming=client.upcoming(_HOUR, _MOST),
        failures=client.runs(states=[RunState.FAILED], since=yesterday, limit=_MOST),
        queues=queues.as_json(client),
        nodes=client.nodes()[:_MOST],
        pauses=client.pauses()[:_MOST],
        most=_MOST,
    )
