"""The trace that goes on here, as text: OpenTelemetry's, if the program uses it."""

import sys


def current_trace() -> str | None:
    """The W3C `traceparent` of the span that is current here; None without one. A program without OpenTelemetry pays a look-up."""
    # Whoever has a span has imported it; to import it for nothing would be the cost.
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return None
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
