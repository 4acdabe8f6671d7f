"""/jobs: all of them, with what became of their last runs; searched, filtered, and a page at a time."""

from collections import Counter
from collections.abc import Collection, Iterable
from itertools import islice
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from jobsched.model.pause import Pauses
from jobsched.web.figures import Figures
from jobsched.web.job_index import Entry
from jobsched.web.pages.rates import rates_of
from jobsched.web.pages.render import TheRenderer
from jobsched.web.problems import Problem
from jobsched.web.routes import TheClient

router = APIRouter(include_in_schema=False)

_PAGE = 50
_STRIP = 30
#: So many tags and owners are offered; others can be typed.
_OFFERED = 50
#: What a job may be asked to be.
STATES = ("failing", "running", "paused", "suspended", "by hand")


@router.get("/jobs", response_model=None)
def list_jobs(
    request: Request,
    client: TheClient,
    renderer: TheRenderer,
    *,
    search: Annotated[str, Query(max_length=200)] = "",
    tag: Annotated[str, Query(max_length=200)] = "",
    owner: Annotated[str, Query(max_length=200)] = "",
    state: Annotated[str, Query(max_length=20)] = "",
    after: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    if state and state not in STATES:
        raise Problem(422, "invalid", f"{state!r} is nothing that a job may be; there are {', '.join(STATES)}")
    figures: Figures = request.app.state.figures
    filtered = bool(search or tag or owner or state)
    pauses, names = Pauses(client.pauses()), figures.job_names()
    # Without a filter it is only for what to filter by: that need not be waited for so long.
    entries = figures.entries.get() if filtered else figures.entries.get(figures.patience / 4)
    in_state = _in_state(state, entries or (), pauses, figures)

    def wanted(entry: Entry) -> bool:
        return (
            search.casefold().strip() in entry.text
            and (not tag or tag in entry.tags)
            and (not owner or owner == entry.owner)
            and (in_state is None or entry.name in in_state)
        )

    if entries is not None and filtered:
        names = [entry.name for entry in entries if wanted(entry)]
    page = list(islice((name for name in names if name > after), _PAGE + 1))
    shown = page[:_PAGE]
    recent = client.recent_runs(shown, _STRIP)
    return renderer.page(
        "jobs.html",
        request,
        jobs=client.jobs(shown) if shown else [],
        count=len(names),
        recent=recent,
        rates={name: rates_of(glances) for name, glances in recent.items()},
        pauses=pauses,
        filters={"search": search, "tag": tag, "owner": owner, "state": state},
        states=STATES,
        tags=_offered(tag for entry in entries or () for tag in entry.tags),
        owners=_offered(entry.owner for entry in entries or () if entry.owner),
        being_counted=(state == "failing" and in_state is None) or (entries is None and filtered),
        after=after,
        following=shown[-1] if len(page) > _PAGE else None,
    )


def _offered(words: Iterable[str]) -> list[str]:
    counted: Counter[str] = Counter(words)
    return sorted(word for word, _ in counted.most_common(_OFFERED))


def _in_state(state: str, entries: Collection[Entry], pauses: Pauses, figures: Figures) -> Collection[str] | None:
    """Names of the jobs that are so; None: all of them, or nobody knows yet."""
    match state:
        case "failing":
            return figures.failing.get()
        case "running":
            return figures.running_jobs()
        case "paused":
            return {entry.name for entry in entries if pauses.of_job(entry.name) is not None}
        case "suspended":
            return {entry.name for entry in entries if entry.suspended}
        case "by hand":
            return {entry.name for entry in entries if not entry.schedule}
        case _:
            return None
