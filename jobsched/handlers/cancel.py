"""How an attempt is told to stop, and why."""

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Literal, TypeAlias

from jobsched.clock import Clock
from jobsched.errors import HandlerCancelledError, HandlerTimeoutError, JobschedError

log = logging.getLogger("jobsched")

CancelReason: TypeAlias = Literal["timeout", "shutdown", "cancelled", "replaced", "fenced"]

_MESSAGES: dict[CancelReason, str] = {
    "timeout": "stopped: the timeout of the attempt passed",
    "shutdown": "stopped: the node is shutting down",
    "cancelled": "stopped: the run was cancelled",
    "replaced": "stopped: a newer run replaced it",
    "fenced": "stopped: the node lost its lease, and the run with it",
}


# One lock for all: it is held for a few instructions, and for most attempts never. Reentrant: collecting garbage may run a
# destructor that asks for it again.
_lock = threading.RLock()


class CancelToken:
    """One attempt's order to stop: given once, by any thread, and never taken back.

    `deadline` is set before the handler starts: seconds of the clock's `monotonic`, None without a timeout.
    """

    __slots__ = (
        "_callbacks",
        "_clock",
        "_ended",
        "_event",
        "_hurry_callbacks",
        "_reason",
        "deadline",
        "heeded",
        "hurried",
    )

    def __init__(self, clock: Clock) -> None:
        self.deadline: float | None = None
        self._clock = clock
        self._reason: CancelReason | None = None
        self._ended = False
        #: The order that stood when the handler ended: None if it ended by itself, or has not ended.
        self.heeded: CancelReason | None = None
        self._callbacks: tuple[Callable[[], object], ...] = ()
        self._hurry_callbacks: tuple[Callable[[], object], ...] = ()
        #: There is no more time to obey in: what can be killed is killed now.
        self.hurried = False
        # Made when somebody waits: most attempts are never cancelled, and an Event costs more than all the rest here.
        self._event: threading.Event | None = None

    @property
    def cancelled(self) -> bool:
        return self._reason is not None

    @property
    def reason(self) -> CancelReason | None:
        """Of the first `cancel`; None while there was none."""
        return self._reason

    @property
    def remaining(self) -> float | None:
        """Seconds until the deadline, negative behind it; None without one."""
        return None if self.deadline is None else self.deadline - self._clock.monotonic()

    def cancel(self, reason: CancelReason) -> bool:
        """Ask the attempt to stop; False if it had been asked before, and then nothing changes.

        Callbacks run here, in the calling thread.
        """
        with _lock:
            if self._reason is not None:
                return False
            self._reason = reason
            callbacks, self._callbacks = self._callbacks, ()
            if self._event is not None:
                self._event.set()
        for callback in callbacks:
            _call(callback)
        return True

    def ends(self, *, unasked: bool = False) -> None:
        """The handler has ended: an order that comes later is not what it ended for. The first call counts.

        To be called where the end is seen, before anything else: a node may be held up between that and deciding what
        becomes of the run. `unasked`: whatever order stands by now, it never reached the handler.
        """
        if not self._ended:
            self._ended, self.heeded = True, None if unasked else self._reason

    def hurry(self) -> None:
        """Of a cancelled attempt: kill what can be killed, at once."""
        with _lock:
            self.hurried = True
            callbacks, self._hurry_callbacks = self._hurry_callbacks, ()
        for callback in callbacks:
            _call(callback)

    def on_hurry(self, callback: Callable[[], object]) -> None:
        """Call this when there is no more time, or at once if there is none already; it must not block."""
        with _lock:
            if not self.hurried:
                self._hurry_callbacks = (*self._hurry_callbacks, callback)
                return
        _call(callback)

    def on_cancel(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Call this on cancel, or at once if that has been. The answer forgets the callback again; it must not block."""
        with _lock:
            if self._reason is None:
                self._callbacks = (*self._callbacks, callback)
                return lambda: self._forget(callback)
        _call(callback)
        return lambda: None

    def wait(self, seconds: float | None = None) -> bool:
        """Block until cancelled or until `seconds` have passed; whether it is cancelled."""
        with _lock:
            if self._reason is not None:
                return True
            if self._event is None:
                self._event = threading.Event()
        return self._clock.wait(self._event, seconds)

    def error(self) -> JobschedError:
        """What a cancelled attempt ends with: HandlerTimeoutError or HandlerCancelledError. Only once cancelled."""
        assert self._reason is not None, "not cancelled"
        kind = HandlerTimeoutError if self._reason == "timeout" else HandlerCancelledError
        return kind(_MESSAGES[self._reason])

    def check(self) -> None:
        """Raise `error()` if cancelled."""
        if self._reason is not None:
            raise self.error()

    def _forget(self, callback: Callable[[], object]) -> None:
        with _lock:
            kept = list(self._callbacks)
            with suppress(ValueError):  # it has been called
                kept.remove(callback)
            self._callbacks = tuple(kept)


def _call(callback: Callable[[], object]) -> None:
    try:
        callback()
    except Exception:  # the thread that cancels watches over all attempts: one handler's callback must not end it
        log.exception("a callback on cancel failed")
