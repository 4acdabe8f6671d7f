"""Watcher: notices that the files have changed. Events are a doorbell; stat signatures decide, and the content hash after them.

Replacing a folder, or editing behind a symbolic link, makes no event at all, so a slow poll stands behind the doorbell.
"""

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jobsched.clock import Clock
from jobsched.runner.service import Service

log = logging.getLogger("jobsched")

#: Files must stand still for so long before they are read: an editor may be in the middle of writing.
QUIET_SECONDS = 0.25
#: And for so long when a file does not end a line: it looks cut off, and most such files are valid all the same.
UNFINISHED_SECONDS = 2.0
#: Files that never stand still are read all the same after so long; reading notices whether they changed meanwhile.
RESTLESS_SECONDS = 5.0
_POLL_SECONDS = 1.0

FileSignature = tuple[str, int, int, int, int, int]
Signature = tuple[FileSignature, ...]


def signature(paths: Sequence[Path]) -> Signature:
    """What `stat` says of the files (of a folder: of its YAML files), following links; a missing one is left out."""
    entries = []
    for path in paths:
        # Not the folder itself: files that come and go beside ours would keep it moving for ever.
        candidates = sorted(path.glob("*.y*ml")) if path.is_dir() else [path]
        for candidate in candidates:
            try:
                found = candidate.stat()
            except OSError:
                continue
            # ctime too: it alone betrays a file whose size and mtime were put back.
            entries.append(
                (str(candidate), found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
            )
    return tuple(entries)


class Watcher(Service):
    """Calls `on_change` once the files differ from when it last did, and stand still."""

    name = "watcher"

    def __init__(
        self,
        clock: Clock,
        paths: Sequence[Path],
        on_change: Callable[[], None],
        seen: Signature | None = None,
        *,
        follows: bool = True,
    ) -> None:
        """`seen`: the signature of what was read last; default: as the files are now. `follows` False: only when told to."""
        super().__init__(clock)
        self._paths, self._on_change, self._follows = paths, on_change, follows
        self._told = False
        self._handled = signature(paths) if seen is None else seen
        self._moving: Signature | None = None
        self._moved = self._restless_since = 0.0
        self._observer: Any = None

    def start(self) -> None:
        if self._follows:
            self._ring_on_events()
        super().start()

    def stop(self) -> None:
        super().stop()
        if self._observer is not None:
            self._observer.stop()

    def reload(self) -> None:
        """Treat the files as changed, whatever stat says (SIGHUP)."""
        self._told = True
        self.wake()

    def step(self) -> float | None:
        seen = signature(self._paths)
        if not self._told and (seen == self._handled or not self._follows):
            self._moving = None
            return _POLL_SECONDS if self._follows else None
        now = self.clock.monotonic()
        if self._moving is None:
            self._restless_since = now
        if seen != self._moving:
            self._moving, self._moved = seen, now
        quiet = QUIET_SECONDS if all(map(_ends_a_line, seen)) else UNFINISHED_SECONDS
        rest = min(self._moved + quiet, self._restless_since + RESTLESS_SECONDS) - now
        if rest > 0:
            return rest
        self._on_change()
        # Only now: had it failed, it would be called again.
        self._moving, self._handled, self._told = None, seen, False
        return _POLL_SECONDS if self._follows else None

    def _ring_on_events(self) -> None:
        """Have the system tell of changes at once; without that (no inotify left, say) polling goes on alone."""
        from watchdog import events
        from watchdog.observers import Observer

        wake = self.wake

        class Doorbell(events.FileSystemEventHandler):
            def on_any_event(self, event: events.FileSystemEvent) -> None:  # noqa: ARG002 - watchdog's signature
                # Nothing more: an exception here would kill watchdog's thread for good.
                wake()

        # Not each modification: an SQLite file in the same folder is written to all the time, and never closed.
        ends_of_writing: list[type[events.FileSystemEvent]] = [
            events.FileClosedEvent,
            events.FileCreatedEvent,
            events.FileDeletedEvent,
            events.FileMovedEvent,
            events.DirMovedEvent,
        ]
        try:
            self._observer = Observer()
            for folder in _folders(self._paths):
                self._observer.schedule(Doorbell(), str(folder), event_filter=ends_of_writing)
            self._observer.daemon = True
            self._observer.start()
        except OSError as error:
            self._observer = None
            log.warning("changes of files are found by polling each second: %s", error)


def _ends_a_line(entry: FileSignature) -> bool:
    path, size = Path(entry[0]), entry[3]
    if size == 0 or path.is_dir():
        return True
    try:
        with path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read() == b"\n"
    except OSError:
        return True


def _folders(paths: Sequence[Path]) -> set[Path]:
    """The folders whose events matter: those of the paths, and of what links lead to."""
    folders = set()
    for path in paths:
        for place in (path, path.resolve()):
            folder = place if place.is_dir() else place.parent
            if folder.is_dir():
                folders.add(folder)
    return folders
