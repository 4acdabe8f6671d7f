"""/nodes: who works, with which version and file, and how far its clock is off."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from jobsched.web.pages.render import TheRenderer
from jobsched.web.routes import TheClient

router = APIRouter(include_in_schema=False)

_MOST = 200


@router.get("/nodes", response_model=None)
def show_nodes(request: Request, client: TheClient, renderer: TheRenderer) -> Response:
    nodes = client.nodes()
    return renderer.page(
        "nodes.html",
        request,
        nodes=nodes[:_MOST],
        count=len(nodes),
        alive=sum(node.alive for node in nodes),
        versions=sorted({node.version for node in nodes if node.alive}),
        newest=next(iter(client.generations(1)), None),
    )
