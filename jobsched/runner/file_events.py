"""File events: have the system ring when something happens in some folders, and look after what does so."""

import logging
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

log = logging.getLogger("jobsched")


class FileEvents:
    """Calls `ring` soon after a change in the folders, and now and then without one. It may miss changes: poll as well."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._observer: Any = None
        self._followed: dict[str, tuple[int, int]] = {}
        self._warned = False

    def follow(self, folders: Iterable[str]) -> None:
        """See to it that these folders, and no others, are listened to. Cheap when they are; never raises."""
        wanted = {folder: inode for folder in folders if (inode := _inode(folder)) is not None}
        # A folder that was moved away is listened to where it went, and what is put in its place is not: only the
        # inode tells. One that was removed has ended its emitter, though the observer looks healthy.
        if wanted == self._followed and (self._observer is None or _lives(self._observer)):
            return
        self.stop()
        self._followed = wanted
        try:
            self._observer = _listen(wanted, self._ring)
        except Exception as error:  # noqa: BLE001 - whatever a system lacks for it, polling does without
            if not self._warned:
                log.warning("changes of files are found by polling each second: %s", error)
            self._warned = True

    def stop(self) -> None:
        """Listen no more."""
        observer, self._observer, self._followed = self._observer, None, {}
        if observer is not None:
            with suppress(Exception):  # it is broken, which is why it goes
                observer.stop()


def _listen(folders: Iterable[str], ring: Callable[[], None]) -> Any:
    from watchdog import events
    from watchdog.observers import Observer

    class Ring(events.FileSystemEventHandler):
        def on_any_event(self, event: events.FileSystemEvent) -> None:  # noqa: ARG002 - watchdog's signature
            # Nothing more: an exception here would kill watchdog's thread for good.
            ring()

    # Not each modification: an SQLite file in the same folder is written to all the time, and never closed.
    ends_of_writing: list[type[events.FileSystemEvent]] = [
        events.FileClosedEvent,
        events.FileCreatedEvent,
        events.FileDeletedEvent,
        events.FileMovedEvent,
        events.DirMovedEvent,
    ]
    observer = Observer()
    try:
        for folder in folders:
            observer.schedule(Ring(), folder, event_filter=ends_of_writing)
        observer.daemon = True
        observer.start()
    except Exception:
        # Those of the folders that it had begun with would go on.
        with suppress(Exception):
            observer.stop()
            observer.unschedule_all()
        raise
    return observer


def _lives(observer: Any) -> bool:
    return bool(observer.is_alive() and all(emitter.is_alive() for emitter in observer.emitters))


def _inode(folder: str) -> tuple[int, int] | None:
    try:
        found = os.stat(folder)  # noqa: PTH116 - each second, and a string as watchdog wants it
    except OSError:
        return None
    return found.st_dev, found.st_ino
