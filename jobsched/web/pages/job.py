"""/jobs/NAME: its declaration, its slots and what became of each, its runs; triggering, pausing and resuming it."""

from itertools import islice

from fastapi import APIRouter, Request
from starlette.responses import Response

from jobsched.client import Client
from jobsched.config.definition_text import as_yaml
from jobsched.model.definition import definition
from jobsched.model.pause import Pauses, PauseScope
from jobsched.model.run import RunState
from jobsched.model.state import Generation, Origin, StoredJob
from jobsched.model.wording import lacks_text
from jobsched.schedule.fate_text import SKIPPED, UNRECORDED
from jobsched.schedule.fates import Fate
from jobsched.schedule.schedule import schedule_of, slots_after
from jobsched.schedule.zones import zone_of
from jobsched.web.pages.charts import durations
from jobsched.web.pages.forms import duration_of, payload_of, reason_of
from jobsched.web.pages.rates import rates_of
from jobsched.web.pages.render import TheRenderer
from jobsched.web.pages.shown import error_text
from jobsched.web.pages.yaml_markup import highlighted
from jobsched.web.routes import TheClient

router = APIRouter(include_in_schema=False)

_SLOTS, _AHEAD, _RUNS, _STRIP, _RECENT, _GENERATIONS = 12, 6, 20, 30, 60, 20


@router.get("/jobs/{name}", response_model=None)
def show_job(name: str, request: Request, client: TheClient, renderer: TheRenderer) -> Response:
    stored, pauses = client.job(name), Pauses(client.pauses())
    fates = client.why(name, count=_SLOTS)
    recent = client.recent_runs([name], _RECENT).get(name, [])
    record = client.store.record(client.namespace, stored.generation)
    return renderer.page(
        "job.html",
        request,
        stored=stored,
        job=stored.job,
        zone=zone_of(stored.job.timezone),
        declaration=highlighted(as_yaml(definition(stored.job))),
        stands=client.store.place(client.namespace, name) if stored.origin is Origin.FILE else None,
        declared=None if record is None else record.generation,
        edits=[one for one in client.generations(_GENERATIONS) if _touches(one, name)],
        pause=pauses.of_job(name),
        own_pause=(PauseScope.JOB, name) in {pause.target for pause in pauses},
        ahead=_ahead(client, stored),
        fates=[(fate, _clause(client, fate)) for fate in fates],
        strip=recent[:_STRIP],
        rates=rates_of(recent),
        chart=durations(recent),
        runs=client.runs(job=name, limit=_RUNS),
    )


def _touches(generation: Generation, name: str) -> bool:
    return any(name in generation.summary.get(action, ()) for action in ("created", "updated", "removed"))


def _ahead(client: Client, stored: StoredJob) -> list[object]:
    schedule = schedule_of(stored.job)
    return (
        []
        if schedule is None or stored.job.suspend
        else list(islice(slots_after(schedule, client.store.now()), _AHEAD))
    )


def _clause(client: Client, fate: Fate) -> str:
    """Why a slot became what it is; empty where its run's state says it all."""
    run = fate.run
    if run is None:
        return UNRECORDED[str(fate.unrecorded)]
    if run.state is RunState.SKIPPED:
        return SKIPPED.get(str(run.reason), str(run.reason))
    if run.state is RunState.BLOCKED:
        return lacks_text(client.lacks(run.id))
    return error_text(run) if run.state is RunState.FAILED else ""


@router.post("/jobs/{name}/trigger", response_model=None)
def trigger(name: str, request: Request, client: TheClient, renderer: TheRenderer) -> Response:
    return renderer.redirect(
        f"/runs/{client.trigger(name, payload_of(request), reason=reason_of(request)).id}", "triggered"
    )


@router.post("/jobs/{name}/pause", response_model=None)
def pause(name: str, request: Request, client: TheClient, renderer: TheRenderer) -> Response:
    client.pause(name, duration=duration_of(request), reason=reason_of(request))
    return renderer.redirect(f"/jobs/{name}", "paused")


@router.post("/jobs/{name}/resume", response_model=None)
def resume(name: str, request: Request, client: TheClient, renderer: TheRenderer) -> Response:
    ended = client.resume(name, reason=reason_of(request))
    return renderer.redirect(f"/jobs/{name}", "resumed" if ended else "not_paused")
