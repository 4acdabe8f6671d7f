"""Copies of an SQLite database that is in use: consistent, proven, under a name of their own, and the old ones removed."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

#: Pages copied between two looks at whether to stop; 8 MiB of the usual size.
_STEP = 2048


@dataclass(frozen=True, slots=True)
class Copied:
    """A copy that took its name, and how many older ones went for it."""

    path: Path
    size: int  #: bytes
    pages: int
    removed: int


def copy_database(
    origin: Path, target: str, *, at: datetime, keep: int | None, during: Callable[[], object], mark: object
) -> Copied:
    """Copy `origin`, prove the copy, give it its name, and keep the newest `keep` copies (None: all).

    `target`: a folder (it exists, or the text ends with `/`), or a file name with strftime placeholders, which take
    `at` in UTC. A name without any is replaced. Only copies whose names are of that form are ever deleted.
    `during` is called now and then, and stops the copying by raising; `mark` tells copies apart that are made at once.
    Raises FileNotFoundError, ValueError on a target that cannot be, and sqlite3.Error.
    """
    if keep is not None and keep < 1:
        raise ValueError(f"keep is how many copies stay, at least 1, not {keep}")
    if not origin.is_file():
        raise FileNotFoundError(f"no database to copy: {origin} (in {Path.cwd()}) is not a file")
    folder, pattern = _destination(target, origin)
    if folder.resolve() / pattern == origin.resolve():
        raise ValueError(f"target is the database itself: {origin}")
    path = folder / at.strftime(pattern)
    # Raised before the work, not when the first old copy ought to go: what cannot be read back would pile up.
    datetime.strptime(path.name, pattern).replace(tzinfo=UTC)
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{path.name}.{mark}.partial"
    try:
        pages = _copy(origin, partial, during)
        partial.replace(path)
    finally:
        for leftover in (partial, Path(f"{partial}-wal"), Path(f"{partial}-shm"), Path(f"{partial}-journal")):
            leftover.unlink(missing_ok=True)
    removed = 0 if keep is None else _remove_old(folder, pattern, keep)
    return Copied(path, path.stat().st_size, pages, removed)


def _destination(target: str, origin: Path) -> tuple[Path, str]:
    """The folder, and the file name as a strftime pattern."""
    path = Path(target).expanduser()
    if target.endswith("/") or path.is_dir():
        return path, f"{_literal(origin.stem)}-%Y%m%dT%H%M%SZ{_literal(origin.suffix)}"
    if "%" in str(path.parent):
        raise ValueError(f"placeholders stand in the file name only, not in its folder: {target}")
    return path.parent, path.name


def _literal(text: str) -> str:
    return text.replace("%", "%%")


def _copy(origin: Path, path: Path, during: Callable[[], object]) -> int:
    """Write a consistent copy and prove it; the number of its pages."""
    # Made by us, so that nobody else can read it: a copy is as secret as the database.
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600))
    with (
        closing(sqlite3.connect(f"{origin.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)) as database,
        closing(sqlite3.connect(path, isolation_level=None)) as copy,
    ):
        # One read transaction around it all: without it, a write by another process makes the copying start again.
        database.execute("BEGIN")
        database.execute("SELECT count(*) FROM sqlite_master").fetchone()
        database.backup(copy, pages=_STEP, progress=lambda *_: during())
        # WAL belongs to a database in use; without it the copy is one file, whoever opens it.
        copy.execute("PRAGMA journal_mode = DELETE").fetchone()
        [(answer,), *_] = copy.execute("PRAGMA integrity_check(1)").fetchall()
        if answer != "ok":
            raise sqlite3.DatabaseError(f"the copy of {origin} is damaged, and so may be the database: {answer}")
        [pages] = copy.execute("PRAGMA page_count").fetchone()
    with path.open("rb") as written:
        os.fsync(written.fileno())
    return int(pages)


def _remove_old(folder: Path, pattern: str, keep: int) -> int:
    """Delete all but the newest copies, by the time in their names; how many."""
    dated = []
    for path in folder.iterdir():
        with suppress(ValueError):
            at = datetime.strptime(path.name, pattern).replace(tzinfo=UTC)
            if path.is_file() and at.strftime(pattern) == path.name:
                dated.append((at, path.name, path))
    old = sorted(dated, reverse=True)[keep:]
    for *_, path in old:
        path.unlink(missing_ok=True)
    return len(old)
