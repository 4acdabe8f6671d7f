"""`validate --handlers`: whether Python handlers can be imported, and whether payloads fit their signatures."""

import difflib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from jobsched.config.diagnostics import Diagnostic, Severity, Step
from jobsched.config.document import Document
from jobsched.config.messages import Finding
from jobsched.errors import PayloadError, UnknownHandlerError
from jobsched.handlers.registry import RegisteredHandler, check_payload, default_registry
from jobsched.model.desired import DesiredState
from jobsched.model.handler import PythonHandler
from jobsched.model.job import Job
from jobsched.model.report import RUN_FIELDS

#: With `cut`, which only what is very large has: a handler that does not take it would fail when it is needed most.
_A_FAILED_RUN = dict.fromkeys((*RUN_FIELDS, "cut"))


def check_handlers(
    state: DesiredState, documents: Mapping[str, Document], paths: Sequence[Path]
) -> Iterator[Diagnostic]:
    """What keeps handlers from being imported and payloads from being their arguments, at the fields that say so; warnings
    of decorators that say otherwise than the file.
    """
    put_on_path(paths)
    try:
        default_registry.imports(state.settings.imports)
    except UnknownHandlerError as error:
        assert state.settings_file is not None  # or it had no imports
        yield _diagnostic(documents[state.settings_file], (), Finding(("settings", "imports"), str(error)))
        return
    for severity, look in _LOOKS:
        for job in state.jobs.values():
            for finding in look(job):
                document = documents[state.positions[job.name][0]]
                yield _diagnostic(document, ("jobs", job.name), finding, severity)


def put_on_path(paths: Sequence[Path]) -> None:
    """The folder of the first PATH comes first on sys.path, so that a module beside jobs.yaml is found."""
    first = paths[0] if paths[0].is_dir() else paths[0].parent
    sys.path.insert(0, str(first.resolve()))


def _errors(job: Job) -> Iterator[Finding]:
    if isinstance(job.handler, PythonHandler):
        try:
            handler = default_registry.resolve(job.handler.name)
        except UnknownHandlerError as error:
            yield Finding(("handler",), str(error))
        else:
            yield from _misfits(handler, job)
    failed = job.on_failure and job.on_failure.handler
    if isinstance(failed, PythonHandler):
        try:
            check_payload(default_registry.resolve(failed.name), _A_FAILED_RUN)
        except (UnknownHandlerError, PayloadError) as error:
            yield Finding(("on_failure",), str(error), of_key=True)


def _misfits(handler: RegisteredHandler, job: Job) -> Iterator[Finding]:
    parameters = handler.parameters
    for name in parameters.unreachable:
        yield Finding(
            ("handler",), f"its parameter {name!r} cannot be given by name", "remove the `/` of its signature"
        )
    free = sorted((parameters.accepted or frozenset()) - job.payload.keys())
    meant = set()
    for name in parameters.unexpected(job.payload):
        nearest = difflib.get_close_matches(name, free, 1)
        meant.update(nearest)
        hint = f"did you mean {nearest[0]!r}?" if nearest else f"it takes {parameters.taken}"
        yield Finding(("payload", name), f"{handler.name} has no parameter {name!r}", hint, of_key=True)
    for name in parameters.missing(job.payload):
        # One mistake, one error: it is there, under a name that is nearly its own.
        if name not in meant:
            yield Finding(("payload",), f"{name!r} is missing, which {handler.name} needs", of_key=True)


def _warnings(job: Job) -> Iterator[Finding]:
    """What the decorator says in vain of the job: whoever wrote it may expect it to hold there too."""
    if not isinstance(job.handler, PythonHandler):
        return
    try:
        options = default_registry.resolve(job.handler.name).options
    except UnknownHandlerError:
        return
    said = {field: value for field in ("queue", "priority") if (value := getattr(options, field)) is not None}
    if other := [field for field, value in said.items() if getattr(job, field) != value]:
        what = f"@handler says another {' and '.join(other)}, which holds for enqueued runs"
        yield Finding(("handler",), f"{what}; a job's is what its file says")


_LOOKS: tuple[tuple[Severity, Callable[[Job], Iterator[Finding]]], ...] = (("error", _errors), ("warning", _warnings))


def _diagnostic(
    document: Document, below: tuple[Step, ...], finding: Finding, severity: Severity = "error"
) -> Diagnostic:
    """What comes from elsewhere (`defaults`, a payload that is not written) is said of the nearest that is written."""
    path, _ = document.existing(below + finding.path)
    of_key = finding.of_key or path != below + finding.path
    return document.diagnostic(path, finding.message, finding.hint, of_key=of_key, severity=severity)
