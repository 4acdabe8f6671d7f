"""/api/nodes and /api/generations: who works, and what was applied when and by whom."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import JSONResponse

from jobsched.model.report import generation_as_json, node_as_json
from jobsched.web import shapes
from jobsched.web.routes import TheClient, answers

router = APIRouter(prefix="/api", tags=["nodes and generations"])


@router.get("/nodes", **answers(list[shapes.Node], "The nodes that have not left, newest first."))
def list_nodes(client: TheClient) -> JSONResponse:
    return JSONResponse([node_as_json(node) for node in client.nodes()])


@router.get("/generations", **answers(list[shapes.Generation], "The newest applied syncs, newest first."))
def list_generations(client: TheClient, limit: Annotated[int, Query(ge=1, le=1000)] = 20) -> JSONResponse:
    return JSONResponse([generation_as_json(generation) for generation in client.generations(limit)])
