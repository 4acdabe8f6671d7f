"""Spans of OpenTelemetry: one around each attempt, in the trace of whoever enqueued its run. `runner.use(tracing())`."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from jobsched.errors import Cancel, MissingExtraError, Snooze
from jobsched.handlers.call import Call
from jobsched.handlers.middleware import Middleware
from jobsched.model.handler import PythonHandler, handler_kind

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import TracerProvider


def tracing(provider: "TracerProvider | None" = None) -> Middleware:
    """Middleware for `runner.use`. `provider`: None for the one that the program has set. Raises MissingExtraError."""
    try:
        from opentelemetry import trace
    except ModuleNotFoundError:
        raise MissingExtraError("spans", "opentelemetry-api", "otel") from None
    tracer = trace.get_tracer("jobsched", tracer_provider=provider)

    def traced(call: Call, perform: Callable[[], Any]) -> Any:
        with tracer.start_as_current_span(
            f"perform {call.job or _handler(call)}",
            context=_parent(call.trace),
            kind=trace.SpanKind.CONSUMER,
            attributes=_attributes(call),
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                return perform()
            except (Snooze, Cancel) as wish:
                # What a handler may wish for, and no error; what becomes of it is not known here.
                span.set_attribute("jobsched.wish", type(wish).__name__.lower())
                raise
            except BaseException as error:
                span.record_exception(error)
                span.set_status(trace.StatusCode.ERROR, type(error).__name__)
                raise

    return traced


def _parent(traceparent: str | None) -> "Context":
    """The span of whoever enqueued it, if there was one; else a trace begins, whatever this thread did before."""
    from opentelemetry.context import Context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier = {} if traceparent is None else {"traceparent": traceparent}
    return TraceContextTextMapPropagator().extract(carrier, Context())


def _attributes(call: Call) -> dict[str, str | int]:
    found: dict[str, str | int] = {
        "jobsched.run_id": call.run_id,
        "jobsched.namespace": call.namespace,
        "jobsched.handler": _handler(call),
        "jobsched.attempt": call.attempt,
        "jobsched.max_attempts": call.max_attempts,
    }
    if call.job is not None:
        found["jobsched.job"] = call.job
    if call.scheduled_at is not None:
        found["jobsched.scheduled_at"] = call.scheduled_at.isoformat()
    return found


def _handler(call: Call) -> str:
    """The name of a function; of what is none, its kind: a command may hold what is nobody's business."""
    return call.handler.name if isinstance(call.handler, PythonHandler) else handler_kind(call.handler)
