"""SQLite's errors, told as the port's: what happened to which file, and what to do next."""

import os
import sqlite3
from pathlib import Path

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from jobsched.errors import SchemaError, StoreBrokenError, StoreError, StoreUnavailableError

#: Primary result codes that pass by themselves.
_PASSING = {"SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_PROTOCOL", "SQLITE_INTERRUPT"}
#: Those that are not about what was asked.
_BROKEN = {"SQLITE_FULL", "SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_IOERR", "SQLITE_NOMEM"}
_HINTS = {
    "SQLITE_FULL": "the disk is full, or a limit on file sizes was met: make room",
    "SQLITE_CORRUPT": "the file is damaged: restore a backup; PRAGMA integrity_check says where",
    "SQLITE_NOTADB": "the file is no SQLite database: is the path right?",
    "SQLITE_READONLY": "this user may not write the file or its folder: mind the owner and the mode of both",
    "SQLITE_CANTOPEN": "the file cannot be opened: mind the folder, its mode, and the number of open files (ulimit -n)",
    "SQLITE_PERM": "this user may not open the file: mind its owner and mode",
    "SQLITE_IOERR": "the system could not read or write: see its log, and the room on the disk",
    "SQLITE_NOMEM": "memory has run out",
    "SQLITE_CONSTRAINT": "a rule of the schema refused it; this is a fault of jobsched, please report it",
}


class translated:  # noqa: N801 - in use it is a word of a statement
    """Raise the port's errors for SQLite's. A class, since a generator costs twice as much, around each statement."""

    __slots__ = ("_path",)

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if error is not None and (told := _as_told(self._path, error)) is not None:
            raise told from error


def _as_told(path: Path, error: BaseException) -> StoreError | None:
    if isinstance(error, PoolTimeoutError):
        return StoreUnavailableError(f"{path}: all connections of this process were busy for too long")
    if isinstance(error, DBAPIError):
        return _told(path, error.orig)
    if isinstance(error, sqlite3.Error):
        return _told(path, error)
    if isinstance(error, OSError):
        return StoreBrokenError(
            f"{path} cannot be looked at: {error}; mind the owner and the mode of the folders above"
        )
    if isinstance(error, OverflowError | UnicodeEncodeError):
        return StoreError(f"{path}: a value cannot be stored: {error}")
    return None


def _told(path: Path, error: BaseException | None) -> StoreError:
    name = getattr(error, "sqlite_errorname", None) or ""
    if _is_one_of(name, _PASSING):
        return StoreUnavailableError(f"{path} is locked by another process ({name}: {error}); it is worth trying again")
    if not path.exists():
        return StoreBrokenError(_why_missing(path))
    if "no such table" in str(error):
        return SchemaError(f"{path} has no schema yet ({error}); run: jobsched db upgrade")
    hint = next((hint for code, hint in _HINTS.items() if _is_one_of(name, {code})), "")
    kind = StoreBrokenError if _is_one_of(name, _BROKEN) else StoreError
    return kind(f"{path}: {name or 'error'}: {error}" + (f"; {hint}" if hint else ""))


def _why_missing(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"{path} cannot be: the folder {folder} does not exist; make it, or mend the database's URL"
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"{path} does not exist, and this user may not write in {folder}: mind its owner and mode"
    return f"{path} does not exist; `jobsched db upgrade` makes it"


def _is_one_of(name: str, codes: set[str]) -> bool:
    """An extended code (SQLITE_BUSY_SNAPSHOT) is one of its primary code."""
    return any(name == code or name.startswith(f"{code}_") for code in codes)
