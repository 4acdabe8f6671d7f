"""Who else may change what a node runs: its files, the modules of its handlers, and the folders that these lie in."""

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path

from jobsched.model.desired import DesiredState
from jobsched.model.handler import PythonHandler


def exposures(paths: Sequence[Path], imports: Sequence[str], desired: DesiredState) -> list[str]:
    """A sentence each, with what to do; empty if only root and the user of this process may change anything.

    Modules are found, not imported: a package is, once it has been looked at, where a module of it is meant.
    """
    if not hasattr(os, "statvfs"):
        return []  # permissions are something else there
    modules = [*imports, *_modules_of(desired)]
    found = [*_exposed(_with_folders(Path(file) for file in [*map(str, paths), *desired.files]))]
    for module in dict.fromkeys(modules):
        found += _exposed_module(module)
    return list(dict.fromkeys(found))


def writable_by_others(status: os.stat_result) -> bool:
    """A group with the number of its user is that user's own, which is how many systems set people up."""
    by_group = status.st_mode & stat.S_IWGRP and status.st_gid not in {0, status.st_uid}
    return bool(by_group or status.st_mode & stat.S_IWOTH)


def _modules_of(desired: DesiredState) -> Iterator[str]:
    for job in desired.jobs.values():
        if isinstance(job.handler, PythonHandler) and ":" in job.handler.name:
            yield job.handler.name.partition(":")[0]


def _exposed_module(name: str) -> list[str]:
    """Of the first part of it that is exposed: to find what is below would run that."""
    parts = name.split(".")
    for length in range(1, len(parts) + 1):
        spec = _spec(".".join(parts[:length]))
        if spec is None or spec.origin is None or not spec.has_location:
            return []
        if found := _exposed(_with_folders([Path(spec.origin)])):
            return found
    return []


def _spec(module: str) -> ModuleSpec | None:
    try:
        return find_spec(module)
    except (Exception, SystemExit):  # noqa: BLE001 - importing a package runs whatever it does; who needs it says so
        return None


def _with_folders(files: Iterable[Path]) -> list[Path]:
    """Files with all folders above them, of the links as of what they lead to: who may write one may replace the next."""
    found: dict[Path, None] = {}
    for file in files:
        for path in (file.absolute(), file.resolve()):
            found |= dict.fromkeys((path, *path.parents))
    return list(found)


def _exposed(paths: Iterable[Path]) -> list[str]:
    return [text for path in paths for text in _reasons(path)]


def _reasons(path: Path) -> Iterator[str]:
    try:
        status = path.stat()
        if os.statvfs(path).f_flag & os.ST_RDONLY:
            return
    except OSError:  # whoever reads it says what is wrong
        return
    # In a folder like /tmp everybody may add, and nobody replace.
    if writable_by_others(status) and not status.st_mode & stat.S_ISVTX:
        yield f"users other than its owner can write {path}: chmod go-w {path}"
    if status.st_uid not in {0, os.geteuid()}:
        yield f"{path} belongs to user {status.st_uid}, who is neither root nor the one who runs this: chown it"
