"""/api/runs/{id}/log: what a run wrote, as a list, or as it comes."""

import re
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from jobsched.client import Client
from jobsched.errors import StoreUnavailableError, UnknownRunError
from jobsched.model.report import line_as_json, run_as_json
from jobsched.web import shapes
from jobsched.web.problems import Problem
from jobsched.web.routes import RunId, TheClient, answers, page
from jobsched.web.runs import its_run
from jobsched.web.streams import MEDIA_TYPE, Streams, event

router = APIRouter(prefix="/api/runs", tags=["runs"])

#: How often a run is looked at that is followed, in seconds: it grows from the first to the second.
_FIRST_LOOK, _SLOWEST_LOOK = 0.05, 1.0
_PLACE = re.compile(r"(\d{1,9})-(\d{1,18})")
_BEGINNING = (0, -1)
_LINES = 1000


@router.get(
    "/{run_id}/log",
    **answers(list[shapes.LogLine], "Its lines, oldest first; `Link` leads to what comes after.", 200, 404),
)
async def get_log(
    request: Request,
    run_id: RunId,
    client: TheClient,
    *,
    attempt: Annotated[int | None, Query(ge=1, le=2**31 - 1, description="Of this attempt alone.")] = None,
    after: Annotated[str | None, Query(description="After the line ATTEMPT-SEQ.")] = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = _LINES,
    follow: Annotated[
        str | None,
        Query(
            description=f"As {MEDIA_TYPE}: events `line`, those that are there and those that come, then `end` with the run."
        ),
    ] = None,
    last_event_id: Annotated[str | None, Header(description="Goes on after this line.")] = None,
) -> Response:
    await run_in_threadpool(its_run, client, run_id)
    place = place_of(last_event_id or after)
    if follow is not None and follow.lower() not in ("0", "false", "no"):
        streams: Streams = request.app.state.streams
        return streams.response(_follow(client, streams, run_id, attempt, place))
    lines = await run_in_threadpool(client.log, run_id, attempt=attempt, after=place, limit=limit)
    following = {"after": f"{lines[-1].attempt}-{lines[-1].seq}"} if len(lines) == limit else None
    return page(request.query_params, [line_as_json(line) for line in lines], following)


def place_of(text: str | None) -> tuple[int, int]:
    """Where a log goes on. Raises Problem."""
    if text is None:
        return _BEGINNING
    found = _PLACE.fullmatch(text)
    if found is None:
        raise Problem(422, "invalid", f"{text[:40]!r} is no place in a log; it is ATTEMPT-SEQ, like 1-42")
    return int(found[1]), int(found[2])


async def _follow(
    client: Client, streams: Streams, run_id: int, attempt: int | None, after: tuple[int, int]
) -> AsyncIterator[str]:
    """Until the run is over, is deleted, or the server ends; while the store is away it waits."""
    pause, ended = _FIRST_LOOK, False
    while True:
        try:
            # Asked before its lines are read: what it wrote until then is among them.
            run = await run_in_threadpool(client.run, run_id)
            lines = await run_in_threadpool(client.log, run_id, attempt=attempt, after=after, limit=_LINES)
        except UnknownRunError:
            yield event("gone", {"run": run_id})
            return
        except StoreUnavailableError:
            yield ""
            if await streams.pause(_SLOWEST_LOOK):
                return
            continue
        for line in lines:
            yield event("line", line_as_json(line), f"{line.attempt}-{line.seq}")
        if lines:
            after, pause = (lines[-1].attempt, lines[-1].seq), _FIRST_LOOK
        elif ended:
            yield event("end", run_as_json(run))
            return
        else:
            yield ""
        # The last lines of many may be stored a moment after the end is: one more look.
        ended = run.state.final
        if await streams.pause(pause):
            return
        pause = _FIRST_LOOK if ended else min(pause * 1.5, _SLOWEST_LOOK)
