"""/audit: who did what by hand, when and by which way; newest first."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from jobsched.model.audit import Action
from jobsched.model.audit_text import details_text, target_text
from jobsched.web.pages.render import TheRenderer
from jobsched.web.problems import Problem
from jobsched.web.routes import TheClient, since_of

router = APIRouter(include_in_schema=False)

_PAGE = 50
_Filter = Annotated[str, Query(max_length=4096)]


@router.get("/audit", response_model=None)
def list_acts(
    request: Request,
    client: TheClient,
    renderer: TheRenderer,
    *,
    job: _Filter = "",
    by: _Filter = "",
    action: _Filter = "",
    since: _Filter = "",
    before_id: Annotated[int | None, Query(ge=0, le=2**63 - 1)] = None,
) -> Response:
    """An empty filter is none: that is what a form sends."""
    if action and action not in list(Action):
        raise Problem(422, "invalid", f"{action[:40]!r} is no action; there are {', '.join(Action)}")
    filters: dict[str, Any] = {"job": job.strip(), "by": by.strip()}
    rows = client.audit(
        **{name: value or None for name, value in filters.items()},
        action=Action(action) if action else None,
        since=since_of(since, client) if since else None,
        before_id=before_id,
        limit=_PAGE + 1,
    )
    shown = rows[:_PAGE]
    return renderer.page(
        "audit.html",
        request,
        rows=[(row, target_text(row), details_text(row)) for row in shown],
        filters={**filters, "action": action, "since": since},
        actions=list(Action),
        before_id=before_id,
        following=shown[-1].id if len(rows) > _PAGE else None,
    )
