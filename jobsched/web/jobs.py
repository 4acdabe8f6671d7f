"""/api/jobs: what is declared, when it is due, what became of its slots; pausing, resuming, triggering."""

from collections.abc import Mapping
from itertools import islice
from typing import Annotated, Any, TypeAlias

from fastapi import APIRouter, Depends, Header, Query, Request
from starlette.responses import JSONResponse, Response

from jobsched.client import Client
from jobsched.model.instants import parse_instant
from jobsched.model.pause import Pauses
from jobsched.model.report import job_as_json, pause_as_json, run_as_json, slot_as_json
from jobsched.model.run import Run, RunState
from jobsched.schedule.fates import fate_as_json
from jobsched.schedule.schedule import schedule_of, slots_after
from jobsched.schedule.zones import zone_of
from jobsched.web import shapes
from jobsched.web.definitions import check_definition
from jobsched.web.job_index import JobIndex
from jobsched.web.once import Answer, Made, TheOnce, made_once
from jobsched.web.problems import Problem
from jobsched.web.routes import Limit, TheAccess, TheClient, answers, older, page
from jobsched.web.runs import one_made, runs_made

router = APIRouter(prefix="/api/jobs", tags=["jobs"])


@router.get("", **answers(list[shapes.Job], "Jobs by name; `Link` leads to the next ones."))
def list_jobs(
    request: Request,
    client: TheClient,
    *,
    search: Annotated[str | None, Query(description="In name, description, handler or command.")] = None,
    tag: str | None = None,
    owner: str | None = None,
    queue: str | None = None,
    paused: bool | None = None,
    last_state: Annotated[shapes.State | None, Query(description="Of the newest run.")] = None,
    after: Annotated[str | None, Query(description="Those whose names come after this one.")] = None,
    limit: Limit = 100,
) -> JSONResponse:
    last, pauses = client.last_runs(), Pauses(client.pauses())
    index: JobIndex = request.app.state.job_index
    matching = (
        entry.name
        for entry in index.entries()
        if (after is None or entry.name > after)
        and (search is None or search.casefold() in entry.text)
        and (tag is None or tag in entry.tags)
        and (owner is None or owner == entry.owner)
        and (queue is None or queue == entry.queue)
        and (paused is None or paused == (pauses.of_job(entry.name) is not None))
        and (last_state is None or _state(last.get(entry.name)) == last_state)
    )
    names = list(islice(matching, limit))
    found = client.jobs(names)
    items = [job_as_json(stored, last.get(stored.job.name), pauses.of_job(stored.job.name)) for stored in found]
    return page(request.query_params, items, {"after": names[-1]} if len(names) == limit else None)


def _state(run: Run | None) -> RunState | None:
    return None if run is None else run.state


@router.get("/{name}", **answers(shapes.Job, "The job; its `ETag` is the generation that changed it last.", 200, 404))
def get_job(name: str, client: TheClient) -> JSONResponse:
    return tagged(one_as_json(client, name))


def tagged(job: Mapping[str, Any]) -> JSONResponse:
    """With what `If-Match` takes."""
    return JSONResponse(job, headers={"ETag": f'"{job["generation"]}"'})


def _expected(
    tag: Annotated[
        str | None,
        Header(
            alias="If-Match",
            pattern=r'^(\*|"[0-9]{1,18}")$',
            description="The `ETag` of the job as it was read: 412 if somebody has changed it since.",
        ),
    ] = None,
) -> int | None:
    return None if tag in (None, "*") else int(tag.strip('"'))


#: The generation that must have changed the job last, if the request says so.
Expected: TypeAlias = Annotated[int | None, Depends(_expected)]


def one_as_json(client: Client, name: str) -> dict[str, Any]:
    """Raises UnknownJobError."""
    stored, pause = client.job(name), Pauses(client.pauses()).of_job(name)
    return job_as_json(stored, client.last_run(name), pause)


@router.post("", **answers(shapes.Job, "The job that was declared.", 201, 404, 409))
def create_job(client: TheClient, access: TheAccess, once: TheOnce, sent: shapes.Create) -> JSONResponse:
    """Declare a job that no file declares; no sync removes or changes it."""
    check_definition(sent.definition, access)

    def make() -> Made:
        return {"job": client.create_job(sent.name, sent.definition, once=once).job.name}

    def tell(made: Made) -> Answer:
        return Answer(201, one_as_json(client, made["job"]), f"/api/jobs/{made['job']}")

    return made_once(client, once, make, tell)


