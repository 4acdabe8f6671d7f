"""One attempt as a value, and the way to perform it: by its kind of handler."""

import os
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeAlias

from jobsched.clock import Clock
from jobsched.handlers.cancel import CancelToken
from jobsched.handlers.python import perform_python
from jobsched.handlers.registry import Registry
from jobsched.model.handler import CommandHandler, Handler, HttpHandler, PythonHandler, ShellHandler
from jobsched.model.job import Timeout

#: Resolves `${VAR}` in a text of `env` or `http`, on this node, when the handler is performed.
Resolve: TypeAlias = Callable[[str], str]


class LogSink(Protocol):
    """Where an attempt's output goes. Never raises, never blocks long; `text` may be part of a line, or many lines."""

    def write(self, stream: str, text: str) -> None: ...


#: The log of the attempt that this thread or coroutine performs; None outside of one.
current_log: ContextVar[LogSink | None] = ContextVar("jobsched_log", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """All that performing one attempt needs."""

    run_id: int
    namespace: str
    job: str | None
    attempt: int
    max_attempts: int
    scheduled_at: datetime | None
    available_at: datetime | None = None
    payload: Mapping[str, Any]
    handler: Handler
    timeout: Timeout | None
    env: Mapping[str, str]
    cwd: str | None
    cancel: CancelToken
    log: LogSink

    @property
    def idempotency_key(self) -> str:
        """The same for all attempts of the run: for services that refuse to do a thing twice."""
        return f"jobsched-{self.run_id}"


def perform(
    call: Call, registry: Registry, resolve: Resolve, clock: Clock, environ: Mapping[str, str] = os.environ
) -> Any:
    """Perform the attempt in this thread; its result as a JSON value.

    `environ` is what a command inherits (without our own variables). Raises Retry, Cancel and Snooze as the handler
    raised them; CommandError, HttpError, UnknownHandlerError, PayloadError, ResultError, HandlerExitError;
    HandlerTimeoutError or HandlerCancelledError when it was stopped; and whatever else a Python handler raises.
    """
    call.cancel.check()
    token = current_log.set(call.log)
    try:
        match call.handler:
            case PythonHandler(name):
                return perform_python(call, registry.resolve(name), clock)
            case CommandHandler() | ShellHandler():
                from jobsched.handlers.command import perform_command

                return perform_command(call, resolve, clock, environ)
            case HttpHandler():
                from jobsched.handlers.http import perform_http

                return perform_http(call, call.handler, resolve)
    finally:
        current_log.reset(token)
