"""/runs: newest first, by filters, a page at a time."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from jobsched.client import Client
from jobsched.model.run import Run, RunFilter, RunState
from jobsched.web.pages.render import TheRenderer
from jobsched.web.problems import Problem
from jobsched.web.routes import TheClient, since_of

router = APIRouter(include_in_schema=False)

_PAGE = 50
_LOOKED_THROUGH = 25_000
#: States that have an index of their own.
_BY_INDEX = (*(state for state in RunState if not state.final), RunState.FAILED)
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
    filters = {"job": job.strip(), "queue": queue.strip(), "handler": handler.strip()}
    wanted = RunFilter(
        namespace=client.namespace,
        job=filters["job"] or None,
        queue=filters["queue"] or None,
        handler=filters["handler"] or None,
        states=(RunState(state),) if state else (),
        since=since_of(since, client) if since else None,
        before_id=before_id,
        limit=_PAGE + 1,
    )
    runs, looked_from = _look(client, wanted)
    shown = runs[:_PAGE]
    return renderer.page(
        "runs.html",
        request,
        runs=shown,
        filters={**filters, "state": state, "since": since},
        states=list(RunState),
        before_id=before_id,
        following=shown[-1].id if len(runs) > _PAGE else None,
        looked_from=looked_from if len(runs) <= _PAGE else None,
    )


def _look(client: Client, wanted: RunFilter) -> tuple[list[Run], int | None]:
    """Runs, and from which id on they were looked for; None: from the first. No index has what is asked for by handler,
    queue or most states, so a page goes through so many runs, and says so, rather than through all that there are.
    """
    found_by_index = wanted.job or (wanted.states and wanted.states[0] in _BY_INDEX)
    if found_by_index or not (wanted.states or wanted.queue or wanted.handler):
        return client.store.runs(wanted), None
    newest = wanted.before_id or next((run.id + 1 for run in client.runs(limit=1)), 0)
    first = max(0, newest - _LOOKED_THROUGH)
    return client.store.runs(replace(wanted, from_id=first)), first or None
