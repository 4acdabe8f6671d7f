"""The top of a file alone: its namespace and settings, for commands that ask a store and not the jobs."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from jobsched.config.diagnostics import Diagnostics
from jobsched.config.document import read
from jobsched.config.load import DEFAULT_NAMESPACE
from jobsched.config.schema import FileHead
from jobsched.config.sources import read_sources
from jobsched.config.values import settings_values
from jobsched.errors import ConfigError
from jobsched.model.state import DesiredState, Settings


def read_head(paths: Sequence[Path]) -> DesiredState:
    """The files' namespace and settings, without jobs; what is wrong with a job does not matter.

    Raises ConfigError if a file cannot be read as YAML at all, or its top is wrong.
    """
    found = Diagnostics()
    sources = read_sources(paths, found)
    namespace, settings, settings_file = DEFAULT_NAMESPACE, Settings(), None
    for source in sources:
        document = read(source.content, source.name, found)
        if document is None or not isinstance(document.value, dict):
            continue
        try:
            head = FileHead.model_validate({key: value for key, value in document.value.items() if key != "jobs"})
        except ValidationError:
            continue
        namespace = head.namespace or namespace
        if head.settings is not None:
            settings, settings_file = settings_values(head.settings), source.name
    if found.errors:
        raise ConfigError(found.in_order(source.name for source in sources))
    return DesiredState(namespace=namespace, jobs={}, settings=settings, content_hash="", settings_file=settings_file)
