"""/api/audit: who did what, when and by which way."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse

from jobsched.model.audit import Action
from jobsched.model.report import audit_as_json
from jobsched.web import shapes
from jobsched.web.routes import Limit, Since, TheClient, answers, page, since_of

router = APIRouter(prefix="/api", tags=["audit"])


@router.get("/audit", **answers(list[shapes.Act], "Acts, newest first; `Link` leads to the older ones."))
def list_acts(
    request: Request,
    client: TheClient,
    *,
    job: str | None = None,
    by: Annotated[str | None, Query(description="A part of who, whatever its case.")] = None,
    action: shapes.Action | None = None,
    since: Since = None,
    before_id: Annotated[int | None, Query(ge=0, le=2**63 - 1, description="Those done before this one.")] = None,
    limit: Limit = 100,
) -> JSONResponse:
    rows = client.audit(
        job=job,
        by=by,
        action=None if action is None else Action(action),
        since=None if since is None else since_of(since, client),
        before_id=before_id,
        limit=limit,
    )
    following = {"before_id": rows[-1].id} if len(rows) == limit else None
    return page(request.query_params, [audit_as_json(row) for row in rows], following)
