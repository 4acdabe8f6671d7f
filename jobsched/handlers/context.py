"""What a Python handler may know of its run, and say about it."""

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from jobsched.clock import Clock
from jobsched.errors import NoClientError

if TYPE_CHECKING:
    from jobsched.client import Client
    from jobsched.handlers.call import Call, LogSink


class Context:
    """Given to a handler whose first parameter is annotated with it. Its methods may be called from any thread."""

    __slots__ = ("_call", "_clock", "_log", "_said", "_started_at", "_started_monotonic")

    def __init__(self, call: "Call", clock: Clock) -> None:
        self._call, self._clock = call, clock
        self._started_at, self._started_monotonic = clock.now(), clock.monotonic()
        self._log: logging.Logger | None = None
        self._said = ""

    @property
    def run_id(self) -> int:
        return self._call.run_id

    @property
    def namespace(self) -> str:
        return self._call.namespace

    @property
    def job(self) -> str | None:
        """None for an ad-hoc run."""
        return self._call.job

    @property
    def attempt(self) -> int:
        """From 1."""
        return self._call.attempt

    @property
    def max_attempts(self) -> int:
        return self._call.max_attempts

    @property
    def scheduled_at(self) -> datetime | None:
        """The slot, in UTC; None for a run that no schedule made."""
        return self._call.scheduled_at

    @property
    def payload(self) -> Mapping[str, Any]:
        return self._call.payload

    @property
    def idempotency_key(self) -> str:
        """The same for all attempts of this run: hand it to services that refuse to do a thing twice."""
        return self._call.idempotency_key

    @property
    def client(self) -> "Client":
        """Of the node's database and the run's namespace: to enqueue or trigger what comes next, to look at other runs.

        What it makes is made at once, whatever becomes of this attempt: give `unique_key` and `unique_for`, so that the
        next attempt makes no second one. Raises NoClientError with `executor: process`, and where no node performs it.
        """
        if self._call.client is None:
            raise NoClientError
        client: Client = self._call.client()
        return client

    @property
    def started_at(self) -> datetime:
        """When this attempt began, in UTC."""
        return self._started_at

    @property
    def deadline(self) -> datetime | None:
        """When the timeout of this attempt passes, in UTC; None without one."""
        deadline = self._call.cancel.deadline
        return None if deadline is None else self._started_at + timedelta(seconds=deadline - self._started_monotonic)

    @property
    def cancelled(self) -> bool:
        """The handler should stop: its deadline passed, the node shuts down, or the run was cancelled."""
        return self._call.cancel.cancelled

    def check(self) -> None:
        """Raise HandlerTimeoutError or HandlerCancelledError if the handler should stop; call it in long loops."""
        self._call.cancel.check()

    def wait(self, seconds: float) -> bool:
        """Sleep, but wake at once when the handler should stop; whether it should."""
        return self._call.cancel.wait(seconds)

    @property
    def log(self) -> logging.Logger:
        """Writes to the run's log, every level; nothing of it reaches the node's own log."""
        if self._log is None:
            self._log = _run_logger(self._call.log)
        return self._log

    def progress(self, fraction: float, text: str = "") -> None:
        """Say how far the work is, from 0 to 1; `runs`, `show`, `status` and `logs -f` show it while the run runs.

        A line of the run's log, unless it says what the one before it said.
        """
        percent = round(100 * min(max(fraction, 0.0), 1.0))
        said = f"{percent}% {' '.join(text.split())}".rstrip()
        if said != self._said:
            self._said = said
            self._call.log.write("progress", said + "\n")


class _SinkHandler(logging.Handler):
    def __init__(self, sink: "LogSink") -> None:
        super().__init__()
        self._sink = sink
        self.setFormatter(logging.Formatter("%(levelname)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._sink.write("log", self.format(record) + "\n")
        except Exception:  # noqa: BLE001 - as logging's own handlers: a bad format string is reported, not raised into the handler
            self.handleError(record)


def _run_logger(sink: "LogSink") -> logging.Logger:
    # Not from getLogger, which keeps every logger for ever: one lives as long as its attempt.
    logger = logging.Logger("jobsched.run", logging.DEBUG)  # noqa: LOG001 - see above
    logger.propagate = False
    logger.addHandler(_SinkHandler(sink))
    return logger
