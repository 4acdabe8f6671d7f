"""`validate --handlers`: whether Python handlers can be imported, and whether payloads fit their signatures."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from jobsched.config.diagnostics import Diagnostic
from jobsched.errors import PayloadError, UnknownHandlerError
from jobsched.handlers.registry import Registry, check_payload, default_registry
from jobsched.model.desired import DesiredState
from jobsched.model.handler import PythonHandler
from jobsched.model.job import Job
from jobsched.model.report import RUN_FIELDS

#: With `cut`, which only what is very large has: a handler that does not take it would fail when it is needed most.
_A_FAILED_RUN = dict.fromkeys((*RUN_FIELDS, "cut"))


def check_handlers(state: DesiredState, paths: Sequence[Path]) -> list[Diagnostic]:
    """Errors of jobs whose handler cannot be imported or whose payload does not fit, each at its job's place; warnings of
    decorators that say otherwise than the file.
    """
    put_on_path(paths)
    try:
        default_registry.imports(state.settings.imports)
    except UnknownHandlerError as error:
        return [Diagnostic(str(paths[0]), 1, 1, "error", "settings.imports", str(error))]
    errors = [
        _diagnostic(state, job, *problem) for job in state.jobs.values() for problem in _problems(job, default_registry)
    ]
    warnings = [
        replace(_diagnostic(state, job, "handler", warning), severity="warning")
        for job in state.jobs.values()
        if (warning := _options_without_effect(job, default_registry))
    ]
    return errors + warnings


def put_on_path(paths: Sequence[Path]) -> None:
    """The folder of the first PATH comes first on sys.path, so that a module beside jobs.yaml is found."""
    first = paths[0] if paths[0].is_dir() else paths[0].parent
    sys.path.insert(0, str(first.resolve()))


def _problems(job: Job, registry: Registry) -> Iterator[tuple[str, str]]:
    """The fields that are wrong, and why."""
    if isinstance(job.handler, PythonHandler) and (problem := _problem(job.handler, job.payload, registry)):
        yield problem
    failed = job.on_failure and job.on_failure.handler
    if isinstance(failed, PythonHandler) and (problem := _problem(failed, _A_FAILED_RUN, registry)):
        yield "on_failure", problem[1]


def _options_without_effect(job: Job, registry: Registry) -> str | None:
    """What the decorator says and the job does not: whoever wrote it may expect it to hold for the job too."""
    if not isinstance(job.handler, PythonHandler):
        return None
    try:
        options = registry.resolve(job.handler.name).options
    except UnknownHandlerError:
        return None
    other = [field for field in options.given if getattr(job, field) != getattr(options, field)]
    if not other:
        return None
    return f"@handler says another {' and '.join(other)}, which holds for enqueued runs; a job goes by its file alone"


def _problem(handler: PythonHandler, payload: Mapping[str, Any], registry: Registry) -> tuple[str, str] | None:
    try:
        check_payload(registry.resolve(handler.name), payload)
    except UnknownHandlerError as error:
        return "handler", str(error)
    except PayloadError as error:
        return "payload", str(error)
    return None


def _diagnostic(state: DesiredState, job: Job, field: str, message: str) -> Diagnostic:
    file, line, column = state.positions.get(job.name, (state.files[0] if state.files else "", 1, 1))
    return Diagnostic(file, line, column, "error", f"jobs.{job.name}.{field}", message)
