"""/runs/ID: one run with its attempts, log, payload and result; cancelling and requeueing it."""

import re
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from jobsched.model.run import LogLine, Run, RunState
from jobsched.model.wording import lacks_text
from jobsched.web.logs import place_of
from jobsched.web.pages.render import TheRenderer
from jobsched.web.routes import RunId, TheClient
from jobsched.web.runs import its_run

router = APIRouter(include_in_schema=False)

_LINES = 500
_PROGRESS = "progress"
#: What programs colour their lines with, and move the cursor by: here it would only be noise.
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")


@router.get("/runs/{run_id}", response_model=None)
def show_run(
    run_id: RunId,
    request: Request,
    client: TheClient,
    renderer: TheRenderer,
    *,
    attempt: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
    after: Annotated[str | None, Query(max_length=40)] = None,
) -> Response:
    run = its_run(client, run_id)
    lines = client.log(run_id, attempt=attempt, after=place_of(after), limit=_LINES + 1)
    shown = lines[:_LINES]
    return renderer.page(
        "run.html",
        request,
        run=run,
        progress=client.progress([run]).get(run_id),
        waits=lacks_text(client.lacks(run_id)) if run.state is RunState.BLOCKED else None,
        lines=[(line, _ANSI.sub("", line.text)) for line in shown if line.stream != _PROGRESS],
        attempt=attempt,
        after=after,
        following=_place(shown[-1]) if len(lines) > _LINES else None,
        may_cancel=not run.state.final,
        may_requeue=_may_requeue(run),
    )


def _place(line: LogLine) -> str:
    return f"{line.attempt}-{line.seq}"


def _may_requeue(run: Run) -> bool:
    return run.state.final and run.state is not RunState.SUCCEEDED and run.covers is None


@router.post("/runs/{run_id}/cancel", response_model=None)
def cancel(run_id: RunId, client: TheClient, renderer: TheRenderer) -> Response:
    client.cancel(its_run(client, run_id).id)
    return renderer.redirect(f"/runs/{run_id}", "cancelled")


@router.post("/runs/{run_id}/requeue", response_model=None)
def requeue(run_id: RunId, client: TheClient, renderer: TheRenderer) -> Response:
    client.requeue(its_run(client, run_id).id)
    return renderer.redirect(f"/runs/{run_id}", "requeued")
