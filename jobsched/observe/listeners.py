"""The one place that events go through: a line in the node's log, and a call of those who listen."""

import logging
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar, cast

from jobsched.observe.events import Event

log = logging.getLogger("jobsched")

#: So many events wait for slow listeners; those that come after are not heard.
MOST_WAITING = 10_000
#: How long the end of a node waits for listeners to hear the last events.
_TO_HEAR = 2.0

E = TypeVar("E", bound=Event)
Listener = Callable[[Event], object]


class Events:
    """Thread-safe. Listeners are called one after the other on a thread of their own: whatever they do, no run notices."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: tuple[tuple[type[Event], Listener], ...] = ()
        self._counters: tuple[Listener, ...] = ()
        self._waiting: queue.Queue[Event | None] = queue.Queue(MOST_WAITING)
        self._thread: threading.Thread | None = None
        self._deaf = False

    def on(self, kind: type[E], listener: Callable[[E], object]) -> Callable[[], None]:
        """Call `listener` with each event of this class or derived from it; the answer forgets it again."""
        entry = (kind, cast("Listener", listener))
        with self._lock:
            self._listeners = (*self._listeners, entry)
            if self._thread is None:
                self._thread = threading.Thread(target=self._call_all, name="jobsched-listeners", daemon=True)
                self._thread.start()
        return lambda: self._forget(entry)

    def count(self, counter: Listener) -> None:
        """Call `counter` with each event, at once and by the thread that says it: for what takes no time and waits for nobody.

        To hand each event to another thread would cost a quick run more than all else that is done for it.
        """
        with self._lock:
            self._counters = (*self._counters, counter)

    def emit(self, event: Event, *, logged: bool = True) -> None:
        """Log it (`logged` False: the log says it otherwise), and have it heard. Never raises, never waits."""
        level = event.level
        if logged and log.isEnabledFor(level):
            log.log(level, "%s", event, extra={"event": event.name, **event.as_fields()})
        for counter in self._counters:
            _call(counter, event)
        if self._listeners and any(isinstance(event, kind) for kind, _ in self._listeners):
            self._offer(event)

    def hears(self, level: int) -> bool:
        """Whether anybody does, at this level of the log; if not, an event that comes by the thousand need not be made."""
        return bool(self._listeners or self._counters) or log.isEnabledFor(level)

    def close(self) -> None:
        """Let the listeners hear what has been said, for a moment at most."""
        thread = self._thread
        if thread is None or thread is threading.current_thread():
            return
        try:
            self._waiting.put_nowait(None)
        except queue.Full:
            return  # they are stuck
        thread.join(_TO_HEAR)

    def _offer(self, event: Event) -> None:
        was_deaf, self._deaf = self._deaf, self._waiting.full()
        if not self._deaf:
            # Between asking and putting another thread may have taken the last place.
            with suppress(queue.Full):
                self._waiting.put_nowait(event)
        elif not was_deaf:
            log.error("a listener is stuck or too slow: %d events wait for it, the next are not heard", MOST_WAITING)

    def _call_all(self) -> None:
        while (event := self._waiting.get()) is not None:
            for kind, listener in self._listeners:
                if isinstance(event, kind):
                    _call(listener, event)

    def _forget(self, entry: tuple[type[Event], Listener]) -> None:
        with self._lock:
            self._listeners = tuple(each for each in self._listeners if each is not entry)


def _call(listener: Listener, event: Event) -> None:
    try:
        listener(event)
    except BaseException:  # whatever it raises is its own: the others are to hear the event too
        log.exception("a listener failed on %s", event.name)
