"""What a node starts with: its files' state, or the stored one where the files are not to be applied or not valid."""

import os
from dataclasses import dataclass
from pathlib import Path

from jobsched.cli.errors import print_diagnostics
from jobsched.cli.output import say
from jobsched.cli.target import load_and_warn
from jobsched.config.load import DEFAULT_NAMESPACE, read_head
from jobsched.errors import ConfigError
from jobsched.model.desired import DesiredState
from jobsched.runner.signature import Signature, signature


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFiles:
    """`desired`: with the files' jobs, or their namespace and settings alone. `refused`: why the files are not valid."""

    desired: DesiredState
    seen: Signature
    followed: bool  #: applied now, or once they are valid
    refused: str | None = None


def read_files(paths: list[Path], *, last_good: bool, no_sync: bool, database: str | None) -> NodeFiles:
    """Raises ConfigError when the files are needed and not valid."""
    # Before they are read, so that an edit in between is seen as one.
    seen = signature(paths)
    if no_sync:
        return NodeFiles(desired=_head(paths, database), seen=seen, followed=False)
    try:
        return NodeFiles(desired=load_and_warn(paths), seen=seen, followed=True)
    except ConfigError as error:
        if not last_good:
            raise
        print_diagnostics(error)
        head = _head(paths, database)
        say("the files are not valid; this node runs the last good generation until they are", err=True)
        return NodeFiles(desired=head, seen=seen, followed=True, refused=str(error))


def _head(paths: list[Path], database: str | None) -> DesiredState:
    """The files' namespace and settings; the defaults if they cannot be read and the database is known without them."""
    try:
        return read_head(paths)
    except ConfigError:
        if not (database or os.environ.get("JOBSCHED_DATABASE_URL")):
            raise
        return DesiredState(namespace=DEFAULT_NAMESPACE, jobs={}, content_hash="")
