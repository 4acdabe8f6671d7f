"""Errors as HTTP tells them: problem details (RFC 9457), each with a word of ours that programs can rely on."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from jobsched.config.diagnostics import Diagnostic
from jobsched.config.diagnostics import as_json as diagnostic_as_json
from jobsched.errors import (
    BackfillError,
    ConfigError,
    DefinitionError,
    EnqueueError,
    FileJobError,
    JobChangedError,
    JobExistsError,
    JobschedError,
    NotFoundError,
    OutcomeUnknownError,
    PayloadError,
    QueueFull,
    RefusedError,
    ScheduleError,
    SchemaError,
    StoreUnavailableError,
    SyncError,
    UniqueKeyError,
    UnknownJobError,
    UnknownRunError,
)
from jobsched.model.overview import Place

MEDIA_TYPE = "application/problem+json"


class Problem(Exception):  # noqa: N818 - the word of the RFC
    """An answer that is an error. `code`: one word for programs; `more`: further members of the object."""

    def __init__(
        self, status: int, code: str, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail
        self.headers, self.more = dict(headers or {}), more

    def as_json(self) -> dict[str, Any]:
        """`type` is left to its default, `about:blank`: the title is then that of the status."""
        return {
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            **self.more,
        }

    def response(self) -> JSONResponse:
        return JSONResponse(self.as_json(), self.status, self.headers, media_type=MEDIA_TYPE)


#: The first that fits: what is derived stands before what it is derived from.
_STATUSES: tuple[tuple[type[JobschedError], int, str], ...] = (
    (UnknownJobError, 404, "unknown_job"),
    (UnknownRunError, 404, "unknown_run"),
    (NotFoundError, 404, "not_found"),
    (RefusedError, 409, "refused"),
    (UniqueKeyError, 409, "unique_key"),
    (JobExistsError, 409, "job_exists"),
    (FileJobError, 409, "file_job"),
    (JobChangedError, 412, "changed"),
    (SyncError, 409, "conflict"),
    (DefinitionError, 422, "invalid"),
    (QueueFull, 429, "queue_full"),
    (EnqueueError, 422, "invalid"),
    (PayloadError, 422, "invalid"),
    (ScheduleError, 422, "invalid"),
    (BackfillError, 422, "invalid"),
    (ConfigError, 422, "invalid"),
    (OutcomeUnknownError, 503, "outcome_unknown"),
    (StoreUnavailableError, 503, "store_unavailable"),
    (SchemaError, 503, "schema"),
)
_TRY_AGAIN_SECONDS = "5"
_MOST_ERRORS = 20


def of_error(error: JobschedError, declared: Place | None = None) -> Problem:
    """What jobsched raised, for whoever asked; 500 is what no caller can mend. `declared`: where the job that it is about is."""
    status, code = next(
        ((status, code) for kind, status, code in _STATUSES if isinstance(error, kind)), (500, "internal")
    )
    if status == 500:
        return internal()
    more: dict[str, Any] = {}
    if isinstance(error, ConfigError):
        more["diagnostics"] = [diagnostic_as_json(one) for one in error.diagnostics if isinstance(one, Diagnostic)]
    elif isinstance(error, DefinitionError):
        more["errors"] = [
            {"in": "definition", "path": field, "message": message} for field, message in error.problems[:_MOST_ERRORS]
        ]
    elif isinstance(error, JobExistsError | FileJobError):
        more["generation"] = error.generation
        if declared is not None:
            more |= {"file": declared.file, "line": declared.line}
    elif isinstance(error, JobChangedError):
        more["generation"] = error.generation
    elif isinstance(error, RefusedError):
        more["refused"] = error.refusal
    elif isinstance(error, UniqueKeyError):
        more["run"] = error.run_id
    elif isinstance(error, QueueFull):
        more |= {"queue": error.queue, "depth": error.depth, "limit": error.limit}
    headers = {"Retry-After": _TRY_AGAIN_SECONDS} if status in (429, 503) else {}
    detail = str(error) if declared is None else f"{declared.file}:{declared.line}: {error}"
    return Problem(status, code, detail, headers=headers, **more)


def internal() -> Problem:
    """Of what went wrong here nothing is told but that; the log has it."""
    return Problem(500, "internal", "this is an error of the server; its log says more")


def of_http(error: HTTPException) -> Problem:
    """What the framework says of routes: 404, 405."""
    codes = {404: "not_found", 405: "method_not_allowed"}
    details = {404: "there is nothing at this address; see /api/openapi.json", 405: "this address takes other methods"}
    detail = details.get(error.status_code, str(error.detail))
    return Problem(error.status_code, codes.get(error.status_code, "refused"), detail, headers=error.headers)


#: What pydantic puts into a place that names no field: which of two shapes a body was taken for.
_SHAPES = frozenset({"one", "many"})


def of_request(error: RequestValidationError) -> Problem:
    """What is wrong with parameters or body, each with its place."""
    errors = [
        {"in": str(one["loc"][0]), "path": _path(one["loc"][1:]), "message": one["msg"]} for one in error.errors()
    ]
    first = errors[0]
    where = f"{first['in']} {first['path']}".strip()
    more = f"; and {len(errors) - 1} more" if len(errors) > 1 else ""
    return Problem(422, "invalid", f"{where}: {first['message']}{more}", errors=errors[:_MOST_ERRORS])


def _path(place: Sequence[str | int]) -> str:
    steps = place[1:] if place and place[0] in _SHAPES else place
    text = ""
    for step in steps:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text
