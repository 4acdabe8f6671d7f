"""/runs: newest first, by filters, a page at a time."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from jobsched.model.run import RunState
from jobsched.web.pages.render import TheRenderer
from jobsched.web.problems import Problem
from jobsched.web.routes import TheClient, since_of

router = APIRouter(include_in_schema=False)

_PAGE = 50
_Filter = Annotated[str, Query(max_length=4096)]


@router.get("/runs", response_model=None)
def list_runs(
    request: Request,
    client: TheClient,
    renderer: TheRenderer,
    *,
    job: _Filter = "",
    queue: _Filter = "",
    handler: _Filter = "",
    state: _Filter = "",
    since: _Filter = "",
    before_id: Annotated[int | None, Query(ge=0, le=2**63 - 1)] = None,
) -> Response:
    """An empty filter is none: that is what a form sends."""
    if state and state not in list(RunState):
        raise Problem(422, "invalid", f"{state[:40]!r} is no state; there are {', '.join(RunState)}")
    filters: dict[str, Any] = {"job": job.strip(), "queue": queue.strip(), "handler": handler.strip()}
    runs = client.runs(
        **{name: value or None for name, value in filters.items()},
        states=[RunState(state)] if state else [],
        since=since_of(since, client) if since else None,
        before_id=before_id,
        limit=_PAGE + 1,
    )
    shown = runs[:_PAGE]
    return renderer.page(
        "runs.html",
        request,
        runs=shown,
        filters={**filters, "state": state, "since": since},
        states=list(RunState),
        before_id=before_id,
        following=shown[-1].id if len(runs) > _PAGE else None,
    )
