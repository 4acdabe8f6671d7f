"""/api/runs: enqueueing, looking, and what can be done to a run by hand."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, Response

from jobsched.client import Client
from jobsched.errors import UnknownRunError
from jobsched.model.audit import Action
from jobsched.model.enqueue import Enqueue
from jobsched.model.report import answer_as_json, run_as_json, stats_as_json
from jobsched.model.run import Answer as RunAnswer
from jobsched.model.run import Created, Run, RunState
from jobsched.web import shapes
from jobsched.web.access import Access
from jobsched.web.definitions import check_handler
from jobsched.web.once import Answer, Made, TheOnce, made_once
from jobsched.web.problems import Problem
from jobsched.web.routes import Limit, RunId, Since, TheAccess, TheClient, answers, older, page, since_of

router = APIRouter(prefix="/api/runs", tags=["runs"])

_PAGE = 1000


@router.post(
    "",
    **answers(
        shapes.Run | list[shapes.Run],
        "The run, or as many as were sent, in their order.",
        201,
        404,
        409,
        also={200: "The run that has the `unique_key` already."},
    ),
)
def enqueue(client: TheClient, access: TheAccess, once: TheOnce, sent: shapes.OneOrMany) -> JSONResponse:
    """Make runs, all or none. One whose `unique_key` an unfinished run has is that one: 200, if it alone was sent."""
    many = isinstance(sent, list)
    wanted = [_wanted(one, access) for one in (sent if isinstance(sent, list) else [sent])]

    def tell(made: Made) -> Answer:
        return _all_of(client, made) if many else one_made(client, made)

    return made_once(client, once, lambda: runs_made(client.enqueue_many(wanted, once=once)), tell)


def runs_made(created: Sequence[Created]) -> Made:
    """What is told of, and noted with the key that it was made under: ids, and whether they were there before."""
    return {"runs": [[one.id, one.existing] for one in created]}


def one_made(client: Client, made: Made) -> Answer:
    """The one run that was made. Raises UnknownRunError, should it be gone already."""
    [[run_id, existing]] = made["runs"]
    return Answer(200 if existing else 201, run_as_json(client.run(run_id)), f"/api/runs/{run_id}")


def _all_of(client: Client, made: Made) -> Answer:
    return Answer(201, [run_as_json(run) for run in client.runs_of([run_id for run_id, _ in made["runs"]])])


def _wanted(sent: shapes.EnqueueRun, access: Access) -> Enqueue:
    check_handler(sent.handler, access)
    return Enqueue(**{name: getattr(sent, name) for name in type(sent).model_fields})


@router.get("", **answers(list[shapes.Run], "Runs, newest first; `Link` leads to the older ones."))
def list_runs(
    request: Request,
    client: TheClient,
    *,
    job: str | None = None,
    handler: str | None = None,
    queue: str | None = None,
    tag: str | None = None,
    batch: str | None = None,
    state: Annotated[list[shapes.State] | None, Query()] = None,
    since: Since = None,
    before_id: Annotated[int | None, Query(ge=0, le=2**63 - 1, description="Those made before this one.")] = None,
    limit: Limit = 100,
) -> JSONResponse:
    runs = client.runs(
        job=job,
        handler=handler,
        queue=queue,
        tag=tag,
        batch=batch,
        states=[RunState(each) for each in state or ()],
        since=None if since is None else since_of(since, client),
        before_id=before_id,
        limit=limit,
    )
    return page(request.query_params, [run_as_json(run) for run in runs], older(runs, limit))


@router.get("/stats", **answers(shapes.Stats, "Numbers of runs."))
def stats(client: TheClient, since: Since = "1d") -> JSONResponse:
    found = client.stats(since=since_of(since or "1d", client))
    return JSONResponse(stats_as_json(client.namespace, found, client.pauses()))


@router.post("/requeue", **answers(list[shapes.Answer], "What became of each.", 200, 404))
def requeue_runs(client: TheClient, sent: shapes.RequeueRuns) -> JSONResponse:
    """Run those again that failed, were cancelled or skipped."""
    chosen = [name for name in ("job", "handler", "queue", "tag", "batch", "since") if getattr(sent, name) is not None]
    if (sent.ids is None) == (not chosen):
        raise Problem(422, "invalid", "give `ids`, or at least one of job, handler, queue, tag, batch, since")
    run_ids = _in_namespace(client, sent.ids) if sent.ids else _matching(client, sent)
    again = partial(client.requeue_all, act=client.act(Action.REQUEUE))
    return JSONResponse([answer_as_json(answer) for answer in _in_parts(again, run_ids)])


def _matching(client: Client, sent: shapes.RequeueRuns) -> list[int]:
    """The ids of the oldest, in the order of their making; rows that stand for several slots are left out."""
    since = None if sent.since is None else since_of(sent.since, client)
    states = [RunState(state) for state in sent.states]
    found: list[Run] = []
    while page := client.runs(
        job=sent.job,
        handler=sent.handler,
        queue=sent.queue,
        tag=sent.tag,
        batch=sent.batch,
        states=states,
        since=since,
        before_id=found[-1].id if found else None,
        limit=_PAGE,
    ):
        found += page
    return [run.id for run in reversed(found) if run.covers is None][: sent.limit]


def _in_namespace(client: Client, run_ids: Sequence[int]) -> list[int]:
    """Raises UnknownRunError for the first that is not there."""
    there = {run.id for run in client.runs_of(run_ids) if run.namespace == client.namespace}
    for run_id in run_ids:
        if run_id not in there:
            raise UnknownRunError(run_id)
    return list(run_ids)


def _in_parts(act: Callable[[Sequence[int]], list[RunAnswer]], run_ids: Sequence[int]) -> list[RunAnswer]:
    return [answer for start in range(0, len(run_ids), _PAGE) for answer in act(run_ids[start : start + _PAGE])]


@router.get("/{run_id}", **answers(shapes.Run, "The run.", 200, 404))
def get_run(run_id: RunId, client: TheClient) -> JSONResponse:
    return JSONResponse(run_as_json(its_run(client, run_id)))


def its_run(client: Client, run_id: int) -> Run:
    """A run of the namespace that is served. Raises UnknownRunError."""
    run = client.run(run_id)
    if run.namespace != client.namespace:
        raise UnknownRunError(run_id)
    return run


@router.delete("/{run_id}", **answers(None, "It is gone, with its log.", 204, 404, 409))
def delete_run(run_id: RunId, client: TheClient) -> Response:
    client.delete(its_run(client, run_id).id)
    return Response(status_code=204)


@router.post(
    "/{run_id}/cancel",
    **answers(shapes.Run, "The run; one that runs does until its node has stopped it.", 200, 404, 409),
)
def cancel(run_id: RunId, client: TheClient) -> JSONResponse:
    return JSONResponse(run_as_json(client.cancel(its_run(client, run_id).id)))


@router.post("/{run_id}/requeue", **answers(shapes.Run, "The run, which waits again.", 200, 404, 409))
def requeue(run_id: RunId, client: TheClient) -> JSONResponse:
    return JSONResponse(run_as_json(client.requeue(its_run(client, run_id).id)))


@router.post("/{run_id}/reschedule", **answers(shapes.Run, "The run, which waits for its new time.", 200, 404, 409))
def reschedule(run_id: RunId, client: TheClient, sent: shapes.Reschedule) -> JSONResponse:
    if (sent.run_at is None) == (sent.delay is None):
        raise Problem(422, "invalid", "give run_at or delay, one of the two")
    its_run(client, run_id)
    at: Any = sent.run_at
    if sent.delay is not None:
        at = client.store.now() + sent.delay
    return JSONResponse(run_as_json(client.reschedule(run_id, at)))
