"""/api/queues: how deep they are, how long the oldest waits; pausing and resuming them. Also /api/pauses, and pausing all."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from fastapi import APIRouter
from starlette.responses import JSONResponse

from jobsched.client import Client
from jobsched.model.instants import format_instant
from jobsched.model.names import is_name
from jobsched.model.pause import Pauses, PauseScope
from jobsched.model.queue import QueueLimits
from jobsched.model.report import pause_as_json
from jobsched.model.run import RunState
from jobsched.web import shapes
from jobsched.web.problems import Problem
from jobsched.web.routes import TheClient, answers

router = APIRouter(prefix="/api", tags=["queues"])

_DEPTHS = (RunState.SCHEDULED, RunState.PENDING, RunState.BLOCKED, RunState.RUNNING)


@router.get("/queues", **answers(list[shapes.Queue], "Queues that have a limit, a pause or unfinished runs, by name."))
def list_queues(client: TheClient) -> JSONResponse:
    return JSONResponse(as_json(client))


class Depths(NamedTuple):
    """What waits, and since when: counted, so it costs as much as there is of it."""

    counts: Mapping[tuple[str, RunState], int]
    oldest: Mapping[str, datetime]


def depths(client: Client) -> Depths:
    return Depths(client.counts(), client.oldest_pending())


def as_json(client: Client, counted: Depths | None = None) -> list[dict[str, Any]]:
    counts, oldest = counted or depths(client)
    limits, pauses, now = client.queue_limits(), Pauses(client.pauses()), client.store.now()
    names = {queue for queue, _ in counts} | set(limits)
    names |= {pause.name for pause in pauses if pause.scope is PauseScope.QUEUE}
    return [
        {
            "queue": queue,
            **limits.get(queue, QueueLimits()).as_json(),
            **{str(state): counts.get((queue, state), 0) for state in _DEPTHS},
            "oldest_pending_at": None if (since := oldest.get(queue)) is None else format_instant(since),
            "oldest_pending_seconds": None if since is None else max(0.0, (now - since).total_seconds()),
            "pause": pause_as_json(pauses.of_queue(queue)),
        }
        for queue in sorted(names)
    ]


@router.post("/queues/{queue}/pause", **answers(shapes.Pause, "The pause as it stands now: none of its runs starts."))
def pause_queue(queue: str, client: TheClient, sent: shapes.PauseFor | None = None) -> JSONResponse:
    asked = sent or shapes.PauseFor()
    [held] = client.pause(queue=_queue(queue), duration=asked.duration, reason=asked.reason)
    return JSONResponse(pause_as_json(held))


@router.post("/queues/{queue}/resume", **answers(list[shapes.Pause], "The pauses that were ended, which may be none."))
def resume_queue(queue: str, client: TheClient, sent: shapes.Resume | None = None) -> JSONResponse:
    asked = sent or shapes.Resume()
    return JSONResponse([pause_as_json(ended) for ended in client.resume(queue=_queue(queue), reason=asked.reason)])


def _queue(name: str) -> str:
    if not is_name(name):
        raise Problem(422, "invalid", f"{name[:80]!r} is no name of a queue")
    return name


@router.get("/pauses", **answers(list[shapes.Pause], "All pauses that stand."))
def list_pauses(client: TheClient) -> JSONResponse:
    return JSONResponse([pause_as_json(pause) for pause in client.pauses()])


@router.post("/pause", **answers(shapes.Pause, "The pause as it stands now: it holds everything of the namespace."))
def pause_all(client: TheClient, sent: shapes.PauseFor | None = None) -> JSONResponse:
    asked = sent or shapes.PauseFor()
    [held] = client.pause(all=True, duration=asked.duration, reason=asked.reason)
    return JSONResponse(pause_as_json(held))


@router.post("/resume", **answers(list[shapes.Pause], "The pause of everything, if there was one."))
def resume_all(client: TheClient, sent: shapes.Resume | None = None) -> JSONResponse:
    asked = sent or shapes.Resume()
    return JSONResponse([pause_as_json(ended) for ended in client.resume(all=True, reason=asked.reason)])
