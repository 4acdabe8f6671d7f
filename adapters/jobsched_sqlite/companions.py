"""The files beside the database: `-wal` has what was written and does not stand in the database yet, `-shm` finds it there.

SQLite keeps both for as long as anybody has the database open. Whoever removes them meanwhile makes two databases of one: those
who have it open write on into files without a name, and whoever opens it afterwards neither sees that nor minds their locks.
"""

import os
import sqlite3
import threading
import weakref
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from jobsched.clock import Clock
from jobsched.errors import StoreLostError

FileId = tuple[int, int]  #: device and inode
_SECONDS_BETWEEN_LOOKS = 1.0


def file_at(path: Path | str) -> FileId | None:
    """The file that is there now."""
    try:
        found = os.stat(path)  # noqa: PTH116 - this is on the way of each commit
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


class Files(NamedTuple):
    """A database with its companions."""

    main: FileId | None
    wal: FileId | None
    shm: FileId | None

    @classmethod
    def at(cls, path: Path) -> "Files":
        real = os.path.realpath(path)  # it is there that SQLite puts them
        return cls(file_at(real), file_at(f"{real}-wal"), file_at(f"{real}-shm"))

    @property
    def are_whole(self) -> bool:
        return None not in self

    def only_lack_of(self, opened: "Files") -> bool:
        """Whether all that is here is what was opened: then nobody has opened the database since."""
        return self.wal in (None, opened.wal) and self.shm in (None, opened.shm)


class Watched(sqlite3.Connection):
    """A connection that knows the files it has opened."""

    opened: Files | None = None  #: None: it is closed, or the database was not in WAL mode then
    companions: "Companions | None" = None

    def close(self) -> None:
        if self.companions is None or self.companions.may_close(self):
            self.opened = None
            super().close()


class Companions:
    """Thread-safe. Of all connections of a store: whether the files that they have open are those that others find."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path, self._clock = path, clock
        self._lock = threading.Lock()
        self._connections: weakref.WeakSet[Watched] = weakref.WeakSet()
        self._next_look = 0.0
        self._lost: str | None = None

    def watch(self, connection: Watched) -> None:
        """It has read, and so opened all that it will: while it is open, SQLite neither removes nor replaces these."""
        with suppress(OSError):
            files = Files.at(self._path)
            if files.are_whole:
                self._note(connection, files)

    def _note(self, connection: Watched, files: Files) -> None:
        with self._lock:
            connection.opened, connection.companions = files, self
            self._connections.add(connection)

    def forked(self) -> None:
        """In a child: the connections are the parent's."""
        self._lock, self._connections = threading.Lock(), weakref.WeakSet()

    def look(self) -> None:
        """StoreLostError once they are others, and ever after; looks once a second, since it is asked before each transaction."""
        now = self._clock.monotonic()
        if self._lost is None and now >= self._next_look:
            self._look_now(now)
        if self._lost is not None:
            raise StoreLostError(self._lost)

    def _look_now(self, now: float) -> None:
        with self._lock, suppress(OSError):  # whoever may not look there will be told by the question that follows
            self._next_look = now + _SECONDS_BETWEEN_LOOKS
            here = Files.at(self._path)
            # Where the database itself is another one, a new connection is made to that.
            mine = [it for it in self._connections if it.opened is not None and it.opened.main == here.main]
            if self._lost is None and any(it.opened != here for it in mine):
                self._lost = self._lose(mine, here)

    def _lose(self, connections: list[Watched], here: Files) -> str:
        untouched = all(it.opened is not None and here.only_lack_of(it.opened) for it in connections)
        saved = untouched and any(_checkpoint(it) for it in connections)
        return (
            f"{self._path}-wal or -shm was removed or replaced while this process had the database open, so that others"
            " do not see what it writes: end all programs that have it open, then start them again; "
            + (
                "what this one had written is saved in the database"
                if saved
                else "what was written since its last checkpoint may be lost: look with PRAGMA integrity_check, and for a backup"
            )
        )

    def may_close(self, connection: Watched) -> bool:
        """The last to close writes its `-wal` into the database and removes what has this name: never if others wrote there.

        Then it is left to the end of the process, as after a kill.
        """
        if self._lost is None or connection.opened is None or not _wrote_others(self._path, connection.opened):
            return True
        import ctypes  # costs milliseconds, and is hardly ever needed

        ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))  # the interpreter's end would close it
        return False


def _wrote_others(path: Path, opened: Files) -> bool:
    with suppress(OSError):
        here = Files.at(path)
        if here.main != opened.main or here.wal is None:
            return False
        if here.wal == opened.wal:
            return here.shm not in (None, opened.shm)
        return os.stat(f"{os.path.realpath(path)}-wal").st_size > 0  # noqa: PTH116 - as above
    return False


def _checkpoint(connection: sqlite3.Connection) -> bool:
    """Write all of `-wal` into the database; whether that was done. While nobody else has opened it, no locks are missed."""
    with suppress(sqlite3.Error):
        busy, _, _ = connection.execute("pragma wal_checkpoint(full)").fetchone()
        return not busy
    return False
