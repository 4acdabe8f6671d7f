"""One attempt in this process, without a store: its deadline kept, signals heeded, its output shown as it comes."""

import secrets
import signal
import threading
from types import FrameType
from typing import Any

from jobsched.cli.output import pass_on, say
from jobsched.clock import Clock
from jobsched.config.variables import resolve
from jobsched.errors import HandlerTimeoutError
from jobsched.handlers.call import Call, perform
from jobsched.handlers.cancel import CancelReason, CancelToken
from jobsched.handlers.inheritance import Inheritance
from jobsched.handlers.process import KILL_AFTER_SECONDS
from jobsched.handlers.registry import Registry
from jobsched.model.job import Job

#: What a command or an HTTP call gets on top of `kill_after`: it ends by itself, and has its pipes to close.
_TO_WIND_UP = 3.0
#: Beyond any run of a store: an `idempotency_key` made of it must not be taken for that of a real run.
_RUN_IDS = 2**62


class Interrupted(BaseException):
    """SIGINT or SIGTERM came; raised in the main thread, as KeyboardInterrupt is."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def heed_signals() -> None:
    """From now on SIGINT and SIGTERM raise Interrupted in the main thread."""
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    raise Interrupted(number)


class Performance:
    """Performs a job once, in a thread as a node does, so that a handler that does not obey can be given up."""

    def __init__(
        self, job: Job, payload: dict[str, Any], registry: Registry, inheritance: Inheritance, clock: Clock
    ) -> None:
        self._job, self._registry, self._clock = job, registry, clock
        self._cancel = CancelToken(clock)
        self._terminal = _Terminal(self._cancel)
        self._call = Call(
            run_id=_RUN_IDS + secrets.randbelow(_RUN_IDS),
            namespace=job.namespace,
            job=job.name,
            attempt=1,
            max_attempts=1,
            scheduled_at=None,
            payload=payload,
            handler=job.handler,
            timeout=job.timeout,
            executor=job.executor,
            env=job.env,
            cwd=job.cwd,
            user=job.user,
            umask=job.umask,
            inheritance=inheritance,
            cancel=self._cancel,
            log=self._terminal,
        )
        self._ended = threading.Event()
        self._result: Any = None
        self._raised: BaseException | None = None
        self._thread = threading.Thread(target=self._perform, name="jobsched-exec", daemon=True)

    @property
    def unshown(self) -> OSError | None:
        """Why its output could not be shown, which has stopped it; `run` raises this."""
        return self._terminal.error

    def run(self) -> Any:
        """The handler's result.

        Raises what `perform` raises, HandlerTimeoutError also of a handler that did not end when asked, and Interrupted.
        """
        after = self._job.timeout.after.total_seconds() if self._job.timeout else None
        self._cancel.deadline = None if after is None else self._clock.monotonic() + after
        interrupted = None
        try:
            # Within: it may write, and be answered with Ctrl-C, before `start` has returned.
            self._thread.start()
            reason: CancelReason | None = None if self._clock.wait(self._ended, after) else "timeout"
        except Interrupted as signalled:
            interrupted, reason = signalled, "cancelled"
            say("stopping; Ctrl-C again stops at once", err=True)
        if reason is not None:
            self._stop(reason)
        if interrupted is not None:
            raise interrupted
        if not self._ended.is_set():
            raise HandlerTimeoutError(f"did not end at its timeout of {after:g} s, nor when it was asked to")
        self._thread.join()
        if self.unshown is not None:
            raise self.unshown
        if self._raised is not None:
            raise self._raised
        return self._result

    def _stop(self, reason: CancelReason) -> None:
        """Ask it to end, and wait until it has, or `kill_after` has passed; a signal in between cuts that short."""
        self._cancel.cancel(reason)
        kill_after = self._job.timeout.kill_after.total_seconds() if self._job.timeout else KILL_AFTER_SECONDS
        wind_up = _TO_WIND_UP if self._call.ends_by_force else 0.0
        try:
            self._clock.wait(self._ended, kill_after + wind_up)
        except Interrupted:
            self._cancel.hurry()
            self._clock.wait(self._ended, wind_up)
            raise

    def _perform(self) -> None:
        try:
            self._result = perform(self._call, self._registry, resolve, self._clock)
        except BaseException as raised:  # noqa: BLE001 - raised again in the main thread
            self._raised = raised
        self._ended.set()


class _Terminal:
    """Shows what the attempt writes: standard output there, everything else on standard error."""

    def __init__(self, cancel: CancelToken) -> None:
        self._cancel = cancel
        self.error: OSError | None = None

    def write(self, stream: str, text: str) -> None:
        if self.error is not None:
            return
        try:
            pass_on(text, err=stream != "stdout")
        except OSError as error:
            # Who read it (head, a pager) has seen enough, or there is no room: no reason to go on.
            self.error = error
            self._cancel.cancel("cancelled")
