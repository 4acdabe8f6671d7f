"""/audit: who did what by hand, when and by which way; newest first."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from jobsched.model.audit import Action
from jobsched.model.audit_text import details_text, target_text
from jobsched.web.pages.filtered import Filter, TheAsked, word_of
from jobsched.web.pages.render import TheRenderer
from jobsched.web.routes import TheClient

router = APIRouter(include_in_schema=False)


@router.get("/audit", response_model=None)
def list_acts(
    request: Request, client: TheClient, renderer: TheRenderer, asked: TheAsked, *, by: Filter = "", action: Filter = ""
) -> Response:
    by = by.strip()
    found = client.audit(
        job=asked.job,
        by=by or None,
        action=word_of(action, Action, "action"),
        since=asked.since,
        before_id=asked.before_id,
        limit=asked.limit,
    )
    shown, page = asked.page(found, by=by, action=action)
    rows = [(row, target_text(row), details_text(row)) for row in shown]
    return renderer.page("audit.html", request, rows=rows, actions=list(Action), **page)
