"""/api/batches: runs that were enqueued under one name, counted by state."""

from fastapi import APIRouter
from starlette.responses import JSONResponse

from jobsched.model.report import batch_as_json
from jobsched.web import shapes
from jobsched.web.routes import TheClient, answers

router = APIRouter(prefix="/api/batches", tags=["runs"])


@router.get("/{name}", **answers(shapes.Batch, "Its runs by state, as far as they are kept; one without runs is done."))
def get_batch(name: str, client: TheClient) -> JSONResponse:
    return JSONResponse(batch_as_json(client.namespace, client.batch(name)))
