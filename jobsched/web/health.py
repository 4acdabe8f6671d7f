"""/healthz and /readyz: for whoever starts and stops this process. They tell nothing of what it does."""

from collections.abc import Callable

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from jobsched.client import Client
from jobsched.clock import Clock
from jobsched.errors import JobschedError
from jobsched.web import shapes
from jobsched.web.problems import Problem
from jobsched.web.routes import answers

router = APIRouter(tags=["health"])

_OK = {"status": "ok"}
#: Anybody may ask, so the database is not asked more often than this.
_LOOK_SECONDS = 1.0


@router.get("/healthz", **answers(shapes.Health, "The process works; whether the database does is another question."))
async def healthz(request: Request) -> JSONResponse:
    if not request.app.state.alive():
        raise Problem(503, "not_alive", "the loops of this node do not turn any more")
    return JSONResponse(_OK)


@router.get("/readyz", **answers(shapes.Health, "The database answers, and its schema fits."))
def readyz(request: Request) -> JSONResponse:
    readiness: Readiness = request.app.state.readiness
    if (lack := readiness.lack()) is not None:
        raise Problem(503, "not_ready", lack)
    return JSONResponse(_OK)


class Readiness:
    """Whether the store can be asked, looked at now and then."""

    def __init__(self, client: Client, clock: Clock, ending: Callable[[], bool]) -> None:
        self._client, self._clock, self._ending = client, clock, ending
        self._looked: tuple[float, str | None] | None = None

    def lack(self) -> str | None:
        """What is missing; None if nothing is."""
        if self._ending():
            return "this process is ending"
        now = self._clock.monotonic()
        if self._looked is None or now - self._looked[0] >= _LOOK_SECONDS:
            self._looked = now, self._look()
        return self._looked[1]

    def _look(self) -> str | None:
        try:
            state = self._client.store.schema().state
        except JobschedError:
            return "the database cannot be reached"
        return None if state == "current" else f"the database's schema is {state}"
