"""The files that PATHs name, read once: what is parsed is what is hashed."""

import hashlib
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jobsched.config.diagnostics import Diagnostic, Diagnostics
from jobsched.config.document import MAX_BYTES
from jobsched.config.permissions import writable_by_others

SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Source:
    """A file's name as it was given, and its bytes. `writable_by_others`: somebody but its owner may change it."""

    name: str
    content: bytes
    writable_by_others: bool = False


def files_of(paths: Sequence[Path]) -> list[Path]:
    """The files that these paths stand for, in order: a folder is its *.yaml and *.yml, sorted. Each file once.

    Raises FileNotFoundError for a folder without any, and OSError for one that cannot be read.
    """
    once: dict[str, Path] = {}
    for path in paths:
        for file in _inside(path) if path.is_dir() else [path]:
            once.setdefault(os.path.realpath(file), file)
    return list(once.values())


def _inside(folder: Path) -> list[Path]:
    files = sorted(each for each in folder.iterdir() if each.suffix in SUFFIXES and not each.name.startswith("."))
    if not files:
        raise FileNotFoundError(f"the folder {folder} has no *.yaml or *.yml")
    return files


def read_sources(paths: Sequence[Path], found: Diagnostics) -> list[Source]:
    """The files' contents; one that cannot be read is an error in `found` and left out."""
    sources: dict[str, Source] = {}
    for path in paths:
        try:
            files = files_of([path])
        except OSError as error:
            found.add(_unreadable(path, error))
            continue
        for file in files:
            try:
                sources.setdefault(os.path.realpath(file), _read(file))
            except OSError as error:
                found.add(_unreadable(file, error))
    return list(sources.values())


def content_hash(sources: Sequence[Source]) -> str:
    """SHA-256 over the bytes in the order given, hex; of one file it is what sha256sum says. Names do not count."""
    return hashlib.sha256(b"\0".join(source.content for source in sources)).hexdigest()


class _NamedPipeError(OSError):
    """Opening it would wait for a writer, maybe for ever."""


def _read(path: Path) -> Source:
    if _is_named_pipe(path):
        raise _NamedPipeError
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        return Source(str(path), file.read(MAX_BYTES + 1), stat.S_ISREG(status.st_mode) and writable_by_others(status))


def _is_named_pipe(path: Path) -> bool:
    # What a shell pipes in (`… | jobsched validate /dev/stdin`, `<(…)`) has a writer already.
    handed_over = path.absolute().parts[1:2] in {("dev",), ("proc",)}
    return not handed_over and stat.S_ISFIFO(path.stat().st_mode)


def _unreadable(path: Path, error: OSError) -> Diagnostic:
    match error:
        case FileNotFoundError() if error.errno is None:
            message, hint = str(error), "name a file, or put one there"
        case FileNotFoundError():
            message, hint = "no such file", "write it, or give the path of another"
        case _NamedPipeError():
            message = "is a named pipe, and reading it might wait for ever"
            hint = "give a regular file, or pipe it in and give /dev/stdin"
        case PermissionError():
            message, hint = "permission denied", "let the user that runs jobsched read it"
        case _:
            message, hint = f"cannot be read: {error.strerror or error}", ""
    return Diagnostic(str(path), 1, 1, "error", "", message, hint)
