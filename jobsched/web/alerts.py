"""/api/alerts: what people are, or will be, alerted of and is not over."""

from fastapi import APIRouter
from starlette.responses import JSONResponse

from jobsched.model.report import breach_as_json
from jobsched.web import shapes
from jobsched.web.routes import TheClient, answers

router = APIRouter(prefix="/api", tags=["alerts"])


@router.get(
    "/alerts", **answers(list[shapes.Alert], "What is not over, the oldest first; `told_at` null: not told yet.")
)
def list_alerts(client: TheClient) -> JSONResponse:
    return JSONResponse([breach_as_json(breach) for breach in client.open_breaches()])
