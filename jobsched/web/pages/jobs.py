"""/jobs: all of them, with what became of their last runs; searched, and a page at a time."""

from itertools import islice
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from jobsched.model.pause import Pauses
from jobsched.web.job_index import Entry, JobIndex
from jobsched.web.pages.render import TheRenderer
from jobsched.web.routes import TheClient

router = APIRouter(include_in_schema=False)

_PAGE = 50
_STRIP = 30


@router.get("/jobs", response_model=None)
def list_jobs(
    request: Request,
    client: TheClient,
    renderer: TheRenderer,
    *,
    search: Annotated[str, Query(max_length=200)] = "",
    tag: Annotated[str, Query(max_length=200)] = "",
    paused: bool = False,
    after: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    pauses = Pauses(client.pauses())
    index: JobIndex = request.app.state.job_index

    def wanted(entry: Entry) -> bool:
        return (
            entry.name > after
            and search.casefold().strip() in entry.text
            and (not tag or tag in entry.tags)
            and (not paused or pauses.of_job(entry.name) is not None)
        )

    names = [entry.name for entry in islice(filter(wanted, index.entries()), _PAGE + 1)]
    shown = names[:_PAGE]
    return renderer.page(
        "jobs.html",
        request,
        jobs=client.jobs(shown) if shown else [],
        recent=client.recent_runs(shown, _STRIP),
        pauses=pauses,
        search=search,
        tag=tag,
        paused=paused,
        after=after,
        following=shown[-1] if len(names) > _PAGE else None,
    )
