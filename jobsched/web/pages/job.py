"""/jobs/NAME: its declaration, its slots and what became of each, its runs; triggering, pausing and resuming it."""

from datetime import timedelta
from itertools import islice

from fastapi import APIRouter, Request
from starlette.responses import Response

from jobsched.client import Client
from jobsched.config.definition_text import as_yaml
from jobsched.model.definition import definition
from jobsched.model.durations import parse_duration
from jobsched.model.pause import Pauses, PauseScope
from jobsched.model.run import RunState
from jobsched.model.state import StoredJob
from jobsched.model.wording import lacks_text
from jobsched.schedule.fate_text import SKIPPED, UNRECORDED
from jobsched.schedule.fates import Fate
from jobsched.schedule.schedule import schedule_of, slots_after
from jobsched.schedule.zones import zone_of
from jobsched.web.pages.render import TheRenderer
from jobsched.web.pages.shown import error_text
from jobsched.web.pages.site import sent_form
from jobsched.web.problems import Problem
from jobsched.web.routes import By, TheClient

router = APIRouter(include_in_schema=False)

_SLOTS, _AHEAD, _RUNS, _STRIP = 12, 6, 20, 30
_LONGEST_REASON = 1000


@router.get("/jobs/{name}", response_model=None)
def show_job(name: str, request: Request, client: TheClient, renderer: TheRenderer) -> Response:
    stored, pauses = client.job(name), Pauses(client.pauses())
    fates = client.why(name, count=_SLOTS)
    return renderer.page(
        "job.html",
        request,
        stored=stored,
        job=stored.job,
        zone=zone_of(stored.job.timezone),
        declaration=as_yaml(definition(stored.job)),
        pause=pauses.of_job(name),
        own_pause=(PauseScope.JOB, name) in {pause.target for pause in pauses},
        ahead=_ahead(client, stored),
        fates=[(fate, _clause(client, fate)) for fate in fates],
        strip=client.recent_runs([name], _STRIP).get(name, []),
        runs=client.runs(job=name, limit=_RUNS),
    )


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
def trigger(name: str, client: TheClient, renderer: TheRenderer) -> Response:
    return renderer.redirect(f"/runs/{client.trigger(name).id}", "triggered")


@router.post("/jobs/{name}/pause", response_model=None)
def pause(name: str, request: Request, client: TheClient, renderer: TheRenderer, by: By) -> Response:
    form = sent_form(request.state)
    reason = form.get("reason", "").strip()
    if len(reason) > _LONGEST_REASON:
        raise Problem(422, "invalid", f"a reason has {_LONGEST_REASON} characters at most")
    client.pause(name, duration=_duration(form.get("duration", "").strip()), reason=reason or None, by=by)
    return renderer.redirect(f"/jobs/{name}", "paused")


def _duration(text: str) -> timedelta | None:
    try:
        duration = parse_duration(text) if text else None
    except ValueError as error:
        raise Problem(422, "invalid", f"how long: {error}") from None
    if duration == timedelta(0):
        raise Problem(
            422, "invalid", "how long: a pause lasts longer than nothing; leave it empty for one without an end"
        )
    return duration


@router.post("/jobs/{name}/resume", response_model=None)
def resume(name: str, client: TheClient, renderer: TheRenderer) -> Response:
    ended = client.resume(name)
    return renderer.redirect(f"/jobs/{name}", "resumed" if ended else "not_paused")
