"""Watcher: notices that the files have changed. Events are a doorbell; stat signatures decide, and the content hash after them.

Replacing a folder, or editing behind a symbolic link, makes no event at all, so a slow poll stands behind the doorbell.
"""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from jobsched.clock import Clock
from jobsched.runner.file_events import FileEvents
from jobsched.runner.service import Service
from jobsched.runner.signature import Signature, folders_of, is_finished, signature

log = logging.getLogger("jobsched")

#: Files must stand still for so long before they are read: an editor may be in the middle of writing.
QUIET_SECONDS = 0.25
#: And for so long when one is missing, empty or does not end a line (cut off, and most such files are valid all the same),
#: or while git is at work in their repository.
UNFINISHED_SECONDS = 2.0
#: Files that do not stand still for so long are reported, once. They are not read: what is still written to may be half.
RESTLESS_SECONDS = 5.0
_POLL_SECONDS = 1.0


class Watcher(Service):
    """Calls `on_change` with their signature once the files differ from when it last did, and stand still."""

    name = "watcher"

    def __init__(
        self,
        clock: Clock,
        paths: Sequence[Path],
        on_change: Callable[[Signature], None],
        seen: Signature | None = None,
        *,
        follows: bool = True,
    ) -> None:
        """`seen`: the signature of what was read last; default: as the files are now. `follows` False: only when told to."""
        super().__init__(clock)
        self._paths, self._on_change, self._follows = paths, on_change, follows
        self._asked = self._answered = 0
        self._handled = signature(paths) if seen is None else seen
        self._moving: Signature | None = None
        self._moved = self._restless_since = 0.0
        self._reported = False
        self._listens = False
        self._events = FileEvents(self.wake)
        self._folders: frozenset[str] = frozenset()
        self._folders_at: Signature | None = None

    def start(self) -> None:
        self._listens = self._follows
        super().start()

    def stop(self) -> None:
        super().stop()
        self._events.stop()

    def reload(self) -> None:
        """Treat the files as changed, whatever stat says (SIGHUP)."""
        self._asked += 1
        self.wake()

    @property
    def answered(self) -> bool:
        """Whether all that `reload` asked for has been done."""
        return self._asked == self._answered

    def step(self) -> float | None:
        asked, seen = self._asked, signature(self._paths)
        self._listen(seen)
        if asked == self._answered and (seen == self._handled or not self._follows):
            self._moving = None
            return _POLL_SECONDS if self._follows else None
        rest = self._rest(seen)
        if rest > 0:
            return rest
        self._on_change(seen)
        # Only now: had it failed, it would be called again.
        self._moving, self._handled = None, seen
        if signature(self._paths) != seen:
            return QUIET_SECONDS  # what was read may count for nothing: who asked for it is not answered yet
        # Not `self._asked`: who asked while it was read is not answered by it.
        self._answered = asked
        return _POLL_SECONDS if self._follows else None

    def _rest(self, seen: Signature) -> float:
        """Seconds that the files have to stand still yet."""
        now = self.clock.monotonic()
        if self._moving is None:
            self._restless_since, self._reported = now, False
        if seen != self._moving:
            self._moving, self._moved = seen, now
        rest = self._moved + QUIET_SECONDS - now
        if rest <= 0 and not is_finished(seen):
            rest = self._moved + UNFINISHED_SECONDS - now
        if rest > 0 and now >= self._restless_since + RESTLESS_SECONDS and not self._reported:
            self._reported = True
            log.warning("the files keep changing; they are read once they stand still")
        return rest

    def _listen(self, seen: Signature) -> None:
        if not self._listens:
            return
        if seen != self._folders_at:
            # A link may lead elsewhere now, a folder may have come.
            self._folders, self._folders_at = folders_of(self._paths), seen
        self._events.follow(self._folders)
        if self.stopping:
            self._events.stop()  # `stop` may have come too early to see this one
