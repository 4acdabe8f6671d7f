"""/metrics: what the database tells Prometheus; what a node tells of itself, `jobsched run --metrics` answers with."""

from functools import cache

from fastapi import APIRouter, Request
from starlette.responses import Response

from jobsched.client import Client
from jobsched.clock import Clock
from jobsched.errors import MissingExtraError
from jobsched.observe.metrics.database_metrics import DatabaseMetrics
from jobsched.web.problems import Problem

# It is no part of the JSON API, and its form is not ours to describe.
router = APIRouter(include_in_schema=False)


@router.get("/metrics")
def metrics(request: Request) -> Response:
    scraped: Scraped = request.app.state.scraped
    text, kind = scraped.metrics().text(request.headers.get("accept", ""))
    return Response(text, media_type=kind)


class Scraped:
    """The metrics of the client's namespace, made when they are first asked for: serving needs no extra for them."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._made = cache(lambda: DatabaseMetrics(client.store, [client.namespace], clock=clock))

    def metrics(self) -> DatabaseMetrics:
        """Raises Problem where prometheus_client is not installed."""
        try:
            return self._made()
        except MissingExtraError as error:
            raise Problem(501, "not_installed", str(error)) from None
