"""/runs: newest first, by filters, a page at a time."""

from dataclasses import replace

from fastapi import APIRouter, Request
from starlette.responses import Response

from jobsched.client import Client
from jobsched.model.run import Run, RunFilter, RunState
from jobsched.web.pages.filtered import Filter, TheAsked, word_of
from jobsched.web.pages.render import TheRenderer
from jobsched.web.routes import TheClient

router = APIRouter(include_in_schema=False)

_LOOKED_THROUGH = 25_000
#: States that have an index of their own.
_BY_INDEX = (*(state for state in RunState if not state.final), RunState.FAILED)


@router.get("/runs", response_model=None)
def list_runs(
    request: Request,
    client: TheClient,
    renderer: TheRenderer,
    asked: TheAsked,
    *,
    queue: Filter = "",
    handler: Filter = "",
    state: Filter = "",
) -> Response:
    queue, handler, in_state = queue.strip(), handler.strip(), word_of(state, RunState, "state")
    wanted = RunFilter(
        namespace=client.namespace,
        job=asked.job,
        queue=queue or None,
        handler=handler or None,
        states=() if in_state is None else (in_state,),
        since=asked.since,
        before_id=asked.before_id,
        limit=asked.limit,
    )
    runs, looked_from = _look(client, wanted)
    shown, page = asked.page(runs, queue=queue, handler=handler, state=state)
    return renderer.page(
        "runs.html",
        request,
        runs=shown,
        states=list(RunState),
        looked_from=looked_from if page["following"] is None else None,
        **page,
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
