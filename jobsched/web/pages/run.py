"""/runs/ID: one run with its attempts, log, payload and result; cancelling and requeueing it."""

from typing import Annotated, NamedTuple

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from jobsched.client import Client
from jobsched.model.run import LogLine, Run, RunState
from jobsched.model.wording import lacks_text
from jobsched.web.logs import place_of
from jobsched.web.pages.ansi import coloured, plain
from jobsched.web.pages.render import TheRenderer
from jobsched.web.routes import RunId, TheClient
from jobsched.web.runs import its_run

router = APIRouter(include_in_schema=False)

_LINES, _ALL = 500, 100_000
_PROGRESS = "progress"


@router.get("/runs/{run_id}", response_model=None)
def show_run(
    run_id: RunId,
    request: Request,
    client: TheClient,
    renderer: TheRenderer,
    *,
    attempt: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
    after: Annotated[str | None, Query(max_length=40)] = None,
    before: Annotated[str | None, Query(max_length=40)] = None,
    find: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    run = its_run(client, run_id)
    sought = find.strip()
    log = _sought(client, run, attempt, sought) if sought else _page(client, run, attempt, after, before)
    return renderer.page(
        "run.html",
        request,
        run=run,
        progress=client.progress([run]).get(run_id),
        waits=lacks_text(client.lacks(run_id)) if run.state is RunState.BLOCKED else None,
        lines=list(coloured(log.lines, sought)),
        log=log,
        attempt=attempt,
        find=sought,
        may_cancel=not run.state.final,
        may_requeue=_may_requeue(run),
    )


class _Log(NamedTuple):
    """Lines of a log, and where those before and after them are; None: there are none."""

    lines: list[LogLine]
    before: str | None = None
    after: str | None = None
    matches: int | None = None  #: of what was sought, also those that are not shown


def _page(client: Client, run: Run, attempt: int | None, after: str | None, before: str | None) -> _Log:
    """Of a run that is over, its beginning; of another, its end, which is where more comes."""
    if after is not None or (run.state.final and before is None):
        lines = client.log(run.id, attempt=attempt, after=place_of(after), limit=_LINES + 1)
        more, lines = len(lines) > _LINES, lines[:_LINES]
        return _Log(
            _written(lines),
            before=_place(lines[0]) if after is not None and lines else None,
            after=_place(lines[-1]) if more else None,
        )
    place = None if before is None else place_of(before)
    lines = client.store.last_lines(run.id, attempt=attempt, before=place, limit=_LINES + 1)
    more, lines = len(lines) > _LINES, lines[-_LINES:]
    return _Log(
        _written(lines),
        before=_place(lines[0]) if more else None,
        after=_place(lines[-1]) if before is not None and lines else None,
    )


def _sought(client: Client, run: Run, attempt: int | None, sought: str) -> _Log:
    """The lines that hold a text, without regard to case; a log has a megabyte at most."""
    lines = client.log(run.id, attempt=attempt, limit=_ALL)
    found = [line for line in _written(lines) if sought.casefold() in plain(line.text).casefold()]
    return _Log(found[:_LINES], matches=len(found))


def _written(lines: list[LogLine]) -> list[LogLine]:
    return [line for line in lines if line.stream != _PROGRESS]


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