@router.put("/{name}", **answers(shapes.Job, "The job as it is declared now.", 200, 404, 409, 412))
def update_job(
    name: str, client: TheClient, access: TheAccess, expected: Expected, sent: shapes.Define
) -> JSONResponse:
    check_definition(sent.definition, access)
    client.update_job(name, sent.definition, expected_generation=expected)
    return tagged(one_as_json(client, name))


@router.delete("/{name}", **answers(None, "It is gone; its waiting runs are cancelled.", 204, 404, 409, 412))
def delete_job(name: str, client: TheClient, expected: Expected) -> Response:
    client.delete_job(name, expected_generation=expected)
    return Response(status_code=204)


@router.get("/{name}/runs", **answers(list[shapes.Run], "Its runs, newest first; also of a job of the past.", 200, 404))
def list_runs(
    request: Request,
    name: str,
    client: TheClient,
    *,
    state: Annotated[list[shapes.State] | None, Query()] = None,
    before_id: Annotated[int | None, Query(ge=0, le=2**63 - 1)] = None,
    limit: Limit = 100,
) -> JSONResponse:
    states = [RunState(each) for each in state or ()]
    runs = client.runs(job=name, states=states, before_id=before_id, limit=limit)
    if not runs and not client.runs(job=name, limit=1):
        client.job(name)
    return page(request.query_params, [run_as_json(run) for run in runs], older(runs, limit))


@router.get("/{name}/next", **answers(list[shapes.Slot], "Its next slots, oldest first.", 200, 404))
def next_slots(
    name: str,
    client: TheClient,
    *,
    after: Annotated[str | None, Query(description="An instant, itself excluded; else now.")] = None,
    count: Annotated[int, Query(ge=1, le=1000)] = 5,
) -> JSONResponse:
    job = client.job(name).job
    schedule = schedule_of(job)
    start = client.store.now() if after is None else _instant("after", after)
    slots = [] if schedule is None or job.suspend else islice(slots_after(schedule, start), count)
    return JSONResponse([slot_as_json(slot, zone_of(job.timezone)) for slot in slots])


@router.get("/{name}/why", **answers(list[shapes.Fate], "What became of its slots, newest first.", 200, 404))
def why(
    name: str,
    client: TheClient,
    *,
    at: Annotated[str | None, Query(description="Of this instant; else of the newest slots.")] = None,
    count: Annotated[int, Query(ge=1, le=1000)] = 5,
) -> JSONResponse:
    fates = client.why(name, None if at is None else _instant("at", at), count=count)
    blocked = [fate.run.id for fate in fates if fate.run is not None and fate.run.state is RunState.BLOCKED]
    lacks = {run_id: client.lacks(run_id) for run_id in blocked}
    return JSONResponse([fate_as_json(fate, lacks) for fate in fates])


def _instant(of: str, text: str) -> Any:
    try:
        # In a query an unescaped `+` is a space.
        return parse_instant(text.replace(" ", "+") if "T" in text else text)
    except ValueError as error:
        raise Problem(422, "invalid", f"query {of}: {error}") from None


@router.post(
    "/{name}/trigger", **answers(shapes.Run, "The run that was made; with a limit it waits its turn.", 201, 404)
)
def trigger(name: str, client: TheClient, once: TheOnce, sent: shapes.Trigger | None = None) -> JSONResponse:
    asked = sent or shapes.Trigger()
    return made_once(
        client,
        once,
        lambda: runs_made([client.trigger(name, asked.payload, reason=asked.reason, once=once)]),
        lambda made: one_made(client, made),
    )


@router.post("/{name}/pause", **answers(shapes.Pause, "The pause as it stands now.", 200, 404))
def pause(name: str, client: TheClient, sent: shapes.PauseFor | None = None) -> JSONResponse:
    asked = sent or shapes.PauseFor()
    [held] = client.pause(name, duration=asked.duration, reason=asked.reason)
    return JSONResponse(pause_as_json(held))


@router.post(
    "/{name}/resume", **answers(list[shapes.Pause], "The pauses that were ended, which may be none.", 200, 404)
)
def resume(name: str, client: TheClient, sent: shapes.Resume | None = None) -> JSONResponse:
    asked = sent or shapes.Resume()
    return JSONResponse([pause_as_json(ended) for ended in client.resume(name, reason=asked.reason)])
