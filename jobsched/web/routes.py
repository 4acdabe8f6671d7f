"""What all routes share: the client, who asks, since when, and how a list goes on."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, TypeAlias
from urllib.parse import urlencode

from fastapi import Depends, Path, Query, Request
from starlette.datastructures import QueryParams
from starlette.responses import JSONResponse

from jobsched.client import Client
from jobsched.model.audit import Actor
from jobsched.model.instants import instant_or_ago
from jobsched.model.run import Run
from jobsched.web import shapes
from jobsched.web.access import Access
from jobsched.web.problems import Problem


def _client(request: Request) -> Client:
    client: Client = request.app.state.client
    actor: Actor = request.state.actor
    return client.acting_as(actor)


def _access(request: Request) -> Access:
    access: Access = request.app.state.access
    return access


#: It acts in the name of whoever asks, for the records.
TheClient: TypeAlias = Annotated[Client, Depends(_client)]
TheAccess: TypeAlias = Annotated[Access, Depends(_access)]
RunId: TypeAlias = Annotated[int, Path(ge=0, le=2**63 - 1)]
Limit: TypeAlias = Annotated[int, Query(ge=1, le=1000, description="How many at most.")]
Since: TypeAlias = Annotated[
    str | None, Query(description="Made since an RFC 3339 instant, or within a duration: 1h, 2d.")
]


def since_of(text: str, client: Client) -> datetime:
    """The instant. Raises Problem."""
    try:
        return instant_or_ago(text, client.store.now())
    except ValueError as error:
        raise Problem(422, "invalid", f"since: {error}") from None


def answers(
    shape: Any, what: str, status: int = 200, *problems: int, also: Mapping[int, str] | None = None
) -> dict[str, Any]:
    """Arguments of a route: what it answers, for OpenAPI alone, since what is answered is made to that shape.

    `also`: other statuses of the same shape.
    """
    good = {status: what, **(also or {})}
    described: dict[int | str, dict[str, Any]] = {
        each: {"model": shape, "description": text} for each, text in good.items()
    }
    for problem in (*problems, 422, 503):
        described[problem] = {"model": shapes.Problem, "description": _PROBLEMS[problem]}
    return {"status_code": status, "response_model": None, "responses": described}


#: Of every route: what the gate says before it is reached.
EVERYWHERE: dict[int | str, dict[str, Any]] = {
    status: {"model": shapes.Problem, "description": what}
    for status, what in {
        400: "Another Host, no JSON, or NUL in the address.",
        401: "No token, or a wrong one.",
        403: "The token's role does not suffice, or a page of another site asks.",
        408: "The body did not come in time.",
        413: "The body is too large.",
        415: "The body is of another kind.",
        429: "Too many wrong tokens from this address, or the queue is full.",
        500: "An error of the server; its log says more.",
    }.items()
}
_PROBLEMS = {
    404: "There is none.",
    409: "What is asked cannot be done now; `detail` says why.",
    412: "It was changed since the generation that `If-Match` names.",
    422: "What was sent is not valid; `detail` says where and why.",
    503: "The database is away or busy; try again later.",
}


def page(asked: QueryParams, items: list[Any], following: Mapping[str, Any] | None) -> JSONResponse:
    """A bare list, with a link to what comes after it; `following`: where that begins, None if this is the end."""
    headers = {}
    if following is not None:
        kept = [(key, value) for key, value in asked.multi_items() if key not in following]
        headers["Link"] = f'<?{urlencode([*kept, *following.items()])}>; rel="next"'
    return JSONResponse(items, headers=headers)


def older(runs: Sequence[Run], limit: int) -> dict[str, int] | None:
    """Where those begin that are older than these."""
    return {"before_id": runs[-1].id} if len(runs) == limit else None
