"""One job from a mapping in the words of jobs.yaml: what programs declare at run time, held to the same rules as a file."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from jobsched.config.diagnostics import Diagnostic, path_text, visible
from jobsched.config.load import check_sources
from jobsched.config.shared_limits import disagreements
from jobsched.config.sources import Source
from jobsched.errors import DefinitionError
from jobsched.model.job import Job


def job_of(namespace: str, name: str, definition: Mapping[str, Any]) -> Job:
    """The job. Raises DefinitionError with all that is wrong, each with its field."""
    try:
        text = json.dumps({"namespace": namespace, "jobs": {name: definition}}, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise DefinitionError(str(name)[:100], [("", f"it is no JSON: {error}")]) from None
    # JSON is YAML: what a file may say, and what it is told, is what may be said here.
    loaded = check_sources([Source("definition", text.encode())])
    if loaded.state is None:
        errors = [found for found in loaded.diagnostics if found.severity == "error"]
        raise DefinitionError(name[:100], [_problem(name, found) for found in errors])
    return loaded.state.jobs[name]


def check_shared_limit(job: Job, others: Iterable[Job]) -> None:
    """Raise DefinitionError if the job shares its concurrency key with one that has another limit."""
    declared = {other.name: other.concurrency for other in others if other.name != job.name}
    # As the last one: it is the one that disagrees.
    found = [each for name, each in disagreements({**declared, job.name: job.concurrency}) if name == job.name]
    if found:
        raise DefinitionError(job.name, [(path_text(each.path), each.message) for each in found])


def _problem(name: str, found: Diagnostic) -> tuple[str, str]:
    hint = f" ({found.hint})" if found.hint else ""
    field = found.path.removeprefix(f"jobs.{name}").removeprefix(".")
    return visible(field), visible(found.message + hint)
