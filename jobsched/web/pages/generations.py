"""/generations: what was applied when and by whom; of one of them, what it changed."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from jobsched.config.definition_text import as_yaml
from jobsched.web.pages.render import TheRenderer
from jobsched.web.problems import Problem
from jobsched.web.routes import TheClient

router = APIRouter(include_in_schema=False)

_PAGE = 20
#: Jobs of one generation on a page: each has its whole difference there.
_JOBS = 50
#: A value is shown up to so many characters.
_LARGE = 4000


@router.get("/generations", response_model=None)
def list_generations(
    request: Request,
    client: TheClient,
    renderer: TheRenderer,
    limit: Annotated[int, Query(ge=1, le=200)] = _PAGE,
) -> Response:
    found = client.generations(limit + 1)
    return renderer.page(
        "generations.html",
        request,
        generations=found[:limit],
        more=min(200, limit * 5) if len(found) > limit and limit < 200 else None,
    )


@router.get("/generations/{number}", response_model=None)
def show_generation(
    number: Annotated[int, Path(ge=1, le=2**63 - 1)],
    request: Request,
    client: TheClient,
    renderer: TheRenderer,
    after: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> Response:
    record = client.store.record(client.namespace, number)
    if record is None:
        raise Problem(404, "not_found", f"there is no generation {number}; the newest thousand are kept")
    changes = record.changes or {}
    jobs = list(changes.get("jobs", {}).items())
    return renderer.page(
        "generation.html",
        request,
        one=record.generation,
        kept=record.changes is not None,
        jobs=[(name, told["action"], _lines(told["fields"])) for name, told in jobs[after : after + _JOBS]],
        before=None if after == 0 else max(0, after - _JOBS),
        more=after + _JOBS if len(jobs) > after + _JOBS else None,
        all_of_them=len(jobs),
        left_out=changes.get("left_out", 0),
        limits={
            queue: json.dumps(limits, ensure_ascii=False)
            for queue, limits in record.generation.summary.get("queues", {}).items()
        },
        newest=next(iter(client.generations(1)), record.generation).number,
    )


def _lines(fields: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """As a difference of two texts: what was, and what is."""
    lines = []
    for field in fields:
        for sign, value in (("-", field["old"]), ("+", field["new"])):
            if value is not None:
                text = as_yaml({field["field"]: value})[:_LARGE]
                lines += [(sign, line) for line in text.rstrip("\n").split("\n")]
    return lines
