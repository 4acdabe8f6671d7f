"""/system: queues, pauses, nodes and generations."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from jobsched.web import queues
from jobsched.web.pages.render import TheRenderer
from jobsched.web.routes import TheClient

router = APIRouter(include_in_schema=False)

_MOST_NODES, _MOST_PAUSES, _MOST_GENERATIONS = 200, 200, 20


@router.get("/system", response_model=None)
def show_system(request: Request, client: TheClient, renderer: TheRenderer) -> Response:
    return renderer.page(
        "system.html",
        request,
        queues=queues.as_json(client),
        pauses=client.pauses()[:_MOST_PAUSES],
        nodes=client.nodes()[:_MOST_NODES],
        generations=client.generations(_MOST_GENERATIONS),
    )
