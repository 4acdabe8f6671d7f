"""The ASGI application: routes, errors and OpenAPI behind the gate."""

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.responses import Response

from jobsched._version import __version__
from jobsched.client import Client
from jobsched.clock import Clock, SystemClock
from jobsched.errors import FileJobError, JobExistsError, JobschedError
from jobsched.model.overview import Place
from jobsched.web import (
    alerts,
    audit,
    batches,
    changes,
    documents,
    health,
    jobs,
    logs,
    metrics,
    nodes,
    problems,
    queues,
    runs,
)
from jobsched.web.access import Access
from jobsched.web.figures import Figures
from jobsched.web.gate import Asked, Failures, Gate
from jobsched.web.health import Readiness
from jobsched.web.job_index import JobIndex
from jobsched.web.kept import PATIENCE
from jobsched.web.pages import audit as audit_page
from jobsched.web.pages import doctor, generations, login, now, runs_list, static, week
from jobsched.web.pages import job as job_page
from jobsched.web.pages import jobs as jobs_page
from jobsched.web.pages import nodes as nodes_page
from jobsched.web.pages import queues as queues_page
from jobsched.web.pages import run as run_page
from jobsched.web.pages.render import Renderer
from jobsched.web.pages.site import is_page
from jobsched.web.routes import EVERYWHERE
from jobsched.web.sessions import Sessions
from jobsched.web.streams import Streams

log = logging.getLogger("jobsched")

_ROUTERS = (
    jobs.router,
    runs.router,
    logs.router,
    batches.router,
    queues.router,
    nodes.router,
    alerts.router,
    documents.router,
    changes.router,
    audit.router,
)
_PAGES = (
    now.router,
    jobs_page.router,
    job_page.router,
    runs_list.router,
    run_page.router,
    week.router,
    queues_page.router,
    nodes_page.router,
    generations.router,
    doctor.router,
    audit_page.router,
    login.router,
    static.router,
)


class Web:
    """An ASGI application over a client. `streams.end()` is called before it is shut down, in its event loop."""

    def __init__(
        self,
        client: Client,
        access: Access,
        *,
        clock: Clock | None = None,
        alive: Callable[[], bool] = lambda: True,
        root_path: str = "",
        patience: float = PATIENCE,
    ) -> None:
        """`alive`: whether what this process does beside serving goes on; `root_path`: where a proxy puts it; `patience`:
        how many seconds a page waits for a figure that is being counted.
        """
        clock = clock or SystemClock()
        self.streams = Streams(clock)
        self.app = FastAPI(
            title="jobsched",
            version=__version__,
            docs_url=None,
            redoc_url=None,
            openapi_url="/api/openapi.json",
            responses=EVERYWHERE,
            redirect_slashes=False,
        )
        # Set here, since to give it to FastAPI is deprecated: it is the proxy that takes it off each path.
        self.app.root_path = root_path
        state = self.app.state
        state.client, state.access, state.streams, state.alive = client, access, self.streams, alive
        state.job_index = JobIndex(client)
        state.figures = Figures(client, state.job_index, clock, patience)
        state.readiness = Readiness(client, clock, lambda: self.streams.ending)
        state.scraped = metrics.Scraped(client, clock)
        self.app.include_router(health.router)
        self.app.include_router(metrics.router)
        sessions = Sessions(access, clock)
        state.sessions, state.failures = sessions, Failures(clock)
        state.renderer = Renderer(client, access, sessions, root_path)
        for router in (*_ROUTERS, *_PAGES):
            self.app.include_router(router)
        self._answer_errors()
        self.app.openapi = self._openapi  # type: ignore[method-assign]  # FastAPI's own way to change it
        self.asgi = Gate(self.app, access, sessions, state.failures, self._refusal)

    def prepare(self) -> None:
        """Do what would hold up who looks first: read the templates, and begin to count. In threads of its own."""
        threading.Thread(target=self.app.state.renderer.prepare, name="jobsched-templates", daemon=True).start()
        self.app.state.figures.prepare()

    def _answer_errors(self) -> None:
        def on(kind: type[Exception], problem: Callable[[Any], problems.Problem]) -> None:
            async def answer(request: Request, error: Exception) -> Response:
                told, renderer = problem(error), self.app.state.renderer
                if is_page(request.scope["path"]):
                    return await run_in_threadpool(renderer.problem, told, request)
                return told.response()

            self.app.add_exception_handler(kind, answer)

        on(problems.Problem, lambda error: error)
        on(JobschedError, lambda error: _told(error, self.app.state.client))
        on(RequestValidationError, problems.of_request)
        on(HTTPException, problems.of_http)
        on(Exception, lambda _: problems.internal())

    def _refusal(self, asked: Asked, problem: problems.Problem) -> Response:
        renderer: Renderer = self.app.state.renderer
        return renderer.refusal(asked.path if asked.reads else "/", problem) if asked.is_page else problem.response()

    def _openapi(self) -> dict[str, Any]:
        if self.app.openapi_schema is None:
            schema = get_openapi(
                title=self.app.title, version=self.app.version, routes=self.app.routes, summary=_SUMMARY
            )
            _say_problem_json(schema)
            schema["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
            schema["security"] = [{"token": []}, {}]
            self.app.openapi_schema = schema
        return self.app.openapi_schema


_SUMMARY = "Jobs, runs, queues and nodes of one namespace."


def _told(error: JobschedError, client: Client) -> problems.Problem:
    problem = problems.of_error(error, _declared(error, client))
    if problem.status == 500:
        log.error("an error that no caller can mend", exc_info=error)
    return problem


def _declared(error: JobschedError, client: Client) -> Place | None:
    """Where the job that it is about is declared; what is said of it does not depend on the database being there."""
    if not isinstance(error, FileJobError | JobExistsError):
        return None
    with suppress(JobschedError):
        return client.store.place(client.namespace, error.name)
    return None


def _say_problem_json(schema: dict[str, Any]) -> None:
    """Errors have a media type of their own, which FastAPI's models of answers have no place for."""
    for path in schema["paths"].values():
        for operation in path.values():
            for status, answer in operation["responses"].items():
                if status >= "400" and "application/json" in answer.get("content", {}):
                    answer["content"] = {problems.MEDIA_TYPE: answer["content"]["application/json"]}
