"""One attempt as a value, and the way to perform it: by its kind of handler."""

import os
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from datetime import datetime
from typing import Any, Literal, NamedTuple, Protocol

from jobsched.clock import Clock
from jobsched.handlers.cancel import CancelToken
from jobsched.handlers.context import Context
from jobsched.handlers.inheritance import EVERYTHING, Inheritance
from jobsched.handlers.python import perform_function, perform_python
from jobsched.handlers.registry import RegisteredHandler, Registry
from jobsched.handlers.secrets import RedactingSink, Resolve, Secrets
from jobsched.model.handler import AppriseHandler, Handler, HttpHandler, NotifyHandler, PythonHandler
from jobsched.model.job import Timeout


class LogSink(Protocol):
    """Where an attempt's output goes. Never raises, never blocks long; `text` may be part of a line, or many lines."""

    def write(self, stream: str, text: str) -> None: ...


#: The log of the attempt that this thread or coroutine performs; None outside of one.
current_log: ContextVar[LogSink | None] = ContextVar("jobsched_log", default=None)


class _Nowhere:
    def write(self, stream: str, text: str) -> None: ...


_NOWHERE = _Nowhere()


class Call(NamedTuple):
    """All that performing one attempt needs."""

    run_id: int
    namespace: str
    job: str | None
    attempt: int
    max_attempts: int
    scheduled_at: datetime | None
    payload: Mapping[str, Any]
    handler: Handler | AppriseHandler | NotifyHandler
    timeout: Timeout | None
    cancel: CancelToken
    log: LogSink
    env: Mapping[str, str]
    cwd: str | None
    available_at: datetime | None = None
    executor: Literal["thread", "process"] = "thread"  #: of a Python handler
    user: str | None = None
    umask: str | None = None  #: octal digits
    inheritance: Inheritance = EVERYTHING
    trace: str | None = None  #: the W3C `traceparent` of whoever enqueued the run
    client: Callable[[], Any] | None = None  #: makes a Client of the node's database, whose classes are above us

    @property
    def ends_by_force(self) -> bool:
        """Whether it can be ended at `kill_after` whatever it does: all but a function in a thread."""
        handler = self.handler.target if isinstance(self.handler, NotifyHandler) else self.handler
        return not isinstance(handler, PythonHandler | AppriseHandler) or self.executor == "process"

    @property
    def idempotency_key(self) -> str:
        """The same for all attempts of the run: for services that refuse to do a thing twice."""
        return f"jobsched-{self.run_id}"


def perform(
    call: Call, registry: Registry, resolve: Resolve, clock: Clock, environ: Mapping[str, str] = os.environ
) -> Any:
    """Perform the attempt in this thread; its result as a JSON value.

    `environ` is what `resolve` takes the values of `${VAR}` in `env` and `http` from, and what a command inherits
    (without our own variables); these values show neither in the log, nor in the result, nor in what is raised.
    Raises Retry, Cancel and Snooze as the handler raised them; CommandError, HttpError, UnknownHandlerError,
    PayloadError, ResultError, HandlerExitError, HandlerProcessError, RemoteError, MissingVariableError;
    HandlerTimeoutError or HandlerCancelledError when it was stopped; and whatever else a Python handler raises.
    """
    call.cancel.check()
    if isinstance(call.handler, NotifyHandler):
        call = call._replace(handler=call.handler.target)
    handler = call.handler
    # First what comes by the thousand.
    if isinstance(handler, PythonHandler):
        token = current_log.set(call.log)
        try:
            return _perform_python(call, handler, registry, clock)
        finally:
            current_log.reset(token)
    # httpx logs each URL with its secrets: for the node's log that is as wrong as for the run's.
    speaks_of_urls = isinstance(handler, HttpHandler | AppriseHandler)
    token = current_log.set(_NOWHERE if speaks_of_urls else call.log)
    try:
        return _perform_with_secrets(call, Secrets(resolve, environ), clock, environ)
    finally:
        current_log.reset(token)


def perform_in_thread(
    found: RegisteredHandler,
    payload: Mapping[str, Any],
    cancel: CancelToken,
    log: LogSink,
    context: Callable[[], Context],
) -> Any:
    """As `perform`, of a Python handler in this thread: what comes by the thousand needs no whole call.

    `context` is made only for a handler that takes it.
    """
    cancel.check()
    token = current_log.set(log)
    try:
        return perform_function(found, payload, cancel, context)
    finally:
        current_log.reset(token)


def _perform_python(call: Call, handler: PythonHandler, registry: Registry, clock: Clock) -> Any:
    found = registry.resolve(handler.name)
    if call.executor == "thread":
        return perform_python(call, found, clock)
    from jobsched.handlers.apart import perform_apart

    return perform_apart(call, found, registry.modules, clock)


def _perform_with_secrets(call: Call, secrets: Secrets, clock: Clock, environ: Mapping[str, str]) -> Any:
    try:
        if isinstance(call.handler, HttpHandler):
            from jobsched.handlers.http import perform_http

            log = RedactingSink(call.log, secrets)
            return secrets.redact_json(perform_http(call._replace(log=log), call.handler, secrets))
        if isinstance(call.handler, AppriseHandler):
            from jobsched.handlers.apprise import perform_apprise

            return perform_apprise(call, call.handler, secrets)
        from jobsched.handlers.command import perform_command

        return secrets.redact_json(perform_command(call, secrets, clock, environ))
    except Exception as error:  # noqa: BLE001 - raised again, whatever it is
        # Without what caused it, which may show more.
        raise secrets.redact_error(error) from None
