"""/api/validate and /api/plan: a jobs.yaml is sent, and what is wrong with it, or what it would change, comes back."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from jobsched.client import Client
from jobsched.config.diagnostics import as_json as diagnostic_as_json
from jobsched.config.load import Loaded, check_sources
from jobsched.config.sources import Source
from jobsched.errors import ConfigError
from jobsched.sync.plan import plan
from jobsched.sync.report import plan_as_json
from jobsched.web import shapes
from jobsched.web.problems import Problem
from jobsched.web.routes import TheClient, answers

router = APIRouter(prefix="/api", tags=["documents"])

#: What diagnostics call the document.
_NAME = "jobs.yaml"
_BODY: dict[str, Any] = {
    "openapi_extra": {
        "requestBody": {
            "required": True,
            "content": {
                "application/yaml": {"schema": {"type": "string"}, "example": "version: 1\njobs: {}\n"},
                "application/json": {"schema": {"type": "object"}},
            },
        }
    }
}


@router.post(
    "/validate",
    **_BODY,
    **answers(list[shapes.Diagnostic], "What is wrong with it, by place; without an error it is valid."),
)
async def validate(request: Request, client: TheClient) -> JSONResponse:
    """No variable is looked up, and no handler: neither is this server's to know."""
    loaded = await run_in_threadpool(_check, await request.body(), client)
    return JSONResponse([diagnostic_as_json(found) for found in loaded.diagnostics])


@router.post("/plan", **_BODY, **answers(shapes.Plan, "What `jobsched sync` would do with it.", 200))
async def plan_document(request: Request, client: TheClient) -> JSONResponse:
    return JSONResponse(await run_in_threadpool(_plan, await request.body(), client))


def _check(content: bytes, client: Client) -> Loaded:
    return check_sources([Source(_NAME, content)], None, now=client.store.now())


def _plan(content: bytes, client: Client) -> dict[str, Any]:
    loaded = _check(content, client)
    if loaded.state is None:
        raise ConfigError([found for found in loaded.diagnostics if found.severity == "error"])
    desired = loaded.state
    if desired.namespace != client.namespace:
        detail = f"the document is of namespace {desired.namespace}, and this server of {client.namespace}"
        raise Problem(422, "namespace", detail)
    return plan_as_json(plan(desired, client.store.actual(client.namespace), client.store.now()))
